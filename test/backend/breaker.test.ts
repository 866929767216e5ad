/** What all calls together may use of a backend, and that no client gets all of it. */
import t from 'tap'
import { Client } from '../../src/backend/client-share.ts'
import type { FakeSession } from '../support/fake-transport.ts'
import { BackendRig, type Call, QUEUE_TIMEOUT_MS, shares } from './rig.ts'

const finish = { kind: 'clean' } as const

function served(calls: readonly Call[]): number {
  return calls.filter(({ lease }) => lease !== undefined).length
}

function endFirst(calls: readonly Call[]): void {
  calls.find(({ stream }) => stream !== undefined && stream.ended === undefined)!.stream!.close(finish)
}

t.test('more calls than maxCalls: they wait, and each that ends lets one go on', async t => {
  const rig = new BackendRig({ breaker: { maxCalls: 10 } })
  const clients = Array.from({ length: 20 }, () => new Client())
  const calls = clients.map(client => rig.call(undefined, client))
  rig.session().ready()
  t.equal(served(calls), 10, 'ten clients have one each')
  t.equal(rig.backend.waiting, 10)
  for (let ended = 1; ended <= 10; ended++) {
    endFirst(calls)
    t.equal(served(calls), 10 + ended)
    t.equal(rig.backend.shared.streams, 10)
  }
  t.equal(rig.dials(), 1, 'no session is opened for calls that the breaker holds')
})

t.test('a loud client with calls that never end leaves a fifth, and each quiet one finds its part of it', async t => {
  const rig = new BackendRig({ breaker: { maxCalls: 100 } })
  const loud = new Client()
  rig.calls(500, loud)
  rig.session().ready(1_000)
  t.equal(rig.backend.shared.streams, 80)
  const first = rig.calls(10, new Client())
  t.equal(served(first), 3, 'a quarter of its part of the rest')
  const others = Array.from({ length: 12 }, () => rig.calls(5, new Client()))
  t.same(others.map(served), [2, 2, 2, ...Array.from({ length: 9 }, () => 1)], 'each that comes later has something')
  t.equal(rig.backend.shared.streams, 98)
  rig.backend.close()
})

t.test('what the loud client gives back is shared in turns', async t => {
  const rig = new BackendRig({ breaker: { maxCalls: 10 } })
  const [loud, quiet] = [new Client(), new Client()]
  const many = rig.calls(40, loud)
  rig.session().ready()
  const few = rig.calls(10, quiet)
  t.same([served(many), served(few)], [8, 1])
  for (let i = 0; i < 9; i++) endFirst(many)
  t.same(
    [served(many), served(few)],
    [12, 5],
    'the first place makes up for the one that was kept; then each has a turn',
  )
  t.equal(rig.backend.shared.streams, 8)
  rig.backend.close()
})

t.test('calls that waited for the breaker go where the balancer wants them', async t => {
  const rig = new BackendRig({ endpoints: 'abc', breaker: { maxCalls: 15 } })
  rig.warm()
  const calls = rig.calls(12)
  const more = rig.calls(30)
  t.same([served(calls), served(more)], [12, 0])
  for (let i = 0; i < 30; i++) endFirst([...calls, ...more])
  t.same(shares(more), { a: 10, b: 10, c: 10 })
  rig.backend.close()
})

t.test('a call that waits for the breaker in vain is told so, and leaves the queue', async t => {
  const rig = new BackendRig({ breaker: { maxCalls: 1 } })
  rig.call()
  rig.session().ready()
  const second = rig.call()
  rig.clock.advance(QUEUE_TIMEOUT_MS + 20)
  t.same(second.failed, ['queue-timeout', `no place within breaker.maxCalls was free within ${QUEUE_TIMEOUT_MS} ms`])
  t.equal(rig.backend.waiting, 0)
})

t.test('calls beyond maxCalls fill the queue and no more', async t => {
  const rig = new BackendRig({ breaker: { maxCalls: 1 }, queue: { maxCalls: 2, timeoutMs: QUEUE_TIMEOUT_MS } })
  const calls = rig.calls(1)
  rig.session().ready()
  calls.push(...rig.calls(4))
  t.same(
    calls.map(({ failed }) => failed?.[0]),
    [undefined, undefined, undefined, 'queue-full', 'queue-full'],
  )
})

t.test(
  'maxCalls is changed under calls that wait: more go on at once, and none is added while there are too many',
  async t => {
    const rig = new BackendRig({ breaker: { maxCalls: 5 } })
    const calls = rig.calls(20)
    rig.session().ready()
    t.equal(served(calls), 4)
    rig.update({ breaker: { maxCalls: 10 } })
    t.equal(served(calls), 8)
    rig.update({ breaker: { maxCalls: 2 } })
    for (let i = 0; i < 8; i++) {
      t.equal(served(calls), 8, `${8 - i} are open`)
      endFirst(calls)
    }
    t.equal(served(calls), 9)
    rig.update({ breaker: undefined })
    t.equal(served(calls), 20, 'without a breaker')
  },
)

t.test('the places are taken by streams of an endpoint that has left: the next is dialled when they end', async t => {
  const rig = new BackendRig({ breaker: { maxCalls: 1 } })
  const old = rig.call()
  rig.session().ready()
  rig.setEndpoints('b')
  const call = rig.call()
  t.equal(rig.dials('b'), 0)
  old.stream!.close(finish)
  t.equal(rig.dials('b'), 1)
  rig.session('b').ready()
  t.equal(call.at, 'b')
})

t.test('the places are free again, and no endpoint can be reached: who waits is told at once', async t => {
  const rig = new BackendRig({ breaker: { maxCalls: 1 } })
  const old = rig.call()
  rig.session().ready()
  rig.setEndpoints('b')
  const call = rig.call()
  rig.backend.endpoints[0]!.connect()
  rig.session('b').closed('connect ECONNREFUSED')
  t.equal(call.told, 0)
  old.stream!.close(finish)
  t.same(call.failed, ['unreachable', 'b: connect ECONNREFUSED'])
})

t.test('maxSessions: an endpoint that has one gets no more, one that has none always gets one', async t => {
  const rig = new BackendRig({ endpoints: 'abc', sessions: { max: 4, reserve: 0 }, breaker: { maxSessions: 2 } })
  rig.warm(1)
  const calls = rig.calls(10)
  t.same([rig.dials('a'), rig.dials('b'), rig.dials('c')], [1, 1, 1])
  t.same([served(calls), rig.backend.waiting], [3, 7])
  rig.backend.close()
})

t.test('maxSessions is reached: when a session has gone the next one is dialled for those who wait', async t => {
  const rig = new BackendRig({ endpoints: 'ab', sessions: { max: 4, reserve: 0 }, breaker: { maxSessions: 3 } })
  rig.warm(1)
  rig.calls(2)
  const waiting = rig.calls(3)
  const dialled = rig.dials('a') + rig.dials('b')
  t.equal(dialled, 3)
  const third = rig.transport.sessions.at(-1)!
  third.ready(1)
  t.equal(served(waiting), 1)
  const gone = waiting.find(({ lease }) => lease !== undefined)!
  third.goaway()
  t.equal(rig.transport.sessions.length, 4, 'one that only finishes its calls does not count')
  gone.stream!.close(finish)
  rig.backend.close()
})

t.test('one endpoint has used maxSessions up, and loses a session: another endpoint may open its second', async t => {
  const rig = new BackendRig({ endpoints: 'ab', sessions: { max: 2, reserve: 0 }, breaker: { maxSessions: 3 } })
  rig.warm(1)
  const calls = rig.calls(3)
  const grown = rig.transport.sessions[2]!
  grown.ready(1)
  rig.call()
  t.equal(rig.transport.sessions.length, 3)
  t.equal(served(calls), 3)
  const { name } = grown.address
  calls.find(({ lease }) => lease!.session === (grown as FakeSession))!.stream!.close(finish)
  rig.call()
  t.equal(rig.transport.sessions.length, 3, name)
  rig.backend.close()
})

t.test('a client with few calls gets its session in reserve even where maxSessions is reached', async t => {
  const rig = new BackendRig({ breaker: { maxSessions: 1 } })
  const [loud, quiet] = [new Client(), new Client()]
  rig.calls(16, loud)
  rig.session().ready(8)
  const call = rig.call('quiet', quiet)
  t.equal(rig.dials(), 2)
  rig.session().ready(8)
  t.equal(call.lease!.session, rig.session())
  rig.backend.close()
})

t.test('maxRetries: so many at a time are sent again, and a client does not have them all', async t => {
  const rig = new BackendRig({ breaker: { maxRetries: 5 } })
  const [loud, quiet] = [rig.client().shareOf(rig.backend), rig.client().shareOf(rig.backend)]
  t.same(
    [1, 2, 3, 4, 5, 6].map(() => loud.beginRetry()),
    [true, true, true, true, false, false],
  )
  t.same([quiet.beginRetry(), quiet.beginRetry()], [true, false])
  loud.endRetry()
  loud.endRetry()
  t.equal(loud.beginRetry(), true)
  for (let i = 0; i < 3; i++) loud.endRetry()
  quiet.endRetry()
  t.equal(rig.backend.shared.retries, 0)
})
