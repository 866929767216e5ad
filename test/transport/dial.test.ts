/** Endpoints that are hard to reach: odd names, IPv6, and byte streams that a user's code makes. */
import { once } from 'node:events'
import { createSecureServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type Duplex, duplexPair } from 'node:stream'
import { generate } from 'selfsigned'
import t, { type Test } from 'tap'
import { field, refused, requestFields, running } from '../contract/rig.ts'
import { certificates, type Identity } from '../support/certs.ts'
import { RawClient } from '../support/raw-client.ts'
import { idle } from '../support/until.ts'

const NATIVE = { name: 'native to native', downstream: 'native', upstream: 'native' } as const
/** Long, so that a busy machine does not decide a test; none that passes waits for it. */
const CONNECT_TIMEOUT_MS = 5_000
/** For those that can only be told by it: what a user's stream does not say, nobody hears. */
const MADE_TIMEOUT_MS = 300

interface Upstream {
  readonly endpoints: (string | { name: string; connect: () => Duplex })[]
  readonly tls?: { readonly ca?: string; readonly serverName?: string }
  readonly sessions?: { readonly ready: number }
  readonly connectTimeoutMs?: number
}

/** A call to that backend is on its way. */
async function call(t: Test, upstream: Upstream) {
  const { proxy, port } = await running(t, NATIVE, {
    backends: { main: { connectTimeoutMs: CONNECT_TIMEOUT_MS, ...upstream } },
  })
  const client = await RawClient.connect(t, port)
  return { proxy, client, id: client.request(requestFields(), { endStream: true }) }
}

async function served(t: Test, upstream: Upstream): Promise<void> {
  const { proxy, client, id } = await call(t, upstream)
  const [head] = await client.ended(id)
  t.same([field(head, 'grpc-status'), field(head, 'x-grpc-verbatim-error')], ['0', undefined])
  await idle(proxy)
}

async function unreachable(t: Test, upstream: Upstream): Promise<void> {
  const { proxy, client, id } = await call(t, upstream)
  await refused(t, client, id, 14, 'no endpoint of the backend can be reached')
  t.equal(field(client.stream(id)[0], 'x-grpc-verbatim-error'), 'unreachable')
  await idle(proxy)
  t.equal(proxy.counts().backendSessions, 0)
  await client.roundTrip()
}

/** A TLS server that answers every call with status 0. */
async function tlsServer(t: Test, host: string, { cert, key }: Identity): Promise<number> {
  const server = createSecureServer({ cert, key })
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true })
  })
  server.on('sessionError', () => {})
  await once(server.listen(0, host), 'listening')
  // Not waited for: it would wait for the proxy's session, which goes after.
  t.teardown(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** For localhost and both loopback addresses; signed by itself. */
async function dualIdentity(): Promise<Identity> {
  const altNames = [
    { type: 2 as const, value: 'localhost' },
    { type: 7 as const, ip: '127.0.0.1' },
    { type: 7 as const, ip: '::1' },
  ]
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 3_600_000),
    notAfterDate: new Date(Date.now() + 86_400_000),
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames },
    ],
  })
  return { cert: made.cert, key: made.private }
}

const HAS_IPV6 = Object.values(networkInterfaces()).some(addresses => addresses?.some(one => one.address === '::1'))

t.test('https to [::1]', { skip: HAS_IPV6 ? false : 'this machine has no IPv6' }, async t => {
  const identity = await dualIdentity()
  const endpoints = [`https://[::1]:${await tlsServer(t, '::1', identity)}`]
  await served(t, { endpoints, tls: { ca: identity.cert } })
  await served(t, { endpoints, tls: { ca: identity.cert, serverName: 'localhost' } })
  await unreachable(t, { endpoints, tls: { ca: identity.cert, serverName: 'other.test' } })
  await unreachable(t, { endpoints })
})

t.test('serverName as an IPv6 literal: the certificate is held against it', async t => {
  const dual = await dualIdentity()
  const endpoints = [`https://127.0.0.1:${await tlsServer(t, '127.0.0.1', dual)}`]
  await served(t, { endpoints, tls: { ca: dual.cert, serverName: '::1' } })
  await unreachable(t, { endpoints, tls: { ca: dual.cert, serverName: '::2' } })
  await unreachable(t, { endpoints, tls: { serverName: '::1' } })
  const { ca, server } = await certificates()
  const without = [`https://127.0.0.1:${await tlsServer(t, '127.0.0.1', server)}`]
  await unreachable(t, { endpoints: without, tls: { ca: ca.cert, serverName: '::1' } })
  await served(t, { endpoints: without, tls: { ca: ca.cert, serverName: '127.0.0.1' } })
})

// No URL may have these hosts ("ends in a number", not punycode), though a resolver may know them.
for (const url of ['http://svc.1:1', 'https://svc.1:1', 'http://xn--a:1', 'https://xn--a:1']) {
  for (const ready of [0, 1]) {
    t.test(`${url}, sessions.ready ${ready}: UNAVAILABLE`, async t => {
      // Whether the resolver says no at once or never is nothing to us.
      await unreachable(t, { endpoints: [url], sessions: { ready }, connectTimeoutMs: 200 })
    })
  }
}

t.test('a serverName that no certificate and no URL can have: UNAVAILABLE', async t => {
  const { ca, server } = await certificates()
  const endpoints = [`https://127.0.0.1:${await tlsServer(t, '127.0.0.1', server)}`]
  for (const serverName of ['*.a b', 'a:b', 'a/b', 'svc.1', '[::1]']) {
    await unreachable(t, { endpoints, tls: { ca: ca.cert, serverName } })
  }
})

/** One end of a pair, and what befalls it. */
function doomed(fate: (end: Duplex) => void): Duplex {
  const [end] = duplexPair()
  fate(end)
  return end
}

const MADE: Readonly<Record<string, () => unknown>> = {
  'returns undefined': () => undefined,
  'returns null': () => null,
  'returns a promise': async () => duplexPair()[0],
  'returns something else': () => ({ pipe() {}, on() {} }),
  'throws an Error': () => {
    throw new Error('boom')
  },
  'throws a string': () => {
    throw 'boom'
  },
  'throws undefined': () => {
    throw undefined
  },
  'returns a Duplex that ends': () => doomed(end => setImmediate(() => end.push(null))),
  'returns a Duplex that closes': () => doomed(end => setImmediate(() => end.destroy())),
  'returns a Duplex that errors': () => doomed(end => setImmediate(() => end.destroy(new Error('one')))),
  'returns a Duplex that errors once it is written to': () => {
    return doomed(end => {
      end._write = (_chunk, _encoding, done) => done(new Error('one'))
    })
  },
  'returns a Duplex that errors twice': () => {
    return doomed(end =>
      setImmediate(() => {
        end.emit('error', new Error('one'))
        end.emit('error', new Error('two'))
      }),
    )
  },
}

for (const [what, connect] of Object.entries(MADE)) {
  for (const [over, tls] of [
    ['', undefined],
    [', with TLS', { serverName: 'localhost' }],
  ] as const) {
    t.test(`connect ${what}${over}: UNAVAILABLE`, async t => {
      const endpoints = [{ name: 'made', connect: connect as () => Duplex }]
      await unreachable(t, { endpoints, tls, connectTimeoutMs: MADE_TIMEOUT_MS })
    })
  }
}
