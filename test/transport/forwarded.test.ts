/** Listeners behind load balancers that say whose connection it is, by the PROXY protocol. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import pino from 'pino'
import t, { type Test } from 'tap'
import { createProxy, GrpcError, type GrpcProxy, type ListenerOptions, type ProxyOptions } from '../../src/index.ts'
import { field, requestFields } from '../contract/rig.ts'
import { certificates } from '../support/certs.ts'
import { v2 } from '../support/proxy-header.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { Http1Client, http1Head } from '../web/rig.ts'

const V1 = Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 54321 443\r\n')
const V6 = [0x20, 1, 0xd, 0xb8, ...new Array(11).fill(0), 7]
const V2 = v2(0x21, 0x21, [...V6, ...V6, 0xd4, 0x31, 1, 0xbb, 4, 0, 0])
const LOCAL = v2(0x20, 0, [])
const UNIX = v2(0x21, 0x31, new Array(216).fill(0))
const HERE = { from: ['127.0.0.0/8', '::1'] }

interface Scene {
  readonly proxy: GrpcProxy
  readonly port: number
  readonly lines: Readonly<Record<string, unknown>>[]
}

/** Each call ends with the address of its peer. */
async function scene(
  t: Test,
  listener: Partial<ListenerOptions> = {},
  more: Partial<ProxyOptions> = {},
): Promise<Scene> {
  const lines: Scene['lines'] = []
  const logger = pino({ level: 'info' }, { write: (text: string) => lines.push(JSON.parse(text)) })
  const proxy = createProxy({
    logger,
    director: ({ peer }) => {
      throw new GrpcError('ABORTED', peer.address)
    },
    listeners: [{ address: '127.0.0.1:0', proxyProtocol: HERE, ...listener }],
    ...more,
  })
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  return { proxy, port: bound!.port, lines }
}

async function connected(t: Test, to: number | string, ...bytes: readonly Buffer[]): Promise<Socket> {
  const socket = typeof to === 'number' ? connectTcp(to, '127.0.0.1') : connectTcp(to)
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  for (const one of bytes) socket.write(one)
  return socket
}

async function says(client: RawClient): Promise<string | undefined> {
  const id = client.request(requestFields(), { endStream: true })
  return field(await client.next('headers', id), 'grpc-message')
}

async function closed(socket: Socket): Promise<void> {
  socket.resume()
  if (!socket.closed) await once(socket, 'close')
}

for (const transport of ['frames', 'native'] as const) {
  t.test(`the address of the header is the client's, on ${transport}`, async t => {
    const { port, proxy } = await scene(t, { transport })
    t.equal(await says(RawClient.on(t, await connected(t, port, V1))), '203.0.113.7:54321')
    t.match(proxy.state().sessions, [{ peer: '203.0.113.7:54321' }])
    t.equal(await says(RawClient.on(t, await connected(t, port, V2))), '[2001:db8::7]:54321')
    t.equal(await says(RawClient.on(t, await connected(t, port, UNIX))), 'unix')
    const own = await connected(t, port, LOCAL)
    t.equal(await says(RawClient.on(t, own)), `127.0.0.1:${own.localPort}`)
  })

  t.test(`before TLS, on ${transport}`, async t => {
    const { ca, server } = await certificates()
    const { port } = await scene(t, { transport, tls: { cert: server.cert, key: server.key } })
    for (const header of [V1, V2]) {
      const socket = await connected(t, port, header)
      const secure = connectTls({ socket, ca: ca.cert, servername: 'localhost', ALPNProtocols: ['h2'] })
      await once(secure, 'secureConnect')
      t.match(await says(RawClient.on(t, secure)), /:54321$/)
    }
  })
}

t.test('in pieces, each in a packet of its own, and with all that follows in one', async t => {
  const { port } = await scene(t)
  const socket = await connected(t, port)
  socket.setNoDelay(true)
  for (const byte of V2) {
    socket.write(Buffer.of(byte))
    await new Promise(resolve => setImmediate(resolve))
  }
  t.equal(await says(RawClient.on(t, socket)), '[2001:db8::7]:54321')
  const together = await connected(t, port)
  together.cork()
  together.write(V1)
  const client = RawClient.on(t, together)
  together.uncork()
  t.equal(await says(client), '203.0.113.7:54321')
})

t.test('over HTTP/1.1 too', async t => {
  const { port } = await scene(t, { web: true })
  const client = new Http1Client(t, await connected(t, port, V1))
  client.write(http1Head({ origin: 'http://api.test', 'content-length': '0' }))
  await client.gets('grpc-message: 203.0.113.7:54321')
})

t.test('gates see the address, and the log', async t => {
  const gates = { here: { network: { allow: ['203.0.113.0/24'] } } }
  const { port, lines } = await scene(t, {}, { gates, require: 'here' })
  t.equal(await says(RawClient.on(t, await connected(t, port, V1))), '203.0.113.7:54321')
  t.not(await says(RawClient.on(t, await connected(t, port, V2))), '[2001:db8::7]:54321')
  await until('the lines of both calls', () => lines.filter(({ msg }) => msg === 'call').length === 2)
  t.match(
    lines.filter(({ msg }) => msg === 'call'),
    [
      { peer: '203.0.113.7:54321', grpcStatus: 'ABORTED' },
      { peer: '[2001:db8::7]:54321', reason: 'forbidden' },
    ],
  )
})

t.test('strangers are refused, whatever they say', async t => {
  const { port, lines, proxy } = await scene(t, { proxyProtocol: { from: ['192.0.2.0/24'] } })
  for (const header of [V1, V2, LOCAL, Buffer.from('PRI * HTTP/2.0\r\n\r\n')]) {
    const socket = await connected(t, port, header)
    const peer = `127.0.0.1:${socket.localPort}`
    await closed(socket)
    t.match(lines.at(-1), { refusal: 'proxy-header', peer, detail: 'proxyProtocol.from does not have the address' })
  }
  t.equal(proxy.counts().clientConnections, 0)
})

t.test('who is trusted and sends no header is refused too', async t => {
  const { port, lines } = await scene(t)
  await closed(await connected(t, port, Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')))
  t.match(lines.at(-1), { refusal: 'proxy-header', detail: 'the connection does not begin with a PROXY header' })
})

t.test('half a header is waited for, but not for long', async t => {
  const { port, lines, proxy } = await scene(t, {}, { limits: { prefaceTimeoutMs: 50 } })
  await closed(await connected(t, port, V2.subarray(0, 20)))
  t.match(lines.at(-1), { refusal: 'proxy-header', detail: 'no whole PROXY header came in time' })
  const left = await connected(t, port, V2.subarray(0, 20))
  left.end()
  await closed(left)
  t.match(lines.at(-1), { refusal: 'proxy-header', detail: 'the connection ended within its PROXY header' })
  const told = lines.length
  // As probes do.
  const probe = await connected(t, port)
  probe.end()
  await closed(probe)
  t.equal(lines.length, told)
  t.equal(proxy.counts().clientConnections, 0)
})

t.test('places are those of the clients, not of the load balancer', async t => {
  const { port, lines } = await scene(t, {}, { limits: { maxClientSessionsPerAddress: 1 } })
  const clients = await Promise.all([V1, V2].map(async one => RawClient.on(t, await connected(t, port, one))))
  for (const client of clients) t.ok(await says(client))
  // The place of its own address is needed, and it is idle.
  t.equal(await says(RawClient.on(t, await connected(t, port, V1))), '203.0.113.7:54321')
  await clients[0]!.next('goaway')
  t.equal(await says(clients[1]!), '[2001:db8::7]:54321')
  t.notOk(lines.some(({ refusal }) => refusal !== undefined))
})

t.test('a connection that waits for its header does not hold up a drain', async t => {
  const { port, proxy } = await scene(t)
  const waiting = await connected(t, port, V1.subarray(0, 7))
  await until('it is there', () => proxy.counts().clientConnections === 1)
  await Promise.all([proxy.drain(60_000), closed(waiting)])
})

t.test('on a unix socket, from those who may open it', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'forwarded-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const address = `unix:${join(folder, 'proxy.sock')}`
  await scene(t, { address, proxyProtocol: { from: ['unix'] } })
  t.equal(await says(RawClient.on(t, await connected(t, address.slice(5), V1))), '203.0.113.7:54321')
})

t.test('whose word is taken may change while it listens; whether there are headers may not', async t => {
  const backends = { main: { endpoints: ['127.0.0.1:1'] } }
  const listener = { address: '127.0.0.1:0', proxyProtocol: { from: ['192.0.2.0/24'] } }
  const proxy = createProxy({ log: { level: 'silent' }, backends, listeners: [listener] })
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  await closed(await connected(t, bound!.port, V1))
  await proxy.apply({ backends, listeners: [{ ...listener, proxyProtocol: HERE }] })
  const client = RawClient.on(t, await connected(t, bound!.port, V1))
  await client.next('settings')
  const without = { backends, listeners: [{ address: '127.0.0.1:0' }] }
  await t.rejects(proxy.apply(without), { message: /whether it takes the PROXY protocol cannot change/ })
})

for (const transport of ['frames', 'native'] as const) {
  t.test(`toward backends the connections are the proxy's own, on ${transport}`, async t => {
    const { ca, server } = await certificates()
    for (const tls of [undefined, { cert: server.cert, key: server.key }]) {
      for (const version of [1, 2] as const) {
        const { port: behind } = await scene(t, tls && { tls })
        const main = {
          endpoints: [`http${tls === undefined ? '' : 's'}://localhost:${behind}`],
          transport,
          sendProxyProtocol: version,
          ...(tls && { tls: { ca: ca.cert } }),
        }
        const front = createProxy({ log: { level: 'silent' }, backends: { main } })
        t.teardown(() => front.close())
        const { port } = await front.listen({ host: '127.0.0.1', port: 0 })
        const client = await RawClient.connect(t, port)
        t.match(await says(client), /^127\.0\.0\.1:\d+$/, `version ${version}, ${tls === undefined ? 'plain' : 'TLS'}`)
      }
    }
  })
}

t.test('a backend with a header that is not there is like any other that is not there', async t => {
  for (const scheme of ['http', 'https']) {
    const main = { endpoints: [`${scheme}://127.0.0.1:1`], sendProxyProtocol: 2 as const }
    const front = createProxy({ log: { level: 'silent' }, backends: { main } })
    t.teardown(() => front.close())
    const { port } = await front.listen({ host: '127.0.0.1', port: 0 })
    t.match(await says(await RawClient.connect(t, port)), /can be reached/)
  }
})
