/** The raw server against Node's own client. */
import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import t from 'tap'
import { certificates } from './certs.ts'
import { Code, Setting } from './frames.ts'
import { RawServer } from './raw-server.ts'
import { closing, type Scope } from './teardown.ts'

function dial(t: Scope, url: string, options = {}): ClientHttp2Session {
  const session = closing(t, connect(url, options))
  session.on('error', () => {})
  return session
}

t.test('request, response, trailers', async t => {
  const server = await RawServer.listen(t)
  const session = dial(t, server.url)
  const stream = session.request({
    ':method': 'POST',
    ':path': '/y',
    'x-a': ['1', '2'],
  })
  stream.end('body')
  const { connection, streamId, headers } = await server.request()
  t.same(
    headers.fields.filter(f => f.name === 'x-a').map(f => f.value),
    ['1', '2'],
  )
  await connection.ended(streamId)
  t.equal(connection.body(streamId).toString(), 'body')
  const trailers = once(stream, 'trailers')
  connection.headers(streamId, [
    [':status', '200'],
    ['x-b', 'secret', 'never'],
  ])
  const [response] = await once(stream, 'response')
  t.match(response, { ':status': 200, 'x-b': 'secret' })
  connection.data(streamId, 'answer')
  connection.headers(streamId, [['grpc-status', '0']], { endStream: true })
  t.equal(String(await stream.setEncoding('latin1').toArray()), 'answer')
  t.match((await trailers)[0], { 'grpc-status': '0' })
})

t.test('GOAWAY and settings arrive', async t => {
  const server = await RawServer.listen(t, {
    settings: { [Setting.MAX_CONCURRENT_STREAMS]: 7 },
  })
  const session = dial(t, server.url)
  const connection = await server.connection()
  const [settings] = await once(session, 'remoteSettings')
  t.equal(settings.maxConcurrentStreams, 7)
  await connection.next('settings', item => item.ack)
  const goaway = once(session, 'goaway')
  connection.goaway(0, Code.NO_ERROR, 'bye')
  t.same((await goaway).slice(0, 2), [Code.NO_ERROR, 0])
  await connection.closed
})

t.test('a large upload is given window; a silent server gives none', async t => {
  const server = await RawServer.listen(t)
  const session = dial(t, server.url)
  const stream = session.request({ ':method': 'POST' })
  stream.end(Buffer.alloc(300_000))
  const { connection, streamId } = await server.request()
  await connection.ended(streamId)
  t.equal(connection.dataBytes(streamId), 300_000)

  connection.auto.window = false
  const stuck = session.request({ ':method': 'POST' })
  stuck.end(Buffer.alloc(300_000))
  const second = await server.request()
  await connection.received(second.streamId, 65_535)
  await connection.roundTrip()
  t.equal(connection.dataBytes(second.streamId), 65_535, 'the initial window and no more')
  stuck.on('error', () => {})
  stuck.close(Code.CANCEL)
  t.match(await connection.next('rst', second.streamId), {
    code: Code.CANCEL,
  })
})

t.test('over TLS', async t => {
  const { ca, server: identity } = await certificates()
  const server = await RawServer.listen(t, { tls: identity })
  const session = dial(t, server.url, { ca: ca.cert })
  session.request({ ':path': '/z' }).on('error', () => {})
  const { headers } = await server.request()
  t.match(
    headers.fields.find(f => f.name === ':scheme'),
    { value: 'https' },
  )
})

t.test('bytes that are not HTTP/2 end the wait', async t => {
  const server = await RawServer.listen(t)
  const socket = closing(t, connectTcp(server.port, '127.0.0.1'))
  socket.on('error', () => {}).write('GET / HTTP/1.1\r\n\r\n')
  const connection = await server.connection()
  await t.rejects(connection.next('settings'), { message: /no HTTP\/2 preface: GET/ })
})

t.test('a connection that ends ends the wait', async t => {
  const server = await RawServer.listen(t)
  const socket = closing(t, connectTcp(server.port, '127.0.0.1'))
  const connection = await server.connection()
  socket.destroy()
  await t.rejects(connection.next('goaway'), { message: /the connection is closed/ })
})
