/** The raw client against Node's own server: whoever is right, they must agree. */
import { once } from 'node:events'
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type ServerHttp2Stream,
  sensitiveHeaders,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { certificates } from './certs.ts'
import { Code, Setting } from './frames.ts'
import { dial, RawClient } from './raw-client.ts'
import type { Scope } from './teardown.ts'

async function listen(t: Scope, server: Http2Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

const GET = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/x'],
  [':authority', 'localhost'],
] as const

t.test('request, response, trailers', async t => {
  const server = createServer()
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.respond({ ':status': 200, 'x-path': headers[':path'] }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.pipe(stream)
  })
  const client = await RawClient.connect(t, await listen(t, server))
  const id = client.request(GET, { representation: 'indexed' })
  client.data(id, 'echo')
  client.data(id, '', { endStream: true })
  const came = await client.ended(id)
  t.equal(client.body(id).toString(), 'echo')
  const [head, trailers] = came.filter(item => item.kind === 'headers')
  t.match(head, {
    endStream: false,
    fields: [
      { name: ':status', value: '200' },
      { name: 'x-path', value: '/x' },
    ],
  })
  t.match(trailers, {
    endStream: true,
    fields: [{ name: 'grpc-status', value: '0' }],
  })
  await client.close()
})

t.test('a header block in CONTINUATION frames, with a never-indexed field', async t => {
  const server = createServer()
  let seen: string[] = []
  let sensitive: unknown
  server.on('stream', (stream: ServerHttp2Stream, headers, _flags, rawHeaders: string[]) => {
    seen = rawHeaders
    sensitive = Reflect.get(headers, sensitiveHeaders)
    stream.respond({ ':status': 204 }, { endStream: true })
  })
  const client = await RawClient.connect(t, await listen(t, server))
  // Few enough: nghttp2 takes nine CONTINUATION frames for a flood.
  const id = client.request([...GET, ['x-secret', 's'.repeat(100), 'never']], { endStream: true, split: 40 })
  t.equal((await client.ended(id)).length, 1)
  t.same(seen.slice(-2), ['x-secret', 's'.repeat(100)])
  t.same(sensitive, ['x-secret'])
})

t.test('a large response needs and gets window; an upload waits for it', async t => {
  const server = createServer()
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 })
    stream.pipe(stream)
  })
  const client = await RawClient.connect(t, await listen(t, server), {
    settings: { [Setting.INITIAL_WINDOW_SIZE]: 1000 },
  })
  const id = client.request(GET)
  const bytes = Buffer.alloc(1_000_000, 'abcdefg')
  t.equal(await client.upload(id, bytes, { endStream: true }), true)
  await client.ended(id)
  t.ok(client.body(id).equals(bytes))
})

t.test('PING, RST_STREAM, GOAWAY, and waiting in vain', async t => {
  const server = createServer()
  server.on('stream', stream => {
    stream.on('error', () => {})
    stream.close(Code.REFUSED_STREAM)
  })
  const client = await RawClient.connect(t, await listen(t, server))
  await client.roundTrip()
  t.match(await client.next('rst', client.request(GET)), {
    code: Code.REFUSED_STREAM,
  })
  // A frame that no one may send: DATA on stream 0.
  client.data(0, 'x')
  t.match(await client.next('goaway'), { code: Code.PROTOCOL_ERROR })
  await client.closed
  await t.rejects(client.next('headers', 99), {
    message: /headers of stream 99: the connection is closed\n.*\n {2}SETTINGS/,
  })
})

t.test('over TLS; who has no certificate of the right CA is refused', async t => {
  const { ca, server: identity, client: me, stranger, strangerCa } = await certificates()
  const server = createSecureServer({
    ...identity,
    ca: ca.cert,
    requestCert: true,
    rejectUnauthorized: true,
  })
  server.on('stream', (stream: ServerHttp2Stream) => stream.respond({ ':status': 200 }, { endStream: true }))
  const port = await listen(t, server as unknown as Http2Server)
  const client = await RawClient.connect(t, port, {
    tls: { ca: ca.cert, ...me },
  })
  t.equal((await client.ended(client.request(GET, { endStream: true }))).length, 1)
  // In TLS 1.3 the client's handshake is done before the server has seen its certificate.
  const refused = RawClient.connect(t, port, {
    tls: { ca: ca.cert, ...stranger },
  })
  await t.rejects(refused, { message: /the connection is closed/ })
  await t.rejects(dial(port, { ca: strangerCa.cert }), { code: /SELF_SIGNED|UNABLE_TO/ }, 'a stranger to us')
})
