/** gRPC-Web over HTTP/1.1, byte by byte, with a raw client and a raw backend. */
import { connect } from 'node:tls'
import t from 'tap'
import { answer, field, message, pairs, RESPONSE, TRAILERS } from '../contract/rig.ts'
import { certificates } from '../support/certs.ts'
import { RawClient } from '../support/raw-client.ts'
import { idle, until } from '../support/until.ts'
import { arrived, asked, ENDING, FRAMES, Http1Client, http1Head, NATIVE, PAGE, PATH, told, webRig } from './rig.ts'

/** The bytes of a chunked body. */
function unchunked(text: string): string {
  let body = ''
  for (let at = text.indexOf('\r\n\r\n') + 4; ; ) {
    const end = text.indexOf('\r\n', at)
    const length = Number.parseInt(text.slice(at, end), 16)
    if (length === 0) return body
    body += text.slice(end + 2, end + 2 + length)
    at = end + 4 + length
  }
}

for (const pairing of [FRAMES, NATIVE]) {
  t.test(`a call on a listener of ${pairing.name}, and one more on the same connection`, async t => {
    const rig = await webRig(t, pairing)
    const client = Http1Client.to(t, rig.port)
    for (const cookie of ['a', 'b']) {
      client.received = ''
      const hops = { connection: 'keep-alive, x-hop', 'x-hop': '1', 'keep-alive': 'timeout=5', te: 'gzip', cookie }
      client.write(`${http1Head({ 'content-length': '8', ...hops })}${asked}`)
      const call = await arrived(rig)
      t.same(pairs(call.headers.fields), [
        [':method', 'POST'],
        [':scheme', 'http'],
        [':authority', 'api.test'],
        [':path', PATH],
        ['content-type', 'application/grpc+proto'],
        ['x-grpc-web', '1'],
        ['origin', PAGE],
        ['cookie', cookie],
        ['te', 'trailers'],
      ])
      await call.backend.ended(call.backendId)
      t.equal(call.backend.body(call.backendId).toString('latin1'), asked)
      answer(call)
      const got = await client.gets(/0\r\n\r\n$/)
      const head = got.slice(0, got.indexOf('\r\n\r\n'))
      t.same(
        head.split('\r\n').filter(line => !/^(connection|keep-alive):/i.test(line)),
        [
          'HTTP/1.1 200 OK',
          'content-type: application/grpc-web+proto',
          `access-control-allow-origin: ${PAGE}`,
          'vary: origin',
          'Transfer-Encoding: chunked',
        ],
      )
      t.equal(unchunked(got), `${told}${ENDING}`)
    }
    await idle(rig.proxy)
    t.equal(rig.proxy.counts().clientConnections, 1)
  })
}

t.test('messages are there as soon as the backend has sent them', async t => {
  const rig = await webRig(t, FRAMES)
  const client = Http1Client.to(t, rig.port)
  client.write(`${http1Head({ 'transfer-encoding': 'chunked' })}4\r\n${asked.slice(0, 4)}\r\n`)
  const call = await arrived(rig)
  await call.backend.received(call.backendId, 4)
  client.write(`4\r\n${asked.slice(4)}\r\n`)
  await call.backend.received(call.backendId, 8)
  call.backend.headers(call.backendId, RESPONSE)
  await client.gets('\r\n\r\n')
  call.backend.data(call.backendId, message('one'))
  await client.gets('one')
  call.backend.data(call.backendId, message('two'))
  await client.gets('two')
  call.backend.headers(call.backendId, TRAILERS, { endStream: true })
  client.write('0\r\n\r\n')
  await call.backend.ended(call.backendId)
  await client.gets('0\r\n\r\n')
  await idle(rig.proxy)
})

t.test('an answer that is headers alone, and a preflight', async t => {
  const rig = await webRig(t, FRAMES)
  const client = Http1Client.to(t, rig.port)
  client.write(`${http1Head({ 'content-length': '8' })}${asked}`)
  const call = await arrived(rig)
  const fields = [
    [':status', '200'],
    ['content-type', 'application/grpc'],
    ['grpc-status', '5'],
  ] as const
  call.backend.headers(call.backendId, fields, { endStream: true })
  const got = await client.gets('\r\n\r\n')
  t.match(got, /grpc-status: 5\r\n/)
  t.match(got, /access-control-expose-headers: grpc-status\r\n/)
  t.match(got, /content-length: 0\r\n/)
  client.received = ''
  const preflight = http1Head({ 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-user' })
  client.write(preflight.replace('POST', 'OPTIONS'))
  const answered = await client.gets('\r\n\r\n')
  t.match(answered, /^HTTP\/1.1 204 No Content\r\naccess-control-allow-origin: https:\/\/app.test\r\n/)
  t.match(answered, /access-control-allow-headers: x-user\r\n/)
  t.equal(rig.backend.requests.length, 1)
})

t.test('a page that leaves is a reset at the backend', async t => {
  const rig = await webRig(t, FRAMES)
  const client = Http1Client.to(t, rig.port)
  client.write(`${http1Head({ 'content-length': '8' })}${asked}`)
  const call = await arrived(rig)
  client.socket.destroy()
  const reset = await call.backend.next('rst', item => item.streamId === call.backendId)
  t.equal(reset.code, 8)
  await idle(rig.proxy)
})

t.test('a response that is cut does not look whole', async t => {
  const rig = await webRig(t, FRAMES)
  const client = Http1Client.to(t, rig.port)
  client.write(`${http1Head({ 'content-length': '8' })}${asked}`)
  const call = await arrived(rig)
  call.backend.headers(call.backendId, RESPONSE)
  call.backend.data(call.backendId, message('whole').subarray(0, 7))
  await client.gets('wh')
  call.backend.rst(call.backendId, 2)
  const got = await client.ended()
  t.notMatch(got, /0\r\n\r\n$/, 'the last chunk is missing')
  await idle(rig.proxy)
})

t.test('a backend that refuses is UNAVAILABLE, as HTTP/1.1 has no reset that says so', async t => {
  const rig = await webRig(t, FRAMES)
  const client = Http1Client.to(t, rig.port)
  client.write(`${http1Head({ 'content-length': '8' })}${asked}`)
  for (let attempt = 0; attempt < 2; attempt++) {
    const call = await arrived(rig)
    call.backend.rst(call.backendId, 7)
  }
  const got = await client.gets('\r\n\r\n')
  t.match(got, /^HTTP\/1.1 200 OK/)
  t.match(got, /grpc-status: 14\r\n/)
})

/** Much more than the proxy and both kernels hold. */
const BODY = Buffer.alloc(40_000_000, 'abcdefgh')

t.test('a page that reads nothing stops its backend, and gets everything in the end', async t => {
  const rig = await webRig(t, FRAMES)
  const client = Http1Client.to(t, rig.port)
  client.write(http1Head({ 'content-length': '0' }))
  const { backend, backendId } = await arrived(rig)
  client.socket.removeAllListeners('data')
  client.socket.pause()
  backend.headers(backendId, RESPONSE)
  const sending = backend.upload(backendId, BODY)
  await until(
    'the backend has no window left',
    () => backend.windows.left(backendId) === 0 || backend.windows.left(0) === 0,
  )
  await backend.roundTrip()
  const sent = backend.windows.sent(backendId)
  t.ok(sent < BODY.length / 2, `the backend stopped after ${sent} bytes`)
  let bytes = 0
  let last = ''
  client.socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    last = (last + chunk.toString('latin1')).slice(-50)
  })
  client.socket.resume()
  await sending
  backend.headers(backendId, TRAILERS, { endStream: true })
  await until('the last chunk', () => last.endsWith('0\r\n\r\n'))
  t.ok(bytes > BODY.length)
  t.match(last, /grpc-status:0/)
})

t.test('a page that takes nothing at all is given up', async t => {
  const rig = await webRig(t, FRAMES, { limits: { stallTimeoutMs: 1_000 } })
  const client = Http1Client.to(t, rig.port)
  client.write(http1Head({ 'content-length': '0' }))
  const { backend, backendId } = await arrived(rig)
  client.socket.removeAllListeners('data')
  client.socket.pause()
  backend.headers(backendId, RESPONSE)
  void backend.upload(backendId, BODY).catch(() => {})
  const reset = await backend.next('rst', item => item.streamId === backendId)
  t.equal(reset.code, 8)
  await idle(rig.proxy)
})

t.test('a backend that reads nothing stops the page', async t => {
  const rig = await webRig(t, FRAMES)
  rig.backend.onConnection(connection => {
    connection.auto.window = false
  })
  const client = Http1Client.to(t, rig.port)
  client.write(http1Head({ 'content-length': String(BODY.length) }))
  const { backend, backendId } = await arrived(rig)
  client.socket.write(BODY)
  await backend.received(backendId, 65_535)
  await until('the page’s socket takes no more', () => client.socket.writableLength > 0)
  backend.windowUpdate(0, 2 ** 30)
  backend.windowUpdate(backendId, 2 ** 30)
  await backend.ended(backendId)
  t.equal(backend.dataBytes(backendId), BODY.length)
  answer({ backend, backendId })
  await client.gets('0\r\n\r\n')
})

t.test('requests in a row are answered one after the other, and too many are not', async t => {
  const rig = await webRig(t, FRAMES)
  const client = Http1Client.to(t, rig.port)
  const one = `${http1Head({ 'content-length': '8' })}${asked}`
  client.write(one + one)
  answer(await arrived(rig), 'first')
  answer(await arrived(rig), 'second')
  await client.gets(/first[\s\S]*second[\s\S]*0\r\n\r\n$/)
  await idle(rig.proxy)
  const greedy = Http1Client.to(t, rig.port)
  greedy.write(one.repeat(18))
  await greedy.ended()
  t.equal(rig.backend.requests.length, 3, 'only the first of them came to the backend')
  await idle(rig.proxy)
})

t.test('an early answer is read by a client that still sends, and its connection goes on if it ends soon', async t => {
  const rig = await webRig(t, FRAMES)
  const client = Http1Client.to(t, rig.port)
  client.write(`${http1Head({ 'content-type': 'application/grpc-web-text', 'content-length': '8' })}A!`)
  await client.gets(/grpc-status: 13\r\n[\s\S]*\r\n\r\n/)
  client.write('AAAAAA')
  client.received = ''
  client.write(http1Head({ 'content-length': '0' }))
  const call = await arrived(rig)
  if (field(call.headers, 'content-type') === 'application/grpc') answer(await arrived(rig))
  else answer(call)
  await client.gets('0\r\n\r\n')
  const slow = Http1Client.to(t, rig.port)
  slow.write(`${http1Head({ origin: 'https://evil.test', 'content-length': '8' })}A`)
  t.match(await slow.ended(), /^HTTP\/1.1 403 Forbidden/, 'one that does not is closed after a moment')
})

t.test('a drain: the response ends, its connection too, and idle ones at once', async t => {
  const rig = await webRig(t, FRAMES)
  const client = Http1Client.to(t, rig.port)
  const other = Http1Client.to(t, rig.port)
  other.write(http1Head({ 'content-length': '0' }))
  answer(await arrived(rig))
  await other.gets('0\r\n\r\n')
  client.write(`${http1Head({ 'content-length': '8' })}${asked}`)
  const call = await arrived(rig)
  const drained = rig.proxy.drain()
  await other.ended()
  answer(call)
  t.match(await client.ended(), /hello[\s\S]*0\r\n\r\n$/)
  await drained
})

t.test('a close in the middle of a response is a cut', async t => {
  const rig = await webRig(t, FRAMES)
  const client = Http1Client.to(t, rig.port)
  client.write(`${http1Head({ 'content-length': '8' })}${asked}`)
  const call = await arrived(rig)
  call.backend.headers(call.backendId, RESPONSE)
  call.backend.data(call.backendId, message('hello').subarray(0, 7))
  await client.gets('he')
  await rig.proxy.close()
  t.notMatch(await client.ended(), /\r\n0\r\n\r\n$/)
})

t.test('over TLS, by ALPN', async t => {
  const tls = await certificates()
  const rig = await webRig(t, FRAMES, { tls })
  const socket = connect({
    port: rig.port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: tls.ca.cert,
    ALPNProtocols: ['http/1.1'],
  })
  const client = new Http1Client(t, socket)
  client.write(`${http1Head({ 'content-length': '8' })}${asked}`)
  const call = await arrived(rig)
  t.equal(socket.alpnProtocol, 'http/1.1')
  answer(call)
  t.equal(unchunked(await client.gets(/0\r\n\r\n$/)), `${told}${ENDING}`)
  const h2 = await RawClient.connect(t, rig.port, { tls: { ca: tls.ca.cert, ALPNProtocols: ['http/1.1', 'h2'] } })
  await h2.roundTrip()
})
