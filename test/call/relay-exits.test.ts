import t from 'tap'
import { FAILURES, type FailureKind, type FailureToken } from '../../src/call/failure-table.ts'
import { GrpcError } from '../../src/grpc/status.ts'
import type { Director } from '../../src/routing/director.ts'
import { HeadersRefused } from '../../src/transport/transport.ts'
import { block, type FakeStream } from '../support/fake-transport.ts'
import {
  CallRig,
  CLIENT_CANCELS,
  ENDED_BY_US,
  lost,
  NOTHING_LEFT,
  type Opened,
  ownAnswer,
  PATH,
  RESPONSE,
  type RigOptions,
  request,
  resetByPeer,
} from './rig.ts'

interface Exit {
  name: string
  options?: RigOptions
  fields?: ReturnType<typeof request>
  /** Makes the call end. */
  play?: (rig: CallRig, call: Opened) => void
  /** The proxy's own answer … */
  answer?: { status: number; token: string; message: string | RegExp }
  /** … or its reset of the client's stream. */
  reset?: number
  record: { status: number; endedBy: string; reason: string; backend?: string; endpoint?: string; cause?: string }
  /** What the upstream stream was reset with. */
  upReset?: number
  faults?: number
}

const throwing =
  (error: unknown): Director =>
  () => {
    throw error
  }

const responding = (play: (up: FakeStream, call: Opened, rig: CallRig) => void) => (rig: CallRig, call: Opened) => {
  rig.up.headers(RESPONSE)
  rig.up.data('half')
  play(rig.up, call, rig)
}

const EXITS: Exit[] = [
  {
    name: 'no route',
    options: { director: () => undefined },
    answer: { status: 12, token: 'no-route', message: `no route for ${PATH}` },
    record: { status: 12, endedBy: 'proxy', reason: 'no-route', backend: '', endpoint: '' },
  },
  {
    name: 'the director denies',
    options: { director: throwing(new GrpcError('PERMISSION_DENIED', 'not 4 you, 100 %')) },
    answer: { status: 7, token: 'denied', message: 'not 4 you, 100 %25' },
    record: { status: 7, endedBy: 'proxy', reason: 'denied', backend: '' },
  },
  {
    name: 'the director throws something else',
    options: { director: throwing(new Error('password=1234')) },
    answer: { status: 13, token: 'director-failed', message: 'the director failed' },
    record: { status: 13, endedBy: 'proxy', reason: 'director-failed' },
    faults: 1,
  },
  {
    name: 'the director names an unknown backend',
    options: { director: () => ({ backend: 'mian' }) },
    answer: { status: 13, token: 'unknown-backend', message: 'the director named an unknown backend' },
    record: { status: 13, endedBy: 'proxy', reason: 'unknown-backend', backend: '' },
    faults: 1,
  },
  {
    name: 'the endpoint cannot be reached',
    options: { cold: true },
    play: rig => rig.session.closed('connect ECONNREFUSED'),
    answer: { status: 14, token: 'unreachable', message: 'no endpoint of the backend can be reached' },
    record: { status: 14, endedBy: 'proxy', reason: 'unreachable', backend: 'main', endpoint: '' },
  },
  {
    name: 'the queue is full',
    options: { cold: true, queue: { maxCalls: 0, timeoutMs: 1_000 } },
    answer: { status: 14, token: 'queue-full', message: 'too many calls wait for the backend' },
    record: { status: 14, endedBy: 'proxy', reason: 'queue-full', backend: 'main' },
  },
  {
    name: 'it waited too long',
    options: { cold: true, queue: { maxCalls: 1, timeoutMs: 1_000 } },
    play: rig => rig.clock.advance(1_010),
    answer: { status: 14, token: 'queue-timeout', message: 'the call waited too long for the backend' },
    record: { status: 14, endedBy: 'proxy', reason: 'queue-timeout' },
  },
  {
    name: 'the backend is closed while it waits',
    options: { cold: true },
    play: rig => rig.backend.close(),
    answer: { status: 14, token: 'shutting-down', message: 'the proxy is shutting down' },
    record: { status: 14, endedBy: 'proxy', reason: 'shutting-down' },
  },
  {
    name: 'the grace period of a drain is over, before a response',
    play: (_rig, { relay }) => relay.abort(),
    answer: { status: 14, token: 'shutting-down', message: 'the proxy is shutting down' },
    record: { status: 14, endedBy: 'proxy', reason: 'shutting-down' },
    upReset: 8,
  },
  {
    name: 'the transport cannot send the request headers',
    options: { cold: true },
    play: rig => {
      const { session } = rig
      const { open } = session
      session.open = owner => {
        const stream = open.call(session, owner)
        stream.refuses = new HeadersRefused('too big')
        return stream
      }
      session.ready()
    },
    answer: { status: 13, token: 'unsendable-headers', message: 'cannot forward the headers: too big' },
    record: { status: 13, endedBy: 'proxy', reason: 'unsendable-headers' },
    upReset: 8,
  },
  {
    name: 'the transport cannot send the response headers',
    play: (rig, { down }) => {
      down.refuses = new HeadersRefused('too big')
      rig.up.headers(RESPONSE)
    },
    answer: { status: 13, token: 'unsendable-headers', message: 'cannot forward the headers: too big' },
    record: { status: 13, endedBy: 'proxy', reason: 'unsendable-headers' },
    upReset: 8,
  },
  {
    name: 'the backend resets before a response',
    play: rig => rig.up.close(resetByPeer(0xb)),
    answer: { status: 8, token: 'upstream-reset', message: 'the backend reset the stream: ENHANCE_YOUR_CALM' },
    record: { status: 8, endedBy: 'backend', reason: 'upstream-reset', backend: 'main' },
  },
  {
    name: 'the backend resets with a code that nobody knows',
    play: rig => rig.up.close(resetByPeer(0x2a)),
    answer: { status: 2, token: 'upstream-reset', message: /0x2a$/ },
    record: { status: 2, endedBy: 'backend', reason: 'upstream-reset' },
  },
  {
    name: 'the backend breaks a rule of HTTP/2',
    play: rig => rig.up.close({ kind: 'reset', code: 1, by: 'self', violation: 'field-name' }),
    answer: {
      status: 13,
      token: 'upstream-protocol-error',
      message: "the backend's response was not accepted: PROTOCOL_ERROR",
    },
    record: { status: 13, endedBy: 'proxy', reason: 'upstream-protocol-error' },
  },
  {
    name: 'the backend is lost before a response',
    play: rig => rig.up.close(lost()),
    answer: { status: 14, token: 'upstream-lost', message: 'the connection to the backend was lost' },
    record: { status: 14, endedBy: 'backend', reason: 'upstream-lost' },
  },
  {
    name: 'the proxy ends the session to the backend',
    play: rig => rig.up.close(ENDED_BY_US),
    answer: { status: 14, token: 'upstream-lost', message: 'the connection to the backend was lost' },
    record: { status: 14, endedBy: 'proxy', reason: 'upstream-lost', cause: 'closed by the proxy' },
  },
  {
    name: 'the backend resets within a response: the same code goes on',
    play: responding(up => up.close(resetByPeer(2))),
    reset: 2,
    record: { status: 13, endedBy: 'backend', reason: 'upstream-reset' },
  },
  {
    name: 'the backend is lost within a response',
    play: responding(up => up.close(lost())),
    reset: 2,
    record: { status: 14, endedBy: 'backend', reason: 'upstream-lost' },
  },
  {
    name: 'not gRPC',
    fields: request({ 'content-type': 'application/json' }),
    record: { status: 2, endedBy: 'proxy', reason: 'not-grpc', cause: 'HTTP 415', backend: '' },
  },
  {
    name: 'not POST',
    fields: request({ ':method': 'GET' }),
    record: { status: 2, endedBy: 'proxy', reason: 'not-grpc', cause: 'HTTP 405', backend: '' },
  },
  {
    name: 'the path is not /service/method: no director is asked',
    options: { director: throwing(new Error('asked')) },
    fields: request({ ':path': `${PATH}?x=1` }),
    answer: { status: 12, token: 'bad-path', message: 'the path is not /service/method' },
    record: { status: 12, endedBy: 'proxy', reason: 'bad-path', backend: '' },
  },
  {
    name: 'host contradicts :authority: no director is asked',
    options: { director: throwing(new Error('asked')) },
    fields: request({ host: 'other.example.com' }),
    answer: { status: 13, token: 'bad-authority', message: 'the request names more than one authority' },
    record: { status: 13, endedBy: 'proxy', reason: 'bad-authority', backend: '', cause: 'host is not :authority' },
  },
  {
    name: 'host twice',
    options: { director: throwing(new Error('asked')) },
    fields: [...request({ host: 'api.example.com' }), ...block({ host: 'api.example.com' })],
    answer: { status: 13, token: 'bad-authority', message: 'the request names more than one authority' },
    record: { status: 13, endedBy: 'proxy', reason: 'bad-authority', cause: 'host comes more than once' },
  },
  {
    name: 'the client cancels',
    play: (_rig, { down }) => down.close(CLIENT_CANCELS),
    record: { status: 1, endedBy: 'client', reason: 'reset-CANCEL', backend: 'main' },
    upReset: 8,
  },
  {
    name: 'the client cancels within a response',
    play: responding((_up, { down }) => down.close(CLIENT_CANCELS)),
    record: { status: 1, endedBy: 'client', reason: 'reset-CANCEL' },
    upReset: 8,
  },
  {
    name: 'the client disconnects while the call waits',
    options: { cold: true },
    play: (_rig, { down }) => down.close(lost()),
    record: { status: 1, endedBy: 'client', reason: 'disconnected', backend: 'main', endpoint: '' },
  },
  {
    name: 'the proxy ends the session of the client',
    play: (_rig, { down }) => down.close(ENDED_BY_US),
    record: { status: 1, endedBy: 'proxy', reason: 'disconnected' },
    upReset: 8,
  },
  {
    name: 'the proxy resets the stream of the client, which broke a rule of HTTP/2',
    play: (_rig, { down }) => down.close({ kind: 'reset', code: 1, by: 'self', violation: 'content-length' }),
    record: { status: 1, endedBy: 'proxy', reason: 'reset-PROTOCOL_ERROR' },
    upReset: 8,
  },
]

for (const exit of EXITS) {
  t.test(exit.name, async t => {
    const rig = new CallRig(exit.options)
    const call = rig.open(exit.fields)
    exit.play?.(rig, call)
    const { down } = call
    if (exit.answer !== undefined) {
      const own = ownAnswer(down)
      t.match(own, { ...exit.answer, status: String(exit.answer.status) })
      t.equal(down.resetWith, 0, 'the rest of the request is not wanted')
    }
    if (exit.reset !== undefined) t.equal(down.resetWith, exit.reset)
    if (exit.upReset !== undefined) t.equal(rig.up.resetWith, exit.upReset)
    t.equal(rig.faults.length, exit.faults ?? 0)
    const kind: FailureKind | undefined = FAILURES[exit.record.reason as FailureToken]
    if (kind?.retryable === true) t.same(rig.ups, [], 'what can be sent again no backend has seen')
    const sent = down.sent.length

    t.comment('whatever comes late changes nothing')
    for (const up of rig.ups) up.settle()
    call.relay.abort()
    rig.clock.advance(60_000)
    t.equal(down.sent.length, sent)
    t.equal(rig.records.length, down.ended === undefined ? 0 : 1)
    down.settle()
    t.match(rig.record, exit.record)
    call.relay.abort()
    rig.clock.advance(60_000)
    t.same([rig.records.length, rig.over, rig.left], [1, 1, NOTHING_LEFT])
    t.same(
      [down, ...rig.ups].flatMap(stream => stream.misuse),
      [],
    )
  })
}

t.test('HTTP answers are plain, and an option lets such requests through', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request({ 'content-type': 'text/html' }), true)
  t.same(down.sent, [
    {
      kind: 'headers',
      block: block({ ':status': '415', 'content-length': '0', 'x-grpc-verbatim-error': 'not-grpc' }),
      endStream: true,
    },
  ])
  const open = new CallRig({ acceptNonGrpc: true })
  open.open(request({ 'content-type': 'text/html', ':method': 'GET', ':path': '/a%20b/c?q=%2F..' }), true)
  t.equal(open.ups.length, 1)
})

t.test('where other requests are let through, a path that may be read in two ways is HTTP 400', async t => {
  for (const [fields, token] of [
    [{ ':path': '/a/%2e%2e/b' }, 'bad-path'],
    [{ host: 'other' }, 'bad-authority'],
  ] as const) {
    const rig = new CallRig({ acceptNonGrpc: true })
    const { down } = rig.open(request({ 'content-type': 'text/html', ...fields }), true)
    const expected = block({ ':status': '400', 'content-length': '0', 'x-grpc-verbatim-error': token })
    t.same(down.sent, [{ kind: 'headers', block: expected, endStream: true }])
    t.equal(rig.ups.length, 0)
    down.settle()
    t.match(rig.record, { status: 13, endedBy: 'proxy', reason: token })
  }
})

t.test('gRPC has its own paths also where other requests are let through', async t => {
  const rig = new CallRig({ acceptNonGrpc: true })
  t.match(ownAnswer(rig.open(request({ ':path': `${PATH}?x=1` }), true).down), { status: '12', token: 'bad-path' })
})

t.test('a request that was complete gets the answer and no reset', async t => {
  const rig = new CallRig({ director: () => undefined })
  const { down } = rig.open(request(), true)
  t.same(down.kinds, ['headers'])
})

t.test('data that comes after the answer is released', async t => {
  const rig = new CallRig({ director: () => undefined })
  const { down } = rig.open()
  down.data('on its way')
  t.equal(down.released, 10)
  t.same(down.misuse, [])
})

t.test('the client leaves before its headers', async t => {
  const rig = new CallRig()
  const { down } = rig.accept()
  down.close(CLIENT_CANCELS)
  t.match(rig.record, { path: '', authority: '', endedBy: 'client', status: 1 })
  t.same(rig.left, NOTHING_LEFT)
})
