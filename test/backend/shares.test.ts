/** Clients share a backend: who has little goes before who has much. */
import t from 'tap'
import { Client } from '../../src/backend/client-share.ts'
import { BackendRig, QUEUE_TIMEOUT_MS } from './rig.ts'

const finish = { kind: 'clean' } as const

t.test('clients that wait take turns, whoever came first', async t => {
  const rig = new BackendRig({ sessions: { reserve: 0 } })
  const [loud, quiet, other] = [new Client(), new Client(), new Client()]
  const calls = rig.calls(6, loud)
  rig.call('quiet 1', quiet)
  rig.call('other 1', other)
  rig.call('other 2', other)
  rig.session().ready(1)
  for (let at = calls[0]!; rig.backend.waiting > 0; ) {
    const session = rig.session()
    at.stream ??= session.opened[0]
    session.opened.at(-1)!.close(finish)
  }
  t.same(rig.served, ['call 1', 'quiet 1', 'other 1', 'call 2', 'other 2', ...[3, 4, 5, 6].map(i => `call ${i}`)])
})

t.test('the queue is full of one client: its last call gives way to another client', async t => {
  const rig = new BackendRig({ queue: { maxCalls: 4, timeoutMs: QUEUE_TIMEOUT_MS } })
  const [loud, quiet] = [new Client(), new Client()]
  const calls = rig.calls(4, loud)
  const first = rig.call('quiet 1', quiet)
  t.equal(first.told, 0, 'it waits')
  t.same(calls[3]!.failed, ['client-share', '4 of 4 places in the queue were its own'])
  t.equal(rig.backend.waiting, 4)
  t.match(rig.call('loud again', loud).failed, ['client-share', '3 of 4 places in the queue are its own'])
  rig.call('quiet 2', quiet)
  t.match(calls[2]!.failed, ['client-share'])
  t.match(rig.call('quiet 3', quiet).failed, ['client-share'], 'both have as many')
  t.same(
    calls.map(call => call.told),
    [0, 0, 1, 1],
  )
})

t.test('a queue that is full of calls of one client only: its capacity, not a share', async t => {
  const rig = new BackendRig({ queue: { maxCalls: 2, timeoutMs: QUEUE_TIMEOUT_MS } })
  rig.calls(2)
  t.match(rig.call().failed, ['queue-full'])
})

t.test('a call that is over before the end of the turn is not looked at', async t => {
  const rig = new BackendRig({ turn: 'held' })
  const [one, two] = [rig.call(), rig.call()]
  rig.backend.cancel(one)
  rig.turn.end()
  rig.session().ready()
  rig.turn.end()
  t.same([one.told, two.told], [0, 1])
  t.equal(rig.session().opened.length, 1)
})

t.test('streams that never end: who has few finds room in reserve, who has many does not', async t => {
  const rig = new BackendRig()
  const [loud, quiet, other] = [new Client(), new Client(), new Client()]
  rig.calls(16, loud)
  rig.session().ready(8)
  t.equal(rig.dials(), 1, 'for the loud one there are no more')
  const first = rig.call('quiet 1', quiet)
  t.same([first.told, rig.dials()], [0, 2], 'a session in reserve')
  rig.session().ready(8)
  t.equal(first.lease!.session, rig.session())
  t.equal(rig.backend.waiting, 8, 'all of the loud one')
  const more = rig.calls(4, quiet)
  t.same(
    more.map(call => call.told),
    [1, 0, 0, 0],
    'who has its part leaves the rest to others',
  )
  t.equal(rig.call('other 1', other).told, 1)
  for (const { stream } of [first, more[0]!]) stream!.close(finish)
  t.equal(rig.dials(), 2)
})

t.test('who waits for a part of the reserve gets it as soon as a call of its own ends there', async t => {
  const rig = new BackendRig()
  const [loud, quiet] = [new Client(), new Client()]
  rig.calls(16, loud)
  rig.session().ready(8)
  const first = rig.call('quiet 1', quiet)
  rig.session().ready(8)
  const second = rig.call('quiet 2', quiet)
  const third = rig.call('quiet 3', quiet)
  t.same([first.told, second.told, third.told], [1, 1, 0], 'it has its part, though the session has room')
  first.stream!.close(finish)
  t.equal(third.lease?.session, rig.session())
  const fourth = rig.call('quiet 4', quiet)
  t.equal(fourth.told, 0)
  rig.backend.close()
})

t.test('who waits for a part of the reserve gets it when there are fewer clients to share it with', async t => {
  const rig = new BackendRig({ sessions: { reserve: 2 } })
  const [loud, quiet, other] = [new Client(), new Client(), new Client()]
  rig.calls(16, loud)
  rig.session().ready(8)
  const others = rig.call('other 1', other)
  rig.session().ready(8)
  const calls = [1, 2, 3].map(i => rig.call(`quiet ${i}`, quiet))
  const waiting = calls.find(call => call.told === 0)!
  others.stream!.close(finish)
  t.equal(waiting.lease?.session, rig.session(), 'two are left, of three')
  rig.backend.close()
})

t.test('20 clients, one after the other, each with calls that never end: the next finds room in reserve', async t => {
  const rig = new BackendRig({ sessions: { max: 4 } })
  for (let at = 0; at < 20; at++) {
    const calls = rig.calls(50, new Client())
    // Whatever is dialled for them, is there.
    for (let last = rig.dials() - 1; last < rig.dials(); last = rig.dials()) {
      const session = rig.session()
      if (session.free === 0 && session.streams === 0) session.ready()
    }
    t.ok(
      calls.some(call => call.told > 0),
      `client ${at} has something`,
    )
  }
  t.equal(rig.dials(), 5)
  const victim = rig.call('victim', new Client())
  t.equal(victim.lease?.session, rig.session())
})

t.test(
  'all streams of others were reset and their places are kept: who has a call there finds room in reserve',
  async t => {
    const rig = new BackendRig()
    const [loud, quiet] = [new Client(), new Client()]
    rig.call('open', quiet)
    const left = rig.calls(7, loud)
    rig.session().ready(8)
    for (const call of left) {
      call.seen = true
      call.cancel()
      call.stream!.settle()
    }
    const call = rig.call('quiet', quiet)
    t.equal(rig.dials(), 2)
    rig.session().ready(8)
    t.equal(call.lease!.session, rig.session())
    rig.backend.close()
  },
)

t.test('the place of a stream that was reset is given out once the backend was heard of a while after', async t => {
  const rig = new BackendRig({ sessions: { reserve: 0 } })
  const [first, second] = rig.calls(2)
  rig.session().ready(2)
  const [waiting, other] = rig.calls(2)
  const { lease } = first!
  first!.seen = true
  first!.cancel()
  first!.stream!.settle()
  t.equal(waiting!.told, 0)
  lease!.heard()
  rig.clock.advance(30)
  lease!.heard()
  t.equal(waiting!.told, 0, 'what came may have been on its way')
  rig.clock.advance(30)
  lease!.heard()
  t.equal(waiting!.lease, lease)
  second!.seen = true
  second!.cancel()
  second!.stream!.settle()
  rig.clock.advance(150)
  t.equal(other!.told, 0)
  rig.clock.advance(100)
  t.equal(other!.lease, lease, 'or after a fifth of a second of silence')
  t.equal(rig.wheel.size, 0)
})

t.test('a session in reserve is closed when nobody has used it for a while', async t => {
  const rig = new BackendRig()
  const [loud, quiet] = [new Client(), new Client()]
  rig.calls(4, loud)
  rig.session().ready(4)
  const call = rig.call('quiet', quiet)
  const reserve = rig.session()
  reserve.ready(4)
  rig.clock.advance(120_010)
  t.equal(reserve.retired, 0, 'it has a call')
  call.stream!.close(finish)
  rig.clock.advance(120_010)
  t.equal(reserve.retired, 1)
  reserve.closed('retired')
  t.equal(rig.backend.endpoints[0]!.sessionCount, 1)
  rig.backend.close()
})

t.test('a client whose calls are reset too often gets a session apart, until that is forgotten', async t => {
  const rig = new BackendRig() // 40 at once and 4 a second; a client: 10 and 1
  const [loud, quiet] = [new Client(), new Client()]
  rig.call('first', quiet)
  const shared = rig.session()
  shared.ready()
  for (let i = 0; i < 11; i++) rig.call(`reset ${i}`, loud).cancel()
  const apart = rig.call('apart', loud)
  t.same([apart.told, rig.dials()], [0, 2])
  rig.session().ready(2)
  t.equal(apart.lease!.session, rig.session())
  t.equal(rig.call('quiet', quiet).lease!.session, shared)
  for (let i = 0; i < 100; i++) {
    const call = rig.call(`apart ${i}`, loud)
    call.cancel()
    call.stream!.settle()
  }
  t.equal(
    rig.session().opened.filter(stream => stream.resetWith !== undefined).length,
    100,
    'there its resets are not held back',
  )
  rig.clock.advance(10_000)
  t.equal(rig.call('back', loud).lease!.session, shared)
})

t.test('what may wait for a client is changed: it holds for the clients that there are', async t => {
  const rig = new BackendRig()
  const share = rig.client().shareOf(rig.backend)
  share.held(900)
  t.equal(share.apart, false)
  rig.heldBytes = 500
  share.held(1)
  t.equal(share.apart, true)
  rig.heldBytes = 5_000
  t.equal(share.apart, false)
})

t.test('clients apart: a session each, as far as they go, then the same', async t => {
  const rig = new BackendRig()
  const clients = [new Client(), new Client(), new Client()]
  rig.call()
  rig.session().ready()
  for (const client of clients) {
    client.shareOf(rig.backend).held(2_000)
    rig.call(undefined, client)
    if (rig.dials() < 4) rig.session().ready()
  }
  t.equal(rig.dials(), 3, 'sessions.apart is 2')
  t.same(
    rig.transport.sessions.map(session => session.streams),
    [1, 2, 1],
  )
})

t.test('no session apart can be had: the shared one, as long as no reset waits there', async t => {
  const rig = new BackendRig()
  const loud = new Client()
  rig.call()
  const shared = rig.session()
  shared.ready()
  loud.shareOf(rig.backend).held(2_000)
  const call = rig.call(undefined, loud)
  rig.session().closed('no more connections')
  t.equal(call.lease?.session, shared)
})

t.test('resets on a shared session keep its pace; what waits is mute and may end by itself', async t => {
  const rig = new BackendRig({ resets: { burst: 4, perSecond: 2 }, sessions: { apart: 0 } })
  rig.call()
  rig.session().ready()
  const calls = rig.calls(8)
  calls[0]!.lease!.seen = 9
  for (const call of calls) {
    call.seen = true
    call.cancel()
  }
  const reset = () => calls.filter(call => call.stream!.resetWith !== undefined).length
  t.same([reset(), calls.filter(call => call.stream!.muted).length], [4, 4])
  calls[5]!.stream!.close(finish)
  rig.clock.advance(1_010)
  t.equal(reset(), 6)
  rig.clock.advance(1_010)
  t.equal(reset(), 7, 'one had ended')
  t.equal(rig.wheel.size, 0)
})

t.test('streams of which the program does not know yet: some resets only (h2: 20)', async t => {
  const rig = new BackendRig({ sessions: { apart: 0 } })
  rig.call()
  rig.session().ready()
  const calls = rig.calls(30)
  for (const call of calls) call.cancel()
  t.equal(calls.filter(call => call.stream!.resetWith !== undefined).length, 10)
  for (const call of calls) call.seen = true
  rig.clock.advance(1_000)
  t.equal(calls.filter(call => call.stream!.resetWith !== undefined).length, 30)
})

t.test('a session on which too many resets wait is replaced, and ends when nothing else is on it', async t => {
  const rig = new BackendRig({ sessions: { apart: 0 } })
  const [victim, loud] = [new Client(), new Client()]
  const kept = rig.call('kept', victim)
  const old = rig.session()
  old.ready(200)
  const left = rig.calls(80, loud)
  for (const call of left) call.cancel()
  for (const { stream } of left) stream!.settle()
  t.equal(old.retired, 1)
  const next = rig.call('next', victim)
  t.equal(rig.dials(), 2)
  rig.session().ready()
  t.equal(next.lease!.session, rig.session())
  t.same([old.destroys, kept.stream!.over], [0, false], 'the call of another runs on')
  kept.stream!.close(finish)
  await Promise.resolve()
  t.equal(old.destroys, 1)
  rig.backend.close()
})

t.test(
  'the queue is full of many clients that hold streams: who holds none takes the place of one who does',
  async t => {
    const rig = new BackendRig({ sessions: { reserve: 0 }, queue: { maxCalls: 4, timeoutMs: QUEUE_TIMEOUT_MS } })
    const [one, two, quiet] = [new Client(), new Client(), new Client()]
    rig.calls(2, one)
    rig.calls(2, two)
    rig.session().ready(4)
    const waiting = [...rig.calls(2, one), ...rig.calls(2, two)]
    t.equal(rig.backend.waiting, 4)
    t.same(
      rig.calls(2, quiet).map(call => call.told),
      [0, 0],
      'both wait',
    )
    t.equal(waiting.filter(call => call.failed?.[0] === 'client-share').length, 2)
    t.match(rig.call('quiet 3', quiet).failed, ['client-share'], 'now all have as many')
  },
)
