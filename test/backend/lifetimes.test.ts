/** How long sessions to an endpoint live: idle time, age, and a peer that does not answer. */
import t from 'tap'
import { KeepalivePace } from '../../src/backend/keepalive-pace.ts'
import { ErrorCode } from '../../src/wire/errors.ts'
import { BackendRig, type RigOptions } from './rig.ts'

const AGE_MS = 100_000
const GRACE_MS = 30_000
const IDLE_MS = 80_000
const KEEPALIVE = { intervalMs: 8_000, timeoutMs: 1_000, withoutCalls: false }
const SILENCE_MS = KEEPALIVE.intervalMs + KEEPALIVE.timeoutMs

/** One endpoint with one session, which has answered a call. */
function warm(options: RigOptions) {
  const rig = new BackendRig(options)
  rig.warm()
  return { rig, session: rig.session() }
}

t.test('nothing is configured: no timer waits', async t => {
  const { rig } = warm({})
  t.equal(rig.clock.pending, 0)
})

t.test('idle', async t => {
  t.test('a session without calls is closed after the time, and never before', async t => {
    const { rig, session } = warm({ sessions: { idleTimeoutMs: IDLE_MS } })
    rig.clock.advance(IDLE_MS - 1)
    t.equal(session.retired, 0)
    rig.clock.advance(1 + IDLE_MS / 8)
    t.equal(session.retired, 1)
    t.same(rig.events.slice(-1), ['a draining'])
    session.closed('bye')
    t.equal(rig.clock.pending, 0, 'no timer is left')
    rig.call()
    t.equal(rig.dials(), 2, 'the next call dials')
  })

  t.test('each call begins the time anew, however short it was', async t => {
    const { rig, session } = warm({ sessions: { idleTimeoutMs: IDLE_MS } })
    for (let i = 0; i < 20; i++) {
      rig.clock.advance(IDLE_MS - 1)
      rig.call().stream!.close({ kind: 'clean' })
    }
    t.equal(session.retired, 0)
  })

  t.test('a call that lasts keeps its session', async t => {
    const { rig, session } = warm({ sessions: { idleTimeoutMs: IDLE_MS } })
    const call = rig.call()
    rig.clock.advance(10 * IDLE_MS)
    t.equal(session.retired, 0)
    call.stream!.close({ kind: 'clean' })
    rig.clock.advance(IDLE_MS - 1)
    t.equal(session.retired, 0)
    rig.clock.advance(1 + IDLE_MS / 8)
    t.equal(session.retired, 1)
  })

  t.test('sessions.ready of them stay, and no more', async t => {
    const { rig } = warm({ sessions: { idleTimeoutMs: IDLE_MS, max: 4, ready: 2 } })
    rig.session().ready()
    rig.backend.endpoints[0]!.connect()
    rig.session().ready()
    t.equal(rig.dials(), 3)
    rig.clock.advance(10 * IDLE_MS)
    const retired = rig.transport.sessions.map(session => session.retired)
    t.equal(retired.filter(times => times > 0).length, 1)
    t.equal(rig.dials(), 3, 'none is dialled for it')
  })

  t.test('an endpoint that is to have a session although no call asks for it keeps one', async t => {
    const { rig, session } = warm({ sessions: { idleTimeoutMs: IDLE_MS } })
    const [endpoint] = rig.backend.endpoints
    endpoint!.redials = true
    rig.clock.advance(10 * IDLE_MS)
    t.equal(session.retired, 0)
    endpoint!.redials = false
    rig.clock.advance(IDLE_MS)
    t.equal(session.retired, 1)
  })

  t.test('a change of the time holds for sessions that are there', async t => {
    const { rig, session } = warm({})
    rig.update({ sessions: { idleTimeoutMs: IDLE_MS } })
    rig.clock.advance(2 * IDLE_MS)
    t.equal(session.retired, 1)
    const other = warm({ sessions: { idleTimeoutMs: IDLE_MS } })
    other.rig.update({ sessions: {} })
    t.equal(other.rig.clock.pending, 0)
  })
})

t.test('age', async t => {
  const sessions = { maxAgeMs: AGE_MS, ageGraceMs: GRACE_MS }

  t.test('with calls: the next one is there before the old one takes no more', async t => {
    const { rig, session } = warm({ sessions })
    const call = rig.call()
    rig.clock.advance(AGE_MS - 1)
    t.equal(rig.dials(), 1)
    rig.clock.advance(1)
    t.same([rig.dials(), session.retired], [2, 0], 'dialled, although sessions.max is 1')
    t.equal(rig.call().lease?.session, session, 'calls go on at the old one')
    const next = rig.session()
    next.ready()
    t.equal(session.retired, 1)
    t.equal(rig.call().lease?.session, next)
    t.equal(call.stream!.over, false)
    rig.clock.advance(GRACE_MS - 1)
    t.equal(session.destroys, 0)
    rig.clock.advance(1)
    t.same([session.destroys, session.destroyedFor], [1, 'the session was too old, and its grace period is over'])
  })

  t.test('its calls end in time: nothing is left to do', async t => {
    const { rig, session } = warm({ sessions })
    const call = rig.call()
    rig.clock.advance(AGE_MS)
    rig.session().ready()
    call.stream!.close({ kind: 'clean' })
    session.closed('drained')
    rig.clock.advance(GRACE_MS)
    t.equal(session.destroys, 0)
    t.equal(rig.backend.open.sessions, 1)
  })

  t.test('calls that come and go count, though none is there at the moment', async t => {
    const { rig, session } = warm({ sessions })
    rig.clock.advance(AGE_MS * 0.95)
    rig.call().stream!.close({ kind: 'clean' })
    rig.clock.advance(AGE_MS * 0.05)
    t.same([rig.dials(), session.retired], [2, 0])
  })

  t.test('without calls lately: it is closed, and none is dialled', async t => {
    const { rig, session } = warm({ sessions })
    rig.clock.advance(AGE_MS)
    t.same([rig.dials(), session.retired], [1, 1])
    session.closed('bye')
    t.equal(rig.clock.pending, 0)
  })

  t.test('sessions.ready: one that is kept is replaced, with calls or without', async t => {
    const { rig, session } = warm({ sessions: { ...sessions, ready: 1 } })
    for (let i = 2; i < 5; i++) {
      rig.clock.advance(AGE_MS)
      t.equal(rig.dials(), i)
      rig.session().ready()
    }
    t.same([session.retired, rig.session().retired], [1, 0])
  })

  t.test('the next one cannot be had: the old one serves, and it is tried again', async t => {
    const { rig, session } = warm({ sessions })
    rig.call()
    rig.clock.advance(AGE_MS)
    for (let i = 2; i < 5; i++) {
      t.equal(rig.dials(), i)
      rig.session().closed('refused')
      t.equal(rig.call().lease?.session, session)
      t.equal(rig.backend.endpoints[0]!.failing, false)
      rig.clock.advance(10_000)
    }
    rig.session().ready()
    t.equal(session.retired, 1)
  })

  t.test('breaker.maxSessions: the next one is dialled all the same, as the old one goes for it', async t => {
    const { rig, session } = warm({ sessions, breaker: { maxSessions: 1 } })
    rig.call()
    rig.clock.advance(AGE_MS)
    t.equal(rig.dials(), 2)
    rig.session().ready()
    t.equal(session.retired, 1)
    rig.call()
    t.equal(rig.dials(), 2)
  })

  t.test('several are too old at the same time: one after the other, and calls have room all the time', async t => {
    const { rig } = warm({ sessions: { ...sessions, max: 3, ready: 3 } })
    rig.session().ready()
    rig.session().ready()
    const old = [...rig.transport.sessions]
    rig.calls(3)
    rig.clock.advance(AGE_MS)
    for (let i = 1; i <= 3; i++) {
      t.equal(rig.dials(), 3 + i)
      t.ok(rig.call().lease !== undefined)
      rig.session().ready()
      t.equal(old.filter(session => session.retired > 0).length, i)
    }
    t.equal(rig.dials(), 6)
  })

  t.test('the age of each is another, within a tenth', async t => {
    const early = new BackendRig({ sessions })
    early.chance = 0
    early.warm()
    early.call()
    early.clock.advance(0.9 * AGE_MS)
    t.equal(early.dials(), 2)
    const late = new BackendRig({ sessions })
    late.chance = 0.999
    late.warm()
    late.call()
    late.clock.advance(1.09 * AGE_MS)
    t.equal(late.dials(), 1)
  })

  t.test('GOAWAY came before its time: nothing happens at its age', async t => {
    const { rig, session } = warm({ sessions })
    rig.call()
    session.goaway()
    rig.clock.advance(10 * AGE_MS)
    t.same([rig.dials(), session.destroys], [1, 0])
  })

  t.test('an age that is set while sessions are open counts from their beginning', async t => {
    const { rig, session } = warm({})
    rig.call()
    rig.clock.advance(AGE_MS - 1)
    rig.update({ sessions })
    rig.clock.advance(AGE_MS / 8)
    t.equal(rig.dials(), 2)
    rig.update({})
    rig.session().ready()
    t.equal(session.retired, 0, 'and it may be taken back')
  })
})

t.test('keepalive', async t => {
  t.test('an endpoint that does not answer: the session ends with its calls, and the next call dials', async t => {
    const { rig, session } = warm({ endpoints: 'a', keepalive: KEEPALIVE })
    rig.call()
    rig.clock.advance(SILENCE_MS - 1)
    t.same([session.pings, session.destroys], [1, 0])
    rig.clock.advance(1)
    t.same([session.destroys, session.destroyedFor], [1, 'no answer to a PING within 1000 ms'])
    t.equal(rig.backend.endpoints[0]!.lastError, 'no answer to a PING within 1000 ms')
    rig.call()
    t.equal(rig.dials(), 2, 'at once: not when the connection is gone at last')
  })

  t.test('calls that come afterwards go to others', async t => {
    const rig = new BackendRig({ endpoints: 'ab', keepalive: KEEPALIVE })
    rig.warm()
    const calls = rig.calls(4)
    rig.clock.advance(KEEPALIVE.intervalMs)
    rig.session('b').received++
    rig.clock.advance(KEEPALIVE.timeoutMs)
    t.same([rig.session('a').destroys, rig.session('b').destroys], [1, 0])
    t.equal(calls.filter(({ at }) => at === 'a').length, 2)
    // One is for the endpoint that is dialled again, which takes unusually long.
    const later = rig.calls(4)
    rig.clock.advance(250)
    t.same(
      later.map(({ at }) => at),
      ['b', 'b', 'b', 'b'],
    )
  })

  t.test('a session that only finishes its calls is asked, too', async t => {
    const { rig, session } = warm({ keepalive: KEEPALIVE })
    rig.call()
    session.goaway()
    rig.clock.advance(SILENCE_MS)
    t.equal(session.destroys, 1)
    session.closed('bye')
    t.equal(rig.clock.pending, 0)
  })

  t.test('too many PINGs: half as often from now on, also at the next session', async t => {
    const { rig, session } = warm({ keepalive: KEEPALIVE })
    const call = rig.call()
    rig.clock.advance(KEEPALIVE.intervalMs)
    t.equal(session.pings, 1)
    session.goaway(ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings')
    t.ok(rig.events.includes('a asked-too-often'))
    call.stream!.close({ kind: 'lost', by: 'peer', unprocessed: false, reason: 'GOAWAY' })
    session.closed('bye')
    rig.call()
    const next = rig.session()
    next.ready()
    rig.clock.advance(2 * KEEPALIVE.intervalMs - 1)
    t.equal(next.pings, 0)
    rig.clock.advance(1)
    t.equal(next.pings, 1)
  })

  t.test('several sessions are told so: the interval is doubled once', async t => {
    const { rig } = warm({ keepalive: KEEPALIVE, sessions: { max: 3, ready: 3 } })
    rig.session().ready()
    rig.session().ready()
    const told = [...rig.transport.sessions]
    for (const session of told) session.streams = 1
    rig.clock.advance(KEEPALIVE.intervalMs)
    for (const session of told) session.goaway(ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings')
    rig.backend.endpoints[0]!.connect()
    const next = rig.session()
    next.ready()
    next.streams = 1
    rig.clock.advance(2 * KEEPALIVE.intervalMs)
    t.equal(next.pings, 1)
  })

  t.test('other reasons to be calm, and a session that has not asked: the interval stays', async t => {
    const { rig, session } = warm({ keepalive: KEEPALIVE })
    session.goaway(ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings')
    rig.call()
    rig.session().ready()
    rig.clock.advance(KEEPALIVE.intervalMs)
    const next = rig.session()
    t.equal(next.pings, 1)
    next.goaway(ErrorCode.ENHANCE_YOUR_CALM, 'too_many_resets')
    t.notOk(rig.events.includes('a asked-too-often'))
  })

  t.test('the interval has a bound; one that is longer stays as it was configured', async t => {
    const pace = new KeepalivePace({ ...KEEPALIVE, intervalMs: 300_000 })
    for (let i = 0; i < 20; i++) pace.slowDown(pace.intervalMs)
    t.equal(pace.intervalMs, 7_200_000)
    const long = new KeepalivePace({ ...KEEPALIVE, intervalMs: 80_000_000 })
    long.slowDown(long.intervalMs)
    t.equal(long.intervalMs, 80_000_000)
  })

  t.test('a change of settings: other intervals hold at once, the same ones keep what the endpoint said', async t => {
    const { rig, session } = warm({ keepalive: KEEPALIVE })
    rig.call()
    rig.update({ keepalive: { ...KEEPALIVE, intervalMs: 2_000 } })
    rig.clock.advance(2_000)
    t.equal(session.pings, 1)
    session.goaway(ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings')
    rig.update({ keepalive: { ...KEEPALIVE, intervalMs: 2_000 }, queue: { maxCalls: 5, timeoutMs: 1 } })
    rig.call()
    rig.session().ready()
    rig.clock.advance(2_000)
    t.equal(rig.session().pings, 0)
    rig.update({ keepalive: undefined })
    rig.clock.advance(100_000)
    t.equal(rig.session().pings, 0)
  })
})
