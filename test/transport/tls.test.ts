/** RFC 9113 §9.2: which versions and cipher suites of TLS may carry HTTP/2, in real handshakes, on both sides. */
import { once } from 'node:events'
import { createSecureServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import tls, { type SecureVersion } from 'node:tls'
import { generate } from 'selfsigned'
import t, { type Test } from 'tap'
import { field, refused, requestFields, running } from '../contract/rig.ts'
import { PAIRING } from '../proxy/rig.ts'
import { certificates, type Identity } from '../support/certs.ts'
import { RawClient } from '../support/raw-client.ts'
import { closing } from '../support/teardown.ts'

interface Offer {
  readonly ciphers?: string
  readonly minVersion?: SecureVersion
  readonly maxVersion: SecureVersion
}

const tls12 = (ciphers: string): Offer => ({ ciphers, maxVersion: 'TLSv1.2' })

/** With a key of RSA. Names are OpenSSL's; the first four are of Appendix A. */
const PROHIBITED: Readonly<Record<string, Offer>> = {
  'RSA key exchange, CBC (TLS_RSA_WITH_AES_128_CBC_SHA)': tls12('AES128-SHA'),
  'RSA key exchange, GCM (TLS_RSA_WITH_AES_128_GCM_SHA256)': tls12('AES128-GCM-SHA256'),
  'ECDHE, CBC (TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256)': tls12('ECDHE-RSA-AES128-SHA256'),
  'ECDHE, CBC, SHA-1 (TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA)': tls12('ECDHE-RSA-AES256-SHA'),
  // What OpenSSL needs for it at all: a security level of 0.
  'TLS 1.1': { ciphers: 'DEFAULT:@SECLEVEL=0', minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' },
}
const ALLOWED: Readonly<Record<string, Offer>> = {
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: tls12('ECDHE-RSA-AES128-GCM-SHA256'),
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: tls12('ECDHE-RSA-AES256-GCM-SHA384'),
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: tls12('ECDHE-RSA-CHACHA20-POLY1305'),
  'TLS 1.3': { maxVersion: 'TLSv1.3', minVersion: 'TLSv1.3' },
}

const rsa = rsaIdentity()

async function rsaIdentity(): Promise<Identity> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'rsa',
    keySize: 2048,
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 3_600_000),
    notAfterDate: new Date(Date.now() + 86_400_000),
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
    ],
  })
  return { cert: made.cert, key: made.private }
}

const BACKENDS = { backends: { main: { endpoints: ['127.0.0.1:1'] } } }

async function listening(t: Test, transport: 'frames' | 'native', identity: Identity): Promise<number> {
  const all = { ...(await certificates()), server: identity }
  return (await running(t, { ...PAIRING, downstream: transport }, BACKENDS, all)).port
}

/** What became of the handshake: the name of the suite, or of the failure. */
async function handshake(t: Test, port: number, offer: Offer): Promise<string | undefined> {
  const socket = closing(
    t,
    tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'], ...offer }),
  )
  return new Promise(resolve => {
    socket.once('secureConnect', () => resolve(socket.getCipher().standardName))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
}

for (const transport of ['frames', 'native'] as const) {
  t.test(`${transport}: a listener refuses what HTTP/2 prohibits`, async t => {
    const port = await listening(t, transport, await rsa)
    for (const [what, offer] of Object.entries(PROHIBITED)) {
      const outcome = await handshake(t, port, offer)
      t.match(outcome, /^ERR_SSL_.*ALERT/, what)
    }
  })

  t.test(`${transport}: a listener takes what it allows, with keys of RSA and of elliptic curves`, async t => {
    const port = await listening(t, transport, await rsa)
    for (const [what, offer] of Object.entries(ALLOWED)) {
      const outcome = await handshake(t, port, offer)
      t.match(outcome, what === 'TLS 1.3' ? /^TLS_(AES|CHACHA20)/ : new RegExp(`^${what}$`))
    }
    const { server } = await certificates()
    const other = await listening(t, transport, server)
    const ecdsa = tls12('ECDHE-ECDSA-AES128-GCM-SHA256')
    t.equal(await handshake(t, other, ecdsa), 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256')
    t.match(await handshake(t, other, tls12('ECDHE-ECDSA-AES128-SHA256')), /ALERT/)
  })

  t.test(`${transport}: an endpoint that has nothing else is not reached; any other is`, async t => {
    const identity = await rsa
    for (const [what, offer] of [...Object.entries(PROHIBITED), ...Object.entries(ALLOWED)]) {
      const port = await endpoint(t, identity, offer)
      const main = {
        endpoints: [`https://localhost:${port}`],
        tls: { ca: identity.cert },
        transport,
        connectTimeoutMs: 5_000,
      }
      const proxy = await running(t, PAIRING, { backends: { main } })
      const client = await RawClient.connect(t, proxy.port)
      const id = client.request(requestFields(), { endStream: true })
      if (what in PROHIBITED) await refused(t, client, id, 14)
      else t.equal(field((await client.ended(id))[0], 'grpc-status'), '0', what)
    }
  })
}

/** Answers every call with status 0. */
async function endpoint(t: Test, { cert, key }: Identity, offer: Offer): Promise<number> {
  const server = createSecureServer({ cert, key, ...offer })
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true })
  })
  server.on('sessionError', () => {})
  await once(server.listen(0, '127.0.0.1'), 'listening')
  // Not waited for: it would wait for the proxy's session, which goes after.
  t.teardown(() => void server.close())
  return (server.address() as AddressInfo).port
}
