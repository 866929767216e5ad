/** The times that a route gives its calls; the client's own are in relay-deadline.test.ts. */
import t from 'tap'
import { type CallPolicy, definePolicy } from '../../src/routing/policy.ts'
import {
  CallRig,
  CLEAN,
  CLIENT_CANCELS,
  lost,
  NOTHING_LEFT,
  ownAnswer,
  RESPONSE,
  type RigOptions,
  request,
  TRAILERS,
} from './rig.ts'

/** Times are kept by ticks. */
const TICKS_MS = 10
const ROUTE = { status: '4', token: 'deadline', message: "deadline exceeded at the proxy: the route's time is over" }
const CLIENT = { status: '4', token: 'deadline', message: 'deadline exceeded at the proxy' }

function rigWith(policy: CallPolicy, options: RigOptions = {}): CallRig {
  const target = { backend: 'main', policy: definePolicy(policy) }
  return new CallRig({ director: () => target, ...options })
}

function timeoutsSent(rig: CallRig): string[] {
  const [first] = rig.up.sent
  return first?.kind === 'headers' ? first.block.filter(field => field.name === 'grpc-timeout').map(f => f.value) : []
}

t.test('the time of a call: the lesser of the client’s and the route’s, and the failure says whose it was', async t => {
  const rows = [
    { policy: { timeoutMs: 300 }, sent: '300000u', endsMs: 300, answer: ROUTE, cause: "the route's time, timeoutMs" },
    {
      policy: { defaultTimeoutMs: 300 },
      sent: '300000u',
      endsMs: 300,
      answer: ROUTE,
      cause: "the route's time, defaultTimeoutMs",
    },
    { policy: { timeoutMs: 300, defaultTimeoutMs: 200 }, sent: '200000u', endsMs: 200, answer: ROUTE },
    { policy: { timeoutMs: 300, defaultTimeoutMs: 400 }, sent: '300000u', endsMs: 300, answer: ROUTE },
    { client: '1S', policy: { timeoutMs: 300 }, sent: '300000u', endsMs: 300, answer: ROUTE },
    {
      client: '100m',
      policy: { timeoutMs: 300 },
      sent: '100m',
      endsMs: 100,
      answer: CLIENT,
      cause: "the client's time, grpc-timeout",
    },
    { client: '1S', policy: { defaultTimeoutMs: 300 }, sent: '1000000u', endsMs: 1_000, answer: CLIENT },
  ]
  for (const { client, policy, sent, endsMs, answer, cause } of rows) {
    const rig = rigWith(policy)
    const { down } = rig.open(request(client === undefined ? {} : { 'grpc-timeout': client }), true)
    const name = JSON.stringify([client, policy])
    t.same(
      timeoutsSent(rig).map(text => text.replace('100000u', '100m')),
      [sent],
      name,
    )
    rig.clock.advance(endsMs - 1)
    t.equal(down.sent.length, 0, name)
    rig.clock.advance(1 + TICKS_MS)
    t.match(ownAnswer(down), answer, name)
    t.equal(rig.up.resetWith, 8)
    down.settle()
    t.match(rig.record, { status: 4, endedBy: 'proxy', reason: 'deadline', ...(cause && { cause }) })
    t.same(rig.left, NOTHING_LEFT)
  }
})

t.test('a route of times and a call that is answered in time: no timer is left, and nobody is told twice', async t => {
  const rig = rigWith({ timeoutMs: 300, idleTimeoutMs: 100, responseHeadersTimeoutMs: 50 }, { silent: true })
  const { down } = rig.open(request(), true)
  rig.up.headers(RESPONSE)
  rig.up.data('answer')
  rig.up.trailers(TRAILERS)
  t.equal(rig.wheel.size, 0)
  rig.up.close(CLEAN)
  down.settle()
  t.same([rig.left, rig.records.length], [NOTHING_LEFT, 0])
})

t.test(
  'response headers: the time counts from the first stream, through all attempts, and ends with headers',
  async t => {
    const late = rigWith({ responseHeadersTimeoutMs: 100 }, { cold: true })
    const { down } = late.open(request(), true)
    late.clock.advance(500)
    late.session.ready()
    late.clock.advance(60)
    late.up.close(lost(true))
    t.equal(late.ups.length, 2)
    late.clock.advance(39)
    t.equal(down.sent.length, 0)
    late.clock.advance(1 + TICKS_MS)
    t.match(ownAnswer(down), { status: '4', token: 'response-headers-timeout' })
    down.settle()
    t.same(late.left, NOTHING_LEFT)

    const inTime = rigWith({ responseHeadersTimeoutMs: 100 })
    const call = inTime.open(request(), true)
    inTime.up.headers(RESPONSE)
    inTime.clock.advance(10_000)
    t.same(call.down.kinds, ['headers'])
  },
)

t.test('idle: data from either side, or data that goes on, keeps a call; nothing else does', async t => {
  for (const silent of [false, true]) {
    const rig = rigWith({ idleTimeoutMs: 800 }, { silent })
    const { down } = rig.open()
    const steps: (() => void)[] = [
      () => down.data('ask'),
      () => rig.up.headers(RESPONSE),
      () => rig.up.data('x'),
      () => down.data('more'),
    ]
    for (const step of steps) {
      rig.clock.advance(700)
      step()
    }
    rig.clock.advance(799)
    t.equal(down.resetWith, undefined)
    // It is found out an eighth later at most.
    rig.clock.advance(1 + 100 + TICKS_MS)
    t.equal(down.resetWith, 8, `within a message: a reset; silent: ${silent}`)
    down.settle()
    if (!silent) t.match(rig.record, { status: 4, reason: 'idle-timeout' })
    t.same(rig.left, NOTHING_LEFT)
  }
})

t.test('idle: empty frames are no data', async t => {
  const rig = rigWith({ idleTimeoutMs: 800 })
  const { down } = rig.open()
  for (let i = 0; i < 10; i++) {
    rig.clock.advance(100)
    down.data('')
  }
  t.match(ownAnswer(down), { status: '4', token: 'idle-timeout' })
})

t.test('no timer is left, however the call ends', async t => {
  const ends: ((rig: CallRig, down: ReturnType<CallRig['open']>['down']) => void)[] = [
    (_rig, down) => down.close(CLIENT_CANCELS),
    rig => rig.up.close(lost()),
    rig => rig.up.headers(TRAILERS, true),
    rig => rig.context.live.abortAll(),
  ]
  for (const end of ends) {
    const rig = rigWith({ timeoutMs: 1_000, idleTimeoutMs: 100, responseHeadersTimeoutMs: 100 })
    const { down } = rig.open(request(), true)
    t.equal(rig.wheel.size, 3)
    end(rig, down)
    t.equal(rig.wheel.size, 0)
  }
})

t.test('what a director says that is no policy costs its call, and is told once', async t => {
  for (const timeoutMs of [0, -1, Number.NaN, Infinity, '5' as never, 2 ** 31]) {
    const rig = new CallRig({ director: () => ({ backend: 'main', policy: { timeoutMs } }) })
    const { down } = rig.open(request(), true)
    t.match(ownAnswer(down), { token: 'director-failed' }, String(timeoutMs))
    t.equal(rig.faults.length, 1)
    t.throws(() => definePolicy({ timeoutMs }), TypeError)
  }
})
