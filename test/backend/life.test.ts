import t from 'tap'
import { BackendRig } from './rig.ts'

t.test('no calls, no connection', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  t.same([rig.transport.sessions.length, rig.clock.pending], [0, 0])
  t.same(
    rig.backend.endpoints.map(endpoint => endpoint.state),
    ['idle', 'idle'],
  )
})

t.test('the states of an endpoint', async t => {
  const rig = new BackendRig()
  const [endpoint] = rig.backend.endpoints
  const seen = [endpoint!.state]
  const look = () => seen.push(endpoint!.state)
  rig.call()
  look()
  rig.session().closed('no')
  look()
  rig.clock.advance(1_000)
  look()
  rig.call()
  rig.session().ready()
  look()
  rig.session().answered = true
  rig.session().closed('bye')
  look()
  rig.backend.close()
  look()
  t.same(seen, ['idle', 'connecting', 'backoff', 'idle', 'ready', 'idle', 'closed'])
  t.same(rig.events, ['a connect-failed', 'a connected', 'a closed'])
})

t.test('sessions.ready: dialled at the start, one after the other', async t => {
  const rig = new BackendRig({ endpoints: 'ab', sessions: { max: 4, ready: 2 } })
  t.same([rig.dials('a'), rig.dials('b')], [1, 1])
  rig.session('a').ready()
  rig.session('a').ready()
  t.same([rig.dials('a'), rig.dials('b')], [2, 1])
  t.equal(rig.clock.pending, 1, 'only the connect of b is watched')
})

t.test('sessions.ready is never more than sessions.max', async t => {
  const rig = new BackendRig({ sessions: { max: 1, ready: 5 } })
  rig.session().ready()
  t.equal(rig.dials(), 1)
})

t.test('sessions.ready: a failed dial is repeated after its wait, without a call', async t => {
  const rig = new BackendRig({ sessions: { max: 1, ready: 1 } })
  for (const waitMs of [1_000, 1_600]) {
    const dials = rig.dials()
    rig.session().closed('no')
    rig.clock.advance(waitMs - 1)
    t.equal(rig.dials(), dials)
    rig.clock.advance(1)
    t.equal(rig.dials(), dials + 1)
  }
})

t.test('sessions.ready: an endpoint that greets and hangs up is not dialled in a tight loop', async t => {
  const rig = new BackendRig({ sessions: { max: 1, ready: 1 } })
  for (const [i, waitMs] of [1_000, 1_600, 2_560, 4_096].entries()) {
    t.equal(rig.dials(), i + 1)
    rig.session().ready()
    rig.session().closed('bye')
    rig.clock.advance(waitMs - 1)
    t.equal(rig.dials(), i + 1, 'waits')
    rig.clock.advance(1)
  }
})

t.test('sessions.ready: an endpoint that greets, sends GOAWAY and hangs up is not either', async t => {
  const rig = new BackendRig({ sessions: { max: 1, ready: 1 } })
  for (let i = 0; i < 20; i++) {
    const session = rig.session()
    session.ready()
    session.goaway()
    session.closed('bye')
  }
  t.ok(rig.dials() <= 2, `${rig.dials()} dials in no time`)
})

t.test('sessions.ready: a call that comes while the wait runs is not turned away', async t => {
  const rig = new BackendRig({ sessions: { max: 1, ready: 1 } })
  rig.session().ready()
  rig.session().closed('the endpoint restarts')
  const call = rig.call()
  t.same(call.failed, undefined, 'the endpoint has not failed')
})

t.test('close: tells the waiting, ends the sessions, leaves no timer', async t => {
  const rig = new BackendRig({ endpoints: 'abc', sessions: { max: 1, ready: 1 } })
  rig.session('a').ready(0)
  rig.session('b').closed('no')
  const waiting = rig.calls(3)
  t.equal(rig.backend.waiting, 3)
  rig.backend.close()
  for (const call of waiting) t.same(call.failed, ['closed', 'the proxy is shutting down'])
  t.same([rig.backend.waiting, rig.wheel.size, rig.clock.pending], [0, 0, 0])
  t.ok(rig.session('a').destroys >= 1)
  t.equal(rig.session('c').destroys, 1, 'the one that connects, too')
  for (const session of [rig.session('a'), rig.session('c')]) session.closed('destroyed')
  t.same(
    rig.backend.endpoints.map(endpoint => endpoint.sessionCount),
    [0, 0, 0],
  )
  t.same(rig.call().failed, ['closed', 'the proxy is shutting down'])
  rig.clock.advance(600_000)
  t.equal(rig.transport.sessions.length, 3, 'nobody dials again')
})
