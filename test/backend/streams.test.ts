import t from 'tap'
import { BackendRig, QUEUE_TIMEOUT_MS, shares } from './rig.ts'

const finish = { kind: 'clean' } as const

t.test('never more streams than the peer allows: then more sessions, then the queue', async t => {
  const rig = new BackendRig({ sessions: { max: 3, ready: 0 } })
  const calls = rig.calls(2)
  rig.session().ready(2) // opening more than `free` throws
  for (const sessions of [2, 3]) {
    calls.push(...rig.calls(2))
    t.equal(rig.dials(), sessions, 'one more session, and one only')
    t.equal(rig.backend.waiting, 2)
    rig.session().ready(2)
    t.equal(rig.backend.waiting, 0)
  }
  calls.push(...rig.calls(4))
  t.equal(rig.dials(), 3, 'as many as sessions.max')
  t.equal(rig.backend.waiting, 4)
  t.equal(rig.backend.endpoints[0]!.streamCount, 6)
  calls[3]!.stream!.close(finish)
  t.equal(rig.backend.waiting, 3)
  t.equal(rig.served.at(-1), 'call 7', 'the first that waits')
})

t.test('a queue longer than the new session has streams dials the next one', async t => {
  const rig = new BackendRig({ sessions: { max: 3, ready: 0 } })
  rig.calls(5)
  rig.session().ready(2)
  t.same([rig.backend.waiting, rig.dials()], [3, 2])
  rig.session().ready(2)
  t.same([rig.backend.waiting, rig.dials()], [1, 3])
  rig.session().ready(2)
  t.same([rig.backend.waiting, rig.dials()], [0, 3])
  t.same(
    rig.served,
    [1, 2, 3, 4, 5].map(i => `call ${i}`),
  )
})

t.test('the peer changes its limit', async t => {
  const rig = new BackendRig()
  rig.calls(4)
  rig.session().ready(1)
  t.equal(rig.backend.waiting, 3)
  rig.session().settings(3)
  t.equal(rig.backend.waiting, 1)
  rig.session().settings(1)
  rig.session().opened[0]!.close(finish)
  rig.session().opened[1]!.close(finish)
  t.equal(rig.backend.waiting, 1, 'still one stream open, and only one allowed')
  rig.session().opened[2]!.close(finish)
  t.equal(rig.backend.waiting, 0)
})

t.test('no streams at all allowed: calls wait for their time, and then fail', async t => {
  const rig = new BackendRig()
  const call = rig.call()
  rig.session().ready(0)
  t.equal(call.told, 0)
  rig.clock.advance(QUEUE_TIMEOUT_MS + 10)
  t.match(call.failed, ['queue-timeout', /within 5000 ms/])
})

t.test('an endpoint that is full at once leaves its calls to whoever has room', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  const calls = rig.calls(4)
  rig.session('a').ready(1)
  t.same(rig.served, ['call 1'])
  rig.session('b').ready()
  t.ok(calls.every(call => call.at !== undefined))
  t.equal(calls[2]!.at, 'b')
})

t.test('calls that waited for an endpoint which is full at once go to one that has had room all along', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  const calls = rig.calls(8)
  rig.session('b').ready()
  rig.session('a').ready(1)
  t.same(shares(calls), { a: 1, b: 7 })
  t.equal(rig.backend.waiting, 0)
})

t.test('the queue has a bound', async t => {
  const rig = new BackendRig({ queue: { maxCalls: 3, timeoutMs: QUEUE_TIMEOUT_MS } })
  const waiting = rig.calls(3)
  const over = rig.call()
  t.same(over.failed, ['queue-full', '3 calls wait already'])
  rig.backend.cancel(waiting[1]!)
  t.equal(rig.call().told, 0, 'one has left')
  rig.session().ready()
  t.same(rig.served, ['call 1', 'call 3', 'call 5'])
})

t.test('a bound of nothing: calls are served only when there is room at once', async t => {
  const rig = new BackendRig({ queue: { maxCalls: 0, timeoutMs: QUEUE_TIMEOUT_MS } })
  t.match(rig.call().failed, ['queue-full'])
  t.equal(rig.dials(), 1, 'but it dials')
  rig.session().ready(1)
  t.equal(rig.call().at, 'a')
})

t.test('each call waits for its own time', async t => {
  const rig = new BackendRig()
  const first = rig.call()
  rig.clock.advance(3_000)
  const second = rig.call()
  rig.clock.advance(1_999)
  t.equal(first.told, 0)
  rig.clock.advance(11)
  t.match(first.failed, ['queue-timeout'])
  t.equal(second.told, 0)
  rig.session().ready()
  t.equal(second.at, 'a')
  rig.clock.advance(10_000)
  t.same([first.told, second.told], [1, 1])
})

t.test('a call that is moved to another endpoint keeps its time', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  const call = rig.call()
  rig.clock.advance(4_000)
  rig.session('a').closed('no')
  t.equal(call.told, 0)
  rig.clock.advance(1_010)
  t.match(call.failed, ['queue-timeout'])
})

t.test('calls that are moved keep their place', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.calls(4) // 1 and 3 wait for a, 2 and 4 for b
  rig.session('a').closed('no')
  rig.session('b').ready()
  t.same(rig.served, ['call 1', 'call 2', 'call 3', 'call 4'], 'in order of arrival')
})

t.test('a call that is cancelled waits no more', async t => {
  const rig = new BackendRig()
  const [one, two, three] = [rig.call(), rig.call(), rig.call()]
  rig.backend.cancel(two)
  rig.backend.cancel(two)
  t.same([rig.backend.waiting, rig.wheel.size], [2, 1], 'one timer serves all')
  rig.session().ready(1)
  rig.backend.cancel(one) // served already: nothing
  one.stream!.close(finish)
  rig.clock.advance(60_000)
  t.same([one.told, two.told, three.told], [1, 0, 1])
  t.equal(three.at, 'a')
  t.same([rig.wheel.size, rig.clock.pending], [0, 0])
})

t.test('GOAWAY: the session gets no new call and its streams run on', async t => {
  const rig = new BackendRig()
  rig.warm()
  const old = rig.session()
  const before = rig.call()
  old.goaway()
  const after = rig.call()
  t.equal(rig.dials(), 2)
  t.equal(after.told, 0)
  rig.session().ready()
  t.equal(after.lease!.session, rig.session())
  t.equal(before.stream!.over, false)
  t.equal(old.destroys, 0)
  t.equal(rig.backend.endpoints[0]!.sessionCount, 2)
  t.equal(rig.backend.endpoints[0]!.streamCount, 2)
  before.stream!.close(finish)
  old.closed('bye')
  t.equal(rig.backend.endpoints[0]!.sessionCount, 1)
  t.equal(rig.backend.endpoints[0]!.state, 'ready')
  t.equal(rig.backend.endpoints[0]!.failing, false)
})

t.test('calls wait for a stream, and the session goes away: another is dialled for them', async t => {
  for (const how of ['lost', 'GOAWAY'] as const) {
    const rig = new BackendRig()
    rig.call()
    rig.session().ready(1)
    const waiting = rig.call()
    t.equal(waiting.told, 0)
    if (how === 'lost') rig.session().closed('the endpoint closed the connection')
    else rig.session().goaway()
    t.equal(rig.dials(), 2, how)
    rig.clock.advance(1_300)
    t.equal(rig.dials(), 2, `${how}: not even after a backoff`)
    rig.backend.close()
  }
})

t.test('waits of some milliseconds go by the clock itself, not by one that is read once in a turn', async t => {
  const turnClock = { now: () => 0, after: () => ({ cancel() {} }) }
  const rig = new BackendRig({ sessions: { reserve: 0 }, turnClock })
  rig.warm(1)
  rig.clock.advance(1_000)
  const [first] = rig.calls(1)
  first!.cancel()
  first!.stream!.close({ kind: 'clean' })
  const second = rig.call()
  t.equal(second.at, undefined, 'the backend may still count the stream that was reset')
  // By a clock that stands still it would be kept for ever, and by one that is late given away too soon.
  rig.clock.advance(100)
  rig.clock.advance(100)
  t.equal(second.at, 'a')
})
