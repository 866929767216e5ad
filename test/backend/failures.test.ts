import t from 'tap'
import { BackendRig, CONNECT_TIMEOUT_MS, shares } from './rig.ts'

t.test('all endpoints fail: unavailable, with the reason of each', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  const [one, two] = [rig.call(), rig.call()]
  rig.session('a').closed('connect ECONNREFUSED')
  t.equal(one.failed, undefined, 'goes to the other first')
  rig.session('b').closed('certificate has expired')
  for (const call of [one, two]) {
    t.same(call.failed, ['unreachable', 'a: connect ECONNREFUSED; b: certificate has expired'])
    t.equal(call.told, 1)
  }
  t.same([rig.backend.waiting, rig.wheel.size], [0, 0])
  t.same(rig.events, ['a connect-failed', 'b connect-failed'])
})

t.test('in backoff calls fail at once, and nobody dials', async t => {
  const rig = new BackendRig()
  rig.call()
  rig.session().closed('connect ECONNREFUSED')
  for (let i = 0; i < 10; i++) {
    t.same(rig.call().failed, ['unreachable', 'a: connect ECONNREFUSED'])
    rig.clock.advance(99)
  }
  t.equal(rig.dials(), 1)
  t.equal(rig.backend.endpoints[0]!.state, 'backoff')
})

t.test('the wait grows from failure to failure, and a call dials again when it is over', async t => {
  const rig = new BackendRig()
  rig.call()
  for (const waitMs of [1_000, 1_600, 2_560]) {
    rig.session().closed('no')
    const dials = rig.dials()
    rig.clock.advance(waitMs - 1)
    rig.call()
    t.equal(rig.dials(), dials, `no dial before ${waitMs} ms`)
    rig.clock.advance(1)
    const call = rig.call()
    t.equal(rig.dials(), dials + 1, `a dial after ${waitMs} ms`)
    t.equal(call.told, 0, 'the call waits for it')
  }
  rig.session().ready()
  rig.session().answered = true
  rig.session().closed('bye')
  rig.call()
  rig.session().closed('no')
  rig.clock.advance(1_000)
  rig.call()
  t.equal(rig.dials(), 6, 'a session that answered a call reset it: the wait is a second again')
})

t.test('jitter keeps the wait between 80 % and 120 %', async t => {
  for (const [chance, waitMs] of [
    [0, 800],
    [1 - Number.EPSILON, 1_200],
  ] as const) {
    const rig = new BackendRig()
    rig.chance = chance
    rig.call()
    rig.session().closed('no')
    rig.clock.advance(waitMs - 1)
    rig.call()
    t.equal(rig.dials(), 1)
    rig.clock.advance(2)
    rig.call()
    t.equal(rig.dials(), 2)
  }
})

t.test('a failed endpoint is dialled again in the background: calls do not wait for it', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.calls(2)
  rig.session('a').ready()
  rig.session('b').closed('no')
  rig.clock.advance(1_000)
  t.same(shares(rig.calls(4)), { a: 4 })
  t.equal(rig.dials('b'), 2, 'one dial, however many calls')
  t.equal(rig.backend.waiting, 0)
})

t.test('a slow connect: after 250 ms the calls that wait go to an endpoint that is ready', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  const calls = rig.calls(4)
  rig.session('b').ready()
  rig.clock.advance(249)
  t.same(shares(calls), { nowhere: 2, b: 2 })
  rig.clock.advance(1)
  t.same(shares(calls), { b: 4 })
  t.same(shares(rig.calls(4)), { b: 4 }, 'and new calls do not wait for it')
  t.equal(rig.dials('a'), 1, 'it goes on connecting')
  rig.session('a').ready()
  t.same(shares(rig.calls(4)), { a: 2, b: 2 })
})

t.test('a slow connect: calls also go to an endpoint that is ready later', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  const calls = rig.calls(4)
  rig.clock.advance(300)
  rig.session('b').ready()
  t.same(shares(calls), { b: 4 }, 'b is ready, a is a black hole')
})

t.test('all connects slow: calls go on waiting, and new ones too', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  const calls = rig.calls(2)
  rig.clock.advance(300)
  calls.push(...rig.calls(2))
  t.same(shares(calls), { nowhere: 4 })
  t.ok(calls.every(call => call.told === 0))
  rig.session('a').ready()
  rig.session('b').ready()
  t.notOk('nowhere' in shares(calls), JSON.stringify(shares(calls)))
})

t.test('a connect without SETTINGS is given up', async t => {
  for (const connectTimeoutMs of [100, 250, CONNECT_TIMEOUT_MS]) {
    const rig = new BackendRig({ connectTimeoutMs, queue: { maxCalls: 10, timeoutMs: 60_000 } })
    const call = rig.call()
    rig.clock.advance(connectTimeoutMs - 1)
    t.equal(call.told, 0)
    rig.clock.advance(1)
    t.same(call.failed, ['unreachable', `a: no HTTP/2 SETTINGS within ${connectTimeoutMs} ms`])
    t.equal(rig.session().destroys, 1)
    rig.session().closed('gave up connecting')
    t.equal(rig.backend.endpoints[0]!.lastError, `no HTTP/2 SETTINGS within ${connectTimeoutMs} ms`)
    t.same(rig.clock.delays, [1_000], 'one failure, one backoff')
  }
})

t.test('a session that was given up says something late: nothing changes', async t => {
  const rig = new BackendRig({ connectTimeoutMs: 1_000 })
  rig.call()
  const late = rig.session()
  rig.clock.advance(1_000)
  const before = () => [rig.backend.endpoints[0]!.state, rig.backend.endpoints[0]!.sessionCount, rig.clock.pending]
  const state = before()
  t.same(state, ['backoff', 0, 1])
  late.ready()
  t.same(before(), state)
  late.closed('late')
  t.same(before(), state)
  rig.clock.advance(1_000)
  const call = rig.call()
  late.ready()
  late.closed('later')
  t.same([call.told, rig.backend.endpoints[0]!.state], [0, 'connecting'])
  rig.session().ready()
  t.equal(call.at, 'a')
  late.closed('last')
  t.equal(rig.backend.endpoints[0]!.state, 'ready')
})

t.test('calls wait for a stream, their endpoint is lost and cannot be had again: unavailable at once', async t => {
  const rig = new BackendRig()
  rig.call()
  rig.session().ready(1)
  const waiting = rig.calls(2)
  rig.session().closed('bye')
  const last = rig.call()
  rig.session().closed('connect ECONNREFUSED')
  for (const call of [...waiting, last]) t.same(call.failed, ['unreachable', 'a: connect ECONNREFUSED'])
})

t.test('one session lives and another cannot be had: its streams are still used', async t => {
  const rig = new BackendRig({ sessions: { max: 2, ready: 0 } })
  const first = rig.call()
  rig.session().ready(1)
  const second = rig.call()
  t.equal(rig.dials(), 2, 'the first is full')
  rig.session().closed('connect ECONNREFUSED')
  t.equal(second.told, 0, 'waits for the first')
  first.stream!.close({ kind: 'clean' })
  t.equal(second.at, 'a')
  second.stream!.close({ kind: 'clean' })
  const third = rig.call()
  t.same(third.failed, undefined, 'a session with room is there')
  t.equal(third.at, 'a', 'and is used')
})

t.test('two sessions, the second fails and the first is full: calls queue', async t => {
  const rig = new BackendRig({ sessions: { max: 2, ready: 0 } })
  rig.call()
  rig.session().ready(1)
  rig.call()
  rig.session().closed('connect ECONNREFUSED')
  t.equal(rig.call().failed, undefined, 'a stream may become free')
})
