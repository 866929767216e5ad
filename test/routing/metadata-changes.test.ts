/** Changes of metadata: what is refused when they are read, and what a call can make of a value. */
import t from 'tap'
import { parseConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/config/problems.ts'
import type { FieldChanges } from '../../src/routing/field-changes.ts'
import { defineChanges, editsOf } from '../../src/routing/metadata-changes.ts'
import type { Peer } from '../../src/transport/transport.ts'
import { type Asked, call, HELLO } from './rig.ts'

function made(value: string, asked: Asked & { peer?: Peer; identity?: string } = {}): string | undefined {
  const { peer, identity } = asked
  const info = call(HELLO, asked)
  const given = {
    ...info,
    ...(peer && { peer }),
    notes: identity === undefined ? {} : { identity: { name: identity, by: 'jwt' } },
  }
  const edits = editsOf(defineChanges({ request: { set: { 'x-a': value } } }), given, 'main')
  return edits.request?.fields[0]?.value
}

const certificate = (subject: string, subjectAltName: string, authorized = true): Peer => ({
  address: '[2001:db8::1]:4711',
  encrypted: true,
  certificate: { subject, subjectAltName, fingerprint256: 'AB:CD', authorized },
})

t.test('what belongs to the protocol cannot be named', async t => {
  const names = 'grpc-status grpc-timeout grpc-encoding :path :status content-type content-length te host connection'
  for (const name of [...names.split(' '), 'upgrade', 'transfer-encoding', 'keep-alive', 'X-Upper', 'a b', '']) {
    for (const changes of [{ set: { [name]: '1' } }, { add: { [name]: '1' } }, { remove: [name] }] as FieldChanges[]) {
      for (const part of ['request', 'response', 'trailers']) {
        t.throws(() => defineChanges({ [part]: changes }), TypeError, `${part} ${name}`)
      }
    }
  }
})

t.test('values that no field can have, and variables that do not exist', async t => {
  for (const value of [
    'a\r\nx: 1',
    'a\0',
    'caf\u00e9',
    ' a',
    'a ',
    '{nothing}',
    '{',
    '}',
    '{peer.host',
    '{{peer.host}',
    '{constructor}',
  ]) {
    t.throws(() => defineChanges({ request: { set: { 'x-a': value } } }), TypeError, JSON.stringify(value))
  }
  for (const value of ['{peer.host}', 'not base64!']) {
    t.throws(() => defineChanges({ request: { add: { 'x-a-bin': value } } }), /base64/)
  }
  t.throws(() => defineChanges({ request: { set: { 'x-a': 1 as never } } }), /is a text/)
})

t.test('what a client writes stays in one value', async t => {
  t.equal(made('<{authority}>', { authority: 'a\r\nx-forged: 1' }), '<a%0D%0Ax-forged: 1>')
  t.equal(made('{authority}', { authority: '\0caf\u00e9%' }), '%00caf%C3%A9%25')
  t.equal(made('{identity}', { identity: ' ada  ' }), '%20ada%20%20')
  t.equal(made('{authority}', { authority: '{peer.host}' }), '{peer.host}', 'a value is no template')
  t.equal(made('{authority}', { authority: 'a'.repeat(4_097) }), undefined, 'a name that is cut is another name')
  t.equal(made('a{identity}'), undefined)
  t.equal(made('{authority}', { authority: '' }), undefined)
})

t.test('certificates: names that were verified, and each is one', async t => {
  const peer = certificate('O=Ex\nCN=A "q" \u00e9', 'DNS:a.example, DNS:"b,c%", URI:spiffe://x/y, IP Address:1.2.3.4')
  t.equal(made('{peer.certificate.dns}', { peer }), 'a.example,b%2Cc%25')
  t.equal(made('{peer.certificate.uri}', { peer }), 'spiffe://x/y')
  t.equal(made('{peer.certificate.fingerprint}', { peer }), 'abcd')
  t.match(made('{peer.certificate.subject}', { peer }), /^CN=A [ -~]*,O=Ex$/)
  t.equal(made('{peer.host} {peer.address}', { peer }), '2001:db8::1 [2001:db8::1]:4711')
  for (const name of ['dns', 'uri', 'fingerprint', 'subject']) {
    t.equal(made(`{peer.certificate.${name}}`, { peer: certificate('CN=A', 'DNS:a', false) }), undefined, name)
  }
})

t.test('without variables all calls share what was made once', async t => {
  const changes = defineChanges({ request: { set: { a: '1' } }, response: { remove: ['b'] } })
  t.equal(editsOf(changes, call(HELLO), 'main'), editsOf(changes, call(HELLO), 'main'))
})

t.test('configuration: each problem with its place', async t => {
  const yaml = (change: string) =>
    `listeners: [{ address: 127.0.0.1:0 }]\nbackends: { a: { endpoints: [127.0.0.1:1] } }\nroutes: [{ backend: a, ${change} }]`
  const problem = (change: string) => {
    try {
      parseConfig(yaml(change), 'a.yaml')
      return ''
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return error.problems.map(({ message }) => message).join('; ')
    }
  }
  t.equal(problem('request: { set: { x: "{peer.host}" }, add: { y: [a, b] }, remove: [z] }'), '')
  t.match(problem('request: { set: { grpc-timeout: 1S } }'), /grpc-timeout belongs to the protocol/)
  t.match(problem('response: { remove: [content-type] }'), /content-type belongs to the protocol/)
  t.match(problem('trailers: { set: { x: "{peer.hots}" } }'), /\{peer\.hots\} is not known/)
  t.match(problem('request: { set: { x: a }, remove: [x] }'), /stands in set too/)
  t.match(problem('request: { set: { x: "{" } }').toString(), /single \{/)
})
