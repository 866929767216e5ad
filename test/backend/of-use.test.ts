/** Endpoints that greet and say goodbye: which of them are dialled again at once, and which are made to wait. */
import t from 'tap'
import { Client } from '../../src/backend/client-share.ts'
import type { FakeSession } from '../support/fake-transport.ts'
import { BackendRig, type Call } from './rig.ts'

const ENDS: Readonly<Record<string, (session: FakeSession) => void>> = {
  'hangs up': session => session.closed('the endpoint closed the connection'),
  'sends GOAWAY and hangs up': session => {
    session.goaway()
    session.closed('bye')
  },
  'sends GOAWAY and stays': session => session.goaway(),
}

for (const [what, end] of Object.entries(ENDS)) {
  t.test(`an endpoint that greets and ${what}: dialled with backoff, however many calls come`, async t => {
    const rig = new BackendRig()
    const failed: Call[] = []
    for (let ms = 0; ms < 10_000; ms += 10) {
      const call = rig.call()
      if (call.told === 0) {
        rig.session().ready()
        end(rig.session())
      }
      if (call.failed !== undefined) failed.push(call)
      rig.clock.advance(10)
    }
    // At once, then after 1.6 s, 2.56 s and 4.1 s.
    t.equal(rig.dials(), 5)
    t.match(failed[0]!.failed, ['unreachable', /^a: /])
    t.ok(rig.events.includes('a connect-failed'), 'and said so')
    rig.clock.advance(10_000)
    const call = rig.call()
    rig.session().ready()
    t.equal(call.at, 'a', 'it is not given up')
  })

  t.test(`an endpoint that ${what} after it answered a call, each time: dialled at once`, async t => {
    const rig = new BackendRig()
    for (let time = 0; time < 20; time++) {
      const call = rig.call()
      t.equal(call.failed, undefined)
      rig.session().ready()
      rig.session().answered = true
      end(rig.session())
      t.equal(rig.dials(), time + 1)
    }
  })

  t.test(`an endpoint that ${what} after a second without a call: dialled at once`, async t => {
    const rig = new BackendRig()
    for (let time = 0; time < 20; time++) {
      const call = rig.call()
      t.equal(call.failed, undefined)
      rig.session().ready()
      rig.clock.advance(1_000)
      end(rig.session())
      t.equal(rig.dials(), time + 1)
    }
  })
}

t.test('an endpoint that is restarted: its sessions of a moment ago are one failure, and cost no wait', async t => {
  const rig = new BackendRig({ sessions: { max: 4 } })
  for (let made = 0; made < 4; made++) {
    rig.call()
    rig.session().ready(1)
    rig.clock.advance(1)
  }
  for (const session of rig.transport.sessions) session.closed('read ECONNRESET')
  const call = rig.call()
  rig.session().ready()
  t.equal(call.at, 'a')
})

t.test('an endpoint of no use does not hold up calls while another lives', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.calls(2)
  rig.session('a').ready()
  rig.session('b').ready()
  for (let time = 0; time < 3; time++) {
    rig.session('a').closed('bye')
    rig.clock.advance(5_000)
    for (const call of rig.calls(4)) t.equal(call.at, 'b')
    rig.session('a').ready()
  }
})

t.test('sessions that were told to go and keep their calls: a bound, and the oldest is ended', async t => {
  const rig = new BackendRig({ sessions: { maxDraining: 3 } })
  for (let time = 0; time < 5; time++) {
    rig.call()
    rig.session().ready()
    rig.session().answered = true
    rig.session().goaway()
  }
  t.same(
    rig.transport.sessions.map(session => session.destroys > 0),
    [true, true, false, false, false],
  )
  const call = rig.call()
  rig.session().ready()
  t.equal(call.at, 'a', 'new calls have a session all the same')
  for (const session of rig.transport.sessions.slice(0, 2)) session.closed('destroyed')
  t.equal(rig.backend.endpoints[0]!.sessionCount, 4)
})

t.test('a session whose stream numbers are used up: retired, and another takes over', async t => {
  const rig = new BackendRig()
  rig.warm()
  const old = rig.session()
  const last = rig.call()
  old.spent()
  t.equal(old.retired, 1)
  const next = rig.call()
  t.equal(rig.dials(), 2, 'at once')
  rig.session().ready()
  t.equal(next.lease!.session, rig.session())
  t.same([old.destroys, last.stream!.over], [0, false], 'its last call runs on')
  last.stream!.close({ kind: 'clean' })
  old.closed('drained')
  t.equal(rig.backend.endpoints[0]!.sessionCount, 1)
})

t.test(
  'a session that calls given up made useless, again and again: no fault of the endpoint, dialled at once',
  async t => {
    const rig = new BackendRig()
    const clients = Array.from({ length: 20 }, () => new Client())
    for (let time = 0; time < 3; time++) {
      const calls = clients.flatMap(client => rig.calls(5, client))
      t.same(
        calls.flatMap(({ failed }) => failed ?? []),
        [],
        'no call fails for what others gave up',
      )
      t.equal(rig.dials(), time + 1)
      const session = rig.session()
      session.ready()
      for (const call of calls) call.cancel()
      t.equal(session.retired, 1)
      rig.clock.advance(10)
    }
  },
)
