/** `x-forwarded-client-cert`: what it says of a client, and who may say it. */
import t from 'tap'
import { addedFields } from '../../src/call/added-fields.ts'
import { forwardedCertificate } from '../../src/call/client-certificate.ts'
import type { Peer } from '../../src/transport/transport.ts'
import { block } from '../support/fake-transport.ts'
import { CallRig, request } from './rig.ts'

type Certificate = NonNullable<Peer['certificate']>

const PRINT = 'AB:CD:0F'
const client = (more: Partial<Certificate> = {}, shownAltName = 'URI:spiffe://example/proxy'): Peer => ({
  ...{ address: '192.0.2.9:1', encrypted: true, shownAltName },
  certificate: {
    ...{ subject: 'O=Example\nCN=web', subjectAltName: 'URI:spiffe://example/web, DNS:web.example' },
    ...{ fingerprint256: PRINT, authorized: true, ...more },
  },
})
const SENT = block({ 'x-forwarded-client-cert': 'Hash=forged' })
const NOTHING = block({})

t.test('set, append, forward and remove: for a client that was verified, and for any other', async t => {
  const others: Peer[] = [{ address: 'unix', encrypted: false }, client({ authorized: false })]
  const own =
    'By=spiffe://example/proxy;Hash=abcd0f;Subject="CN=web,O=Example";URI=spiffe://example/web;DNS=web.example'
  const told = (mode: Parameters<typeof forwardedCertificate>[0], peer: Peer, sent = SENT) =>
    forwardedCertificate(mode)(peer, sent).map(({ value, removes }) => (removes ? 'removed' : value))
  t.same(told('set', client()), [own])
  t.same(told('append', client()), [`Hash=forged,${own}`])
  t.same(told('append', client(), NOTHING), [own])
  t.same(told('forward', client()), [])
  t.same(told('remove', client()), ['removed'])
  for (const mode of ['set', 'append', 'forward', 'remove'] as const) {
    for (const peer of others) {
      t.same(told(mode, peer), ['removed'], mode)
      t.same(told(mode, peer, NOTHING), [], 'nothing to remove, and nothing to add')
    }
  }
})

t.test('names that could be mistaken for something else', async t => {
  const told = (peer: Peer) => forwardedCertificate('set')(peer, NOTHING)[0]!.value
  const names = (subjectAltName: string) => told(client({ subject: 'CN=a', subjectAltName }, ''))
  t.equal(names('URI:"spiffe://a,Hash=00;x=\\"y"'), 'Hash=abcd0f;Subject="CN=a";URI="spiffe://a,Hash=00;x=\\"y"')
  t.equal(names('URI:"a\\\\", DNS:"b\\u0000", DNS:"c d", DNS:e'), 'Hash=abcd0f;Subject="CN=a";DNS=e')
  const subject = (text: string) => told(client({ subject: text, subjectAltName: '' }, '')).slice('Hash=abcd0f;'.length)
  t.equal(subject('C=DE\nO=A\\, B\nCN=x + UID=1'), 'Subject="CN=x+UID=1,O=A\\, B,C=DE"')
  t.equal(subject('CN=a\\"\\\\'), 'Subject="CN=a\\22\\5C"')
  t.equal(subject('CN=ü😀\r'), 'Subject="CN=\\C3\\BC\\F0\\9F\\98\\80\\0D"')
  const many = Array.from({ length: 1_000 }, (_, i) => `DNS:n${i}.example`).join(', ')
  t.equal(names(many), 'Hash=abcd0f', 'too many to tell')
})

t.test('it is made once for a connection, and goes to the backend in place of what was sent', async t => {
  const fields = addedFields({ xForwardedFor: false, forwarded: false, via: false, xForwardedClientCert: 'set' })
  const peer = client()
  const target = Object.freeze({ backend: 'main' })
  const of = () => fields(peer, {} as never, SENT, target)[0]
  t.equal(of(), of())
  const rig = new CallRig({ addedFields: fields })
  rig.open(request({ 'x-forwarded-client-cert': 'Hash=forged' }), true)
  const [first] = rig.up.sent
  const names = first?.kind === 'headers' ? first.block.map(({ name }) => name) : []
  t.equal(names.includes('x-forwarded-client-cert'), false, 'a client without a certificate')
  t.equal(names.includes('content-type'), true)
})
