/** Probes of load balancers that do not speak gRPC. */
import t, { type Test } from 'tap'
import { createProxy, type GrpcProxy, type ListenerOptions } from '../../src/index.ts'
import { field } from '../contract/rig.ts'
import { certificates } from '../support/certs.ts'
import { dial, RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'
import { until } from '../support/until.ts'
import { Http1Client, webFields } from './rig.ts'

interface Scene {
  readonly proxy: GrpcProxy
  readonly backend: RawServer
  readonly port: number
}

async function scene(t: Test, listener: Partial<ListenerOptions> = {}): Promise<Scene> {
  const backend = await RawServer.listen(t)
  const proxy = createProxy({
    log: { level: 'silent' },
    listeners: [{ address: '127.0.0.1:0', probes: { path: '/healthz' }, ...listener }],
    backends: { main: { endpoints: [backend.url], required: true, backoff: { initialMs: 10, maxMs: 10 } } },
  })
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  return { proxy, backend, port: bound!.port }
}

const get = (path = '/healthz', method = 'GET') => `${method} ${path} HTTP/1.1\r\nhost: 10.0.0.1\r\n\r\n`
const h2 = (method: string, path = '/healthz') => webFields({ ':method': method, ':path': path }).slice(0, 4)

t.test('over HTTP/1.1, one after the other', async t => {
  const { port } = await scene(t)
  const client = Http1Client.to(t, port)
  client.write(get())
  await client.gets(/^HTTP\/1\.1 200 OK\r\n[\s\S]*cache-control: no-store\r\n[\s\S]*\r\n\r\nit is ready\n$/)
  client.received = ''
  client.write(get('/healthz?from=lb', 'HEAD') + get('/other'))
  await client.gets(/^HTTP\/1\.1 200 OK\r\n[\s\S]*content-length: 12\r\n[\s\S]*\r\n\r\nHTTP\/1\.1 404 Not Found\r\n/)
})

t.test('nothing else is served there', async t => {
  const { port, backend } = await scene(t)
  const rows = [
    [get('/healthz/'), 404],
    [get('/healthz%2f'), 404],
    [get('/Healthz'), 404],
    [get('/healthz', 'POST'), 505],
    [get('/healthz', 'OPTIONS'), 505],
    ['POST /a.B/C HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc-web\r\ncontent-length: 0\r\n\r\n', 505],
  ] as const
  for (const [request, status] of rows) {
    const client = Http1Client.to(t, port)
    client.write(request)
    t.match(await client.gets('\r\n\r\n'), `HTTP/1.1 ${status} `, request)
  }
  t.equal(backend.connections.length, 0)
})

for (const transport of ['frames', 'native'] as const) {
  t.test(`over HTTP/2, on ${transport}, beside calls`, async t => {
    const { port, backend } = await scene(t, { transport })
    const client = await RawClient.connect(t, port)
    const got = client.request(h2('GET'), { endStream: true })
    t.equal(field(await client.next('headers', got), ':status'), '200')
    t.equal((await client.next('data', got)).data.toString(), 'it is ready\n')
    const headed = client.request(h2('HEAD'), { endStream: true })
    const head = await client.next('headers', headed)
    t.same([field(head, ':status'), head.endStream], ['200', true])
    client.request(webFields({ 'content-type': 'application/grpc', te: 'trailers' }))
    await until('the call is at the backend', () => backend.connections.length === 1)
  })
}

t.test('503 while no endpoint of a backend that is required can be used', async t => {
  const { port, backend, proxy } = await scene(t)
  const client = await RawClient.connect(t, port)
  await backend.destroy()
  const call = client.request(webFields({ 'content-type': 'application/grpc', te: 'trailers' }), { endStream: true })
  await client.next('headers', call)
  const probe = Http1Client.to(t, port)
  probe.write(get())
  const answer = await probe.gets('it is not ready\n')
  t.match(answer, /^HTTP\/1\.1 503 Service Unavailable\r\n/)
  t.notMatch(answer, /main/, 'which backend is nobody’s business')
  await proxy.close()
})

t.test('over TLS, with ALPN and without', async t => {
  const { ca, server } = await certificates()
  const { port } = await scene(t, { tls: { cert: server.cert, key: server.key } })
  for (const protocols of [['http/1.1'], undefined]) {
    const client = new Http1Client(t, await dial(port, { ca: ca.cert, ALPNProtocols: protocols as string[] }))
    client.write(get())
    await client.gets('it is ready\n')
  }
})

t.test('beside gRPC-Web, and without probes as before', async t => {
  const both = Http1Client.to(t, (await scene(t, { web: true })).port)
  both.write(get())
  await both.gets('it is ready\n')
  const web = Http1Client.to(t, (await scene(t, { web: true, probes: undefined as never })).port)
  web.write(get())
  await web.gets('HTTP/1.1 405 ')
})

t.test('the path may change while it listens', async t => {
  const { proxy, port, backend } = await scene(t)
  await proxy.apply({
    log: { level: 'silent' },
    listeners: [{ address: '127.0.0.1:0', probes: { path: '/live' } }],
    backends: { main: { endpoints: [backend.url] } },
  })
  const client = Http1Client.to(t, port)
  client.write(get('/live') + get())
  await client.gets(/ 200 OK\r\n[\s\S]* 404 Not Found/)
})
