/** Which certificate a client gets, by the name that it asks for: the rules, and real handshakes. */
import { once } from 'node:events'
import tls, { type ConnectionOptions } from 'node:tls'
import t, { type Test } from 'tap'
import { createProxy } from '../../src/index.ts'
import { altNames } from '../../src/transport/alt-names.ts'
import type { ListenTls } from '../../src/transport/listen-tls.ts'
import { type CertificatePair, ServerNames } from '../../src/transport/server-names.ts'
import { certificates, type Identity, issue } from '../support/certs.ts'

const { ca } = await certificates()

t.test(
  'names of a certificate: those that could be mistaken are quoted, and what cannot be read hides them all',
  async t => {
    t.same(altNames('DNS:a.example, URI:spiffe://b/c, IP Address:127.0.0.1'), [
      { kind: 'DNS', name: 'a.example' },
      { kind: 'URI', name: 'spiffe://b/c' },
      { kind: 'IP Address', name: '127.0.0.1' },
    ])
    t.same(altNames('URI:"spiffe://a, DNS:b.example", DNS:c'), [
      { kind: 'URI', name: 'spiffe://a, DNS:b.example' },
      { kind: 'DNS', name: 'c' },
    ])
    t.same(altNames('DNS:a, URI:"x\\u"y", DNS:b'), [])
    t.same(altNames(''), [])
  },
)

t.test('exact before wildcard, a wildcard is one label; case and the last dot do not matter', async t => {
  const [one, two, three] = await Promise.all([
    issue(ca, { names: ['one.example'] }),
    issue(ca, { names: ['*.example', 'two.example'] }),
    issue(ca, { names: ['three.other'] }),
  ])
  const all = [one, two, { ...three, names: ['*.b.other', 'Given.Other.'] }]
  let made = 0
  const nameOf = (pair: CertificatePair) => {
    made++
    return String(all.findIndex(({ cert }) => cert === pair.cert))
  }
  const names = new ServerNames(all, nameOf)
  t.equal(names.first, '0')
  for (const [name, index] of Object.entries({
    'one.example': '0',
    'ONE.example.': '0',
    'two.example': '1',
    'x.example': '1',
    'x.y.example': undefined,
    example: undefined,
    '.example': undefined,
    'a.b.other': '2',
    'given.other': '2',
    'three.other': undefined,
    '127.0.0.1': undefined,
    '': undefined,
    '*.example': '1',
    __proto__: undefined,
  })) {
    t.equal(names.of(name), index, name)
  }
  for (let i = 0; i < 100_000; i++) names.of(`name-${i}.${i % 2 === 0 ? 'example' : 'nowhere.test'}`)
  t.equal(made, 3, 'one context for each certificate, whatever is asked for')
})

t.test('of two for one name the first is used', async t => {
  const pairs = await Promise.all([issue(ca, { names: ['a', 'b'] }), issue(ca, { names: ['b', 'c'] })])
  const names = new ServerNames(pairs, ({ cert }) => pairs.findIndex(one => one.cert === cert))
  t.same([names.of('a'), names.of('b'), names.of('c')], [0, 0, 1])
})

/** A listener, and why it refused whom. */
async function listening(t: Test, transport: 'frames' | 'native', options: ListenTls) {
  const { default: pino } = await import('pino')
  const refused: string[] = []
  const write = (line: string) => {
    const { msg, detail } = JSON.parse(line)
    if (msg === 'connection refused') refused.push(detail)
  }
  const logger = pino({ level: 'info' }, { write })
  const proxy = createProxy({ backends: { main: { endpoints: ['127.0.0.1:1'] } }, logger })
  t.teardown(() => proxy.close())
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0, transport, tls: options })
  return { port, refused, proxy }
}

/** The first name of the certificate that a client gets, or what became of the handshake. */
async function served(port: number, servername: string, more: ConnectionOptions = {}): Promise<string> {
  const socket = tls.connect({
    ...{ port, host: '127.0.0.1', servername, rejectUnauthorized: false, ALPNProtocols: ['h2'] },
    ...more,
  })
  try {
    await once(socket, 'secureConnect')
    const { subjectAltName = '', publicKey } = socket.getPeerX509Certificate()!
    const name = /DNS:([^,]+)/.exec(subjectAltName)?.[1] ?? ''
    return publicKey.asymmetricKeyType === 'rsa' ? `${name} (RSA)` : name
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  } finally {
    socket.destroy()
  }
}

const pairOf = ({ cert, key }: Identity): CertificatePair => ({ cert, key })

for (const transport of ['frames', 'native'] as const) {
  t.test(`${transport}: each client gets the certificate for its name, and others the first`, async t => {
    const [one, two] = await Promise.all([
      issue(ca, { names: ['one.example'] }),
      issue(ca, { names: ['*.two.example'] }),
    ])
    const { port } = await listening(t, transport, { ...one, certificates: [pairOf(two)] })
    t.equal(await served(port, 'one.example'), 'one.example')
    t.equal(await served(port, 'A.Two.Example'), '*.two.example')
    t.equal(await served(port, 'a.two.example', { maxVersion: 'TLSv1.2' }), '*.two.example')
    t.equal(await served(port, 'nobody.example'), 'one.example')
    t.equal(await served(port, ''), 'one.example', 'no name at all')
  })

  t.test(`${transport}: the certificate of a name is shown also where the first has a key of another kind`, async t => {
    const [rsa, ec] = await Promise.all([
      issue(undefined, { names: ['rsa.example'], keyType: 'rsa' }),
      issue(ca, { names: ['ec.example'] }),
    ])
    for (const [first, second] of [
      [rsa, ec],
      [ec, rsa],
    ] as const) {
      const { port, refused } = await listening(t, transport, { ...first, certificates: [pairOf(second)] })
      t.equal(await served(port, 'rsa.example'), 'rsa.example (RSA)')
      t.equal(await served(port, 'ec.example'), 'ec.example')
      t.equal(await served(port, 'rsa.example', { maxVersion: 'TLSv1.2' }), 'rsa.example (RSA)')
      t.equal(await served(port, 'ec.example', { maxVersion: 'TLSv1.2' }), 'ec.example')
      t.equal(await served(port, 'nobody.example'), first === ec ? 'ec.example' : 'rsa.example (RSA)')
      t.match(await served(port, ''), /ALERT/)
      t.same(refused, ['the client asked for no name, and there is no certificate for that'])
    }
  })

  t.test(`${transport}: unknown names are refused where that is asked for, and the log has the name`, async t => {
    const one = await issue(ca, { names: ['one.example'] })
    const { port, refused } = await listening(t, transport, { ...one, refuseUnknownNames: true })
    t.equal(await served(port, 'one.example'), 'one.example')
    t.match(await served(port, 'nobody.example'), /ALERT/)
    t.match(await served(port, 'nobody.example', { maxVersion: 'TLSv1.2' }), /ALERT/)
    t.match(await served(port, ''), /ALERT/)
    t.same(refused, [
      'no certificate has the name that the client asked for: "nobody.example"',
      'no certificate has the name that the client asked for: "nobody.example"',
      'the client asked for no name, and there is no certificate for that',
    ])
  })

  t.test(`${transport}: keys of RSA and of an elliptic curve for one name: what the client can verify`, async t => {
    const [ec, rsa] = await Promise.all([
      issue(ca, { names: ['both.example'] }),
      issue(undefined, { names: ['both.example'], keyType: 'rsa' }),
    ])
    const { port } = await listening(t, transport, { ...ec, certificates: [pairOf(rsa)] })
    t.equal(await served(port, 'both.example'), 'both.example')
    t.equal(await served(port, 'both.example', { sigalgs: 'ecdsa_secp256r1_sha256' }), 'both.example')
    t.equal(await served(port, 'both.example', { sigalgs: 'rsa_pss_rsae_sha256' }), 'both.example (RSA)')
    const tls12 = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' } as const
    t.equal(await served(port, 'both.example', tls12), 'both.example (RSA)')
    t.equal(await served(port, '', { sigalgs: 'ecdsa_secp256r1_sha256' }), 'both.example')
    t.equal(await served(port, '', { sigalgs: 'rsa_pss_rsae_sha256' }), 'both.example (RSA)')
  })
}
