/** How one call ends: statuses of every kind, deadlines, calls that go again, connections that are replaced. */
import { constants, type ServerHttp2Stream } from 'node:http2'
import net from 'node:net'
import t, { type Test } from 'tap'
import { type Call, describeEnd } from '../../src/bench/call.ts'
import type { Way } from '../../src/bench/way.ts'
import { until } from '../support/until.ts'
import { answer, answerWith, listening, lose, serve, wayTo } from './rig.ts'

const once = (way: Way): Promise<Call> => new Promise(resolve => way.begin(performance.now(), resolve))

async function endOf(t: Test, handler: (stream: ServerHttp2Stream) => void): Promise<string> {
  const { address } = await serve(t, handler)
  return describeEnd(await once(await wayTo(t, address)))
}

t.test('how a call can end', async t => {
  const headers = { ':status': 200, 'content-type': 'application/grpc' }
  const ends: [what: string, handler: (stream: ServerHttp2Stream) => void, end: string][] = [
    ['OK', stream => answer(stream), '0 OK'],
    ['an error', stream => answer(stream, 5, 'no %C3%BC'), '5 NOT_FOUND: no ü'],
    [
      'Trailers-Only',
      stream => stream.respond({ ...headers, 'grpc-status': '7' }, { endStream: true }),
      '7 PERMISSION_DENIED',
    ],
    ['a status of its own', stream => answer(stream, 99), '99 code 99'],
    ['control characters', stream => answer(stream, 13, 'a%1B[31mb%0Ac'), '13 INTERNAL: a [31mb c'],
    ['HTTP 503', stream => stream.respond({ ':status': 503 }, { endStream: true }), '14 UNAVAILABLE: HTTP status 503'],
    ['HTTP 404', stream => stream.respond({ ':status': 404 }), '12 UNIMPLEMENTED: HTTP status 404'],
    [
      'not gRPC',
      stream => stream.respond({ ':status': 200, 'content-type': 'text/html' }),
      '2 UNKNOWN: the response is not gRPC: its content-type is another',
    ],
    [
      'no trailers',
      stream => {
        stream.respond(headers)
        stream.end('x')
      },
      '2 UNKNOWN: the response ended without trailers',
    ],
    [
      'within a message, with OK',
      stream => answerWith(stream, Buffer.from([0, 0, 0, 0, 3, 1, 2])),
      '13 INTERNAL: the response ended within a message, with status OK',
    ],
    [
      'within a prefix, with OK',
      stream => answerWith(stream, Buffer.from([0, 0, 0, 0, 1, 7, 0])),
      '13 INTERNAL: the response ended within a message, with status OK',
    ],
    [
      'no grpc-status',
      stream => stream.respond(headers, { endStream: true }),
      '2 UNKNOWN: the response has no grpc-status',
    ],
    [
      'reset',
      stream => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM),
      '8 RESOURCE_EXHAUSTED: the stream was reset, code 11',
    ],
  ]
  for (const [what, handler, end] of ends) t.equal(await endOf(t, handler), end, what)
})

t.test('it counts response messages, over the borders of frames', async t => {
  const message = Buffer.from([0, 0, 0, 0, 3, 1, 2, 3])
  const three = Buffer.concat([message, message, message])
  const { address } = await serve(t, stream => answerWith(stream, three.subarray(0, 11), three.subarray(11)))
  const call = await once(await wayTo(t, address))
  t.match(call, { status: 0, responses: 3 })
})

t.test('the whole request arrives, whatever the windows are', async t => {
  let bytes = 0
  const { address } = await serve(t, stream => {
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    stream.on('end', () => answer(stream))
  })
  const way = await wayTo(t, address, { message: `hex:${'ab'.repeat(200_000)}` })
  t.equal((await once(way)).status, 0)
  t.equal(bytes, 200_005)
})

t.test('a call without an answer ends at its deadline', async t => {
  const { address } = await serve(t, () => {})
  const way = await wayTo(t, address, { timeoutMs: '30' })
  const call = await once(way)
  t.equal(describeEnd(call), '4 DEADLINE_EXCEEDED: no answer within 30 ms')
  t.ok(call.endedMs - call.begunMs >= 30)
  t.equal(way.openCalls, 0)
})

t.test('a refused stream goes again, once', async t => {
  let streams = 0
  const refusing = (times: number) => (stream: ServerHttp2Stream) => {
    if (streams++ < times) stream.close(constants.NGHTTP2_REFUSED_STREAM)
    else answer(stream)
  }
  t.equal(await endOf(t, refusing(1)), '0 OK')
  t.equal(streams, 2)
  streams = 0
  t.equal(await endOf(t, refusing(9)), '14 UNAVAILABLE: the stream was reset, code 7')
  t.equal(streams, 2)
})

t.test('a server that ends connections by GOAWAY costs no call', async t => {
  let calls = 0
  const served = await serve(t, (stream, session) => {
    // Graceful: what is open ends first.
    if (++calls % 5 === 0) session.close()
    answer(stream)
  })
  const way = await wayTo(t, served.address)
  for (let i = 0; i < 30; i++) t.equal(describeEnd(await once(way)), '0 OK')
  t.ok(served.connections >= 3, `${served.connections} connections`)
})

t.test("calls beyond the server's limit of streams wait for their turn", async t => {
  let open = 0
  let most = 0
  const { address } = await serve(t, (stream, session) => {
    session.settings({ maxConcurrentStreams: 3 })
    most = Math.max(most, ++open)
    stream.on('close', () => open--)
    setImmediate(() => answer(stream))
  })
  const way = await wayTo(t, address)
  await once(way)
  // The setting has come with the answer, or is on its way: what it allows holds from the second call on.
  await once(way)
  most = 0
  const ends = await Promise.all(Array.from({ length: 20 }, () => once(way)))
  t.same(
    ends.map(({ status }) => status),
    new Array(20).fill(0),
  )
  t.ok(most <= 3, `${most} at a time`)
})

t.test('a lost connection fails its calls, and is there again for the next', async t => {
  let calls = 0
  const { address } = await serve(t, (stream, session) => {
    if (++calls === 2) lose(session)
    else answer(stream)
  })
  const way = await wayTo(t, address)
  t.equal((await once(way)).status, 0)
  t.match(describeEnd(await once(way)), /^14 UNAVAILABLE: the connection was lost: /)
  await way.open()
  t.equal((await once(way)).status, 0)
})

t.test('without a connection calls fail, and say why', async t => {
  const server = net.createServer()
  const address = await listening(t, server)
  const backend = await serve(t, stream => answer(stream))
  const sockets = new Set<net.Socket>()
  server.on('connection', socket => {
    const onward = net.connect(Number(backend.address.split(':')[1]))
    for (const one of [socket, onward]) sockets.add(one.on('error', () => {}))
    socket.pipe(onward).pipe(socket)
  })
  const way = await wayTo(t, address)
  t.equal((await once(way)).status, 0)
  server.close()
  for (const socket of sockets) socket.destroy()
  await until('it knows', () => way.down)
  t.match(describeEnd(await once(way)), /^14 UNAVAILABLE: no connection: /)
  await t.rejects(way.open(), /cannot connect to .* \(--direct\): nothing listens there/)
})

t.test('a connection that comes to nothing is told with a reason', async t => {
  const http1 = net.createServer(socket => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const closing = net.createServer(socket =>
    socket
      .on('error', () => {})
      .resume()
      .end(),
  )
  const reasons: [address: string, pattern: RegExp][] = [
    [await listening(t, http1), /what answers is not HTTP\/2 \(.+\): if it wants TLS, write https:\/\//],
    [await listening(t, closing), /closed the connection: does it speak HTTP\/2|closes the connection at once/],
    ['unix:/nowhere/x.sock', /there is no such socket: .* \(ENOENT\)/],
    ['no-such-host.invalid:1', /the host name cannot be resolved/],
  ]
  for (const [address, pattern] of reasons) {
    await t.rejects(wayTo(t, address), { name: 'BenchFailure', message: pattern }, address)
  }
})
