/** Calls of the proxy's own, over real sockets, on both transports: what goes out, and every way in which they end. */
import pino from 'pino'
import t, { type Test } from 'tap'
import { resolveConfig } from '../../src/config/resolve.ts'
import { Carriers } from '../../src/proxy/carriers.ts'
import { callOn, type OwnOutcome, type OwnStream, type OwnStreams } from '../../src/rpc/own-call.ts'
import { OwnSession } from '../../src/rpc/own-session.ts'
import { systemClock } from '../../src/transport/clock.ts'
import { TimerWheel } from '../../src/transport/timer-wheel.ts'
import type { ClientSession, ClientTransport, TransportName } from '../../src/transport/transport.ts'
import { field, message, RESPONSE, TRAILERS } from '../contract/rig.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { block, FakeSession } from '../support/fake-transport.ts'
import { Code, Setting } from '../support/frames.ts'
import { type Incoming, RawServer, type ServerOptions } from '../support/raw-server.ts'
import { until } from '../support/until.ts'

const LONG_MS = 60_000
const MAX_BYTES = 1_000

function transportOf(name: TransportName): ClientTransport {
  const { config } = resolveConfig({ backends: { main: { endpoints: ['127.0.0.1:1'] } } })
  const carriers = new Carriers(config.limits, {
    wheel: new TimerWheel(systemClock),
    log: pino({ level: 'silent' }),
    onViolation: () => {},
  })
  return carriers.client(name)
}

function addressOf(server: RawServer) {
  return { name: server.url, tcp: { host: '127.0.0.1', port: server.port } }
}

class Scene {
  readonly server: RawServer
  readonly session: ClientSession
  readonly wheel = new TimerWheel(systemClock)

  constructor(server: RawServer, session: ClientSession) {
    this.server = server
    this.session = session
  }

  static async on(t: Test, transport: TransportName, options: ServerOptions = {}): Promise<Scene> {
    const server = await RawServer.listen(t, options)
    const own = new OwnSession(addressOf(server), transportOf(transport), systemClock)
    t.teardown(() => own.close())
    const session = await new Promise<ClientSession>((resolve, reject) =>
      own.get(LONG_MS, (session, why) => (session === undefined ? reject(new Error(why)) : resolve(session))),
    )
    return new Scene(server, session)
  }

  call({ timeoutMs = LONG_MS, authority = 'backend.test' } = {}): { outcome: Promise<OwnOutcome>; cancel: () => void } {
    const { promise, resolve } = Promise.withResolvers<OwnOutcome>()
    const request = {
      path: '/pkg.Service/Method',
      scheme: 'http' as const,
      authority,
      message: Buffer.from('question'),
      maxBytes: MAX_BYTES,
    }
    const cancel = callOn(this.session, request, { clock: systemClock, wheel: this.wheel, timeoutMs }, resolve)
    return { outcome: promise, cancel }
  }

  /** A call, what the server does with it, and its end. */
  async ended(answer: (request: Incoming) => void): Promise<OwnOutcome> {
    const { outcome } = this.call()
    answer(await this.server.request())
    return outcome
  }

  /** No stream and no timer is left. */
  async clean(t: Test): Promise<void> {
    await until('the stream is gone', () => this.session.streams === 0)
    t.equal(this.wheel.size, 0, 'no timer is left')
  }
}

const whole = ({ connection, streamId }: Incoming, body: Buffer) => {
  connection.headers(streamId, RESPONSE)
  connection.data(streamId, body)
  connection.headers(streamId, TRAILERS, { endStream: true })
}

/** How the server ends it, and what is told. */
const ENDS: Readonly<Record<string, [answer: (request: Incoming) => void, outcome: object]>> = {
  'one message': [request => whole(request, message('answer')), { kind: 'answer', message: Buffer.from('answer') }],
  'an empty message': [request => whole(request, message('')), { kind: 'answer', message: Buffer.alloc(0) }],
  'a message in many frames, after an interim response': [
    ({ connection, streamId }) => {
      connection.headers(streamId, [[':status', '103']])
      connection.headers(streamId, RESPONSE)
      for (const byte of message('answer')) connection.data(streamId, Buffer.from([byte]))
      connection.headers(streamId, TRAILERS, { endStream: true })
    },
    { kind: 'answer', message: Buffer.from('answer') },
  ],
  'a status in trailers': [
    ({ connection, streamId }) => {
      connection.headers(streamId, RESPONSE)
      connection.headers(
        streamId,
        [
          ['grpc-status', '5'],
          ['grpc-message', 'no%20such'],
        ],
        { endStream: true },
      )
    },
    { kind: 'status', status: 5, text: 'no such' },
  ],
  'a status in headers alone': [
    ({ connection, streamId }) =>
      connection.headers(streamId, [...RESPONSE, ['grpc-status', '12'], ['grpc-message', 'x'.repeat(1_000)]], {
        endStream: true,
      }),
    { kind: 'status', status: 12, text: 'x'.repeat(200) },
  ],
  'no message': [request => whole(request, Buffer.alloc(0)), { kind: 'wrong', why: 'no message' }],
  'two messages': [
    request => whole(request, Buffer.concat([message('a'), message('b')])),
    { kind: 'wrong', why: 'more than one message' },
  ],
  'half a message': [
    request => whole(request, message('answer').subarray(0, 8)),
    { kind: 'wrong', why: 'a message that is not whole' },
  ],
  'half a prefix': [
    request => whole(request, message('').subarray(0, 4)),
    { kind: 'wrong', why: 'a message that is not whole' },
  ],
  'a compressed message': [
    request => whole(request, Buffer.from([1, 0, 0, 0, 1, 65])),
    { kind: 'wrong', why: 'a compressed message' },
  ],
  'more bytes than are taken': [
    ({ connection, streamId }) => {
      connection.headers(streamId, RESPONSE)
      connection.data(streamId, Buffer.alloc(MAX_BYTES + 1))
    },
    { kind: 'wrong', why: `a response of more than ${MAX_BYTES} bytes` },
  ],
  'no grpc-status in trailers': [
    ({ connection, streamId }) => {
      connection.headers(streamId, RESPONSE)
      connection.headers(streamId, [['other', '1']], { endStream: true })
    },
    { kind: 'wrong', why: 'a response without a grpc-status' },
  ],
  'an end by DATA': [
    ({ connection, streamId }) => {
      connection.headers(streamId, RESPONSE)
      connection.data(streamId, message('answer'), { endStream: true })
    },
    { kind: 'wrong', why: 'a response without a grpc-status' },
  ],
  'a web page': [
    ({ connection, streamId }) =>
      connection.headers(streamId, [
        [':status', '200'],
        ['content-type', 'text/html'],
      ]),
    { kind: 'wrong', why: 'a response that is not gRPC' },
  ],
  'an HTTP status': [
    ({ connection, streamId }) => connection.headers(streamId, [[':status', '404']], { endStream: true }),
    { kind: 'wrong', why: 'HTTP status 404' },
  ],
  'a reset': [
    ({ connection, streamId }) => connection.rst(streamId, Code.INTERNAL_ERROR),
    { kind: 'lost', unprocessed: false, why: 'the stream was reset: INTERNAL_ERROR' },
  ],
  'a refusal': [
    ({ connection, streamId }) => connection.rst(streamId, Code.REFUSED_STREAM),
    { kind: 'lost', unprocessed: true },
  ],
  'the end of the connection': [({ connection }) => connection.destroy(), { kind: 'lost', unprocessed: false }],
}

for (const transport of ['frames', 'native'] as const) {
  t.test(transport, async t => {
    t.test('what goes out', async t => {
      const scene = await Scene.on(t, transport)
      const { outcome } = scene.call()
      const request = await scene.server.request()
      const { headers, connection, streamId } = request
      t.match(Object.fromEntries(headers.fields.map(({ name, value }) => [name, value])), {
        ':method': 'POST',
        ':scheme': 'http',
        ':path': '/pkg.Service/Method',
        ':authority': 'backend.test',
        te: 'trailers',
        'content-type': 'application/grpc',
        'grpc-timeout': /^\d+u$/,
      })
      t.equal(field(headers, 'grpc-encoding'), undefined)
      await connection.ended(streamId)
      t.ok(connection.body(streamId).equals(message('question')))
      whole(request, message('answer'))
      t.match(await outcome, { kind: 'answer' })
      await scene.clean(t)
    })

    for (const [what, [answer, outcome]] of Object.entries(ENDS)) {
      t.test(what, async t => {
        const scene = await Scene.on(t, transport)
        t.match(await scene.ended(answer), outcome)
        await scene.clean(t)
      })
    }

    t.test('no answer: it is reset when its time is over', async t => {
      const scene = await Scene.on(t, transport)
      const { outcome } = scene.call({ timeoutMs: 20 })
      const { connection, streamId } = await scene.server.request()
      t.same(await outcome, { kind: 'late', why: 'no answer within 20 ms' })
      t.match(await connection.next('rst', streamId), { code: Code.CANCEL })
      await scene.clean(t)
    })

    t.test('an answer that does not end', async t => {
      const scene = await Scene.on(t, transport)
      const { outcome } = scene.call({ timeoutMs: 200 })
      const { connection, streamId } = await scene.server.request()
      connection.headers(streamId, RESPONSE)
      connection.data(streamId, message('answer'))
      t.match(await outcome, { kind: 'late', why: /^(the answer was not whole|no answer) within 200 ms$/ })
      await connection.next('rst', streamId)
      await scene.clean(t)
    })

    t.test('cancelled: it is reset, and nothing is told', async t => {
      const scene = await Scene.on(t, transport)
      const { outcome, cancel } = scene.call()
      const { connection, streamId } = await scene.server.request()
      cancel()
      cancel()
      t.match(await connection.next('rst', streamId), { code: Code.CANCEL })
      await scene.clean(t)
      t.equal(await Promise.race([outcome, 'nothing']), 'nothing')
    })

    t.test('a peer that takes no such headers', async t => {
      const scene = await Scene.on(t, transport, { settings: { [Setting.MAX_HEADER_LIST_SIZE]: 10 } })
      t.match(await scene.call().outcome, { kind: 'wrong', why: /^the request cannot be sent: / })
      await scene.clean(t)
    })

    t.test('an answer before the request could be sent whole does not keep the stream', async t => {
      const scene = await Scene.on(t, transport, { settings: { [Setting.INITIAL_WINDOW_SIZE]: 0 } })
      const { outcome } = scene.call({ timeoutMs: 200 })
      const { connection, streamId } = await scene.server.request()
      connection.headers(streamId, [...RESPONSE, ['grpc-status', '12']], { endStream: true })
      t.match(await outcome, { kind: 'status', status: 12 })
      t.match(await connection.next('rst', streamId), { code: Code.CANCEL })
      await scene.clean(t)
    })
  })
}

t.test('who counts the streams of a session is told when one is given up, once, and when it has ended', async t => {
  const clock = new FakeClock()
  const wheel = new TimerWheel(clock)
  const told: string[] = []
  const real = new FakeSession({ name: 'a' }, {} as never)
  real.owner.onReady = () => {}
  real.ready()
  const session: OwnStreams = {
    open: owner => real.open(owner),
    giveUp: ({ seen }: OwnStream) => told.push(`given up, ${seen ? 'seen' : 'not seen'}`),
    ended: () => told.push('ended'),
  }
  const request = { path: '/a/b', scheme: 'http' as const, authority: 'a', message: Buffer.alloc(0), maxBytes: 10 }
  const outcomes: OwnOutcome[] = []
  const begin = () => callOn(session, request, { clock, wheel, timeoutMs: 100 }, outcome => outcomes.push(outcome))
  begin()
  const [first] = real.opened
  clock.advance(200)
  t.match(outcomes, [{ kind: 'late' }])
  first!.headers(block({ ':status': '500' }), true)
  first!.close({ kind: 'clean' })
  t.same(told, ['given up, not seen', 'ended'])
  begin()
  const second = real.opened[1]!
  second.headers(block({ ':status': '200', 'content-type': 'application/grpc' }))
  second.data('x'.repeat(20))
  second.data('y'.repeat(20))
  t.equal(second.released, 40, 'what nobody wants is given back too')
  second.close({ kind: 'reset', code: 8, by: 'self' })
  t.same(told.slice(2), ['given up, seen', 'ended'])
  t.equal(outcomes.length, 2)
})
