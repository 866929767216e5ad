/** What bounds hedging: the budget, memory, room at the backend, and the end of the call. */
import t from 'tap'
import { Client } from '../../src/backend/client-share.ts'
import { Relay } from '../../src/call/relay.ts'
import { FakeStream } from '../support/fake-transport.ts'
import { answers, delay, fails, hedging, held, misuse, settle, tokens } from './hedge-rig.ts'
import { failed, previous } from './policy-retry-rig.ts'
import { type CallRig, CLIENT_CANCELS, lost, NOTHING_LEFT, RESPONSE, request, TRAILERS } from './rig.ts'

t.test('while pushback has it wait: what the client sends is kept, and its window stays closed', async t => {
  const rig = hedging()
  const { down } = rig.open()
  down.data('one ')
  fails(rig.up, { 'grpc-retry-pushback-ms': '50' })
  const { released } = down
  down.data('two', true)
  t.equal(down.released, released)
  t.equal(rig.backend.shared.retries, 1, 'a backend that is being retired waits for it')
  delay(rig, 50)
  t.same([rig.up.body, rig.up.endSent, down.released], ['one two', true, 7])
})

t.test('the budget: failures take tokens, and at half of them no attempt is added', async t => {
  const budget = { maxTokens: 4, tokenRatio: 0.5 }
  const rig = hedging({ budget })
  for (let i = 0; i < 2; i++) {
    const { down } = rig.open(request(), true)
    fails(rig.up)
    answers(rig.up)
    down.settle()
  }
  t.equal(tokens(rig, budget), 3)
  const failing = rig.open(request(), true)
  const count = rig.ups.length
  fails(rig.up)
  t.equal(rig.ups.length, count, 'two are left: it is not tried again')
  t.equal(failing.down.sent.length, 1)
  rig.open(request(), true)
  delay(rig)
  t.equal(rig.ups.length, count + 1, 'the first attempt is always made')
  t.same([...rig.backend.shared.measures.endedRetries], [['budget', 2]])
})

t.test('all hang: few are in flight, what ends at the deadline counts as failed, and then there are none', async t => {
  const budget = { maxTokens: 20, tokenRatio: 0.1 }
  const rig = hedging({ budget }, { timeoutMs: 1_000, silent: true })
  const round = (): number => {
    const before = rig.ups.length
    const calls = Array.from({ length: 20 }, () => rig.open(request(), true))
    delay(rig)
    const hedges = rig.ups.length - before - calls.length
    t.same(held(rig), [hedges, hedges])
    rig.clock.advance(1_000)
    for (const { down } of calls) settle(rig, down)
    return hedges
  }
  t.equal(round(), 8, 'as many as may fail are ten, and some of them are for other clients')
  t.equal(tokens(rig, budget), 12)
  t.equal(round(), 8)
  t.equal(round(), 0)
  t.equal(rig.context.live.size, 0)
})

t.test('calls whose client leaves take nothing of what all clients may have', async t => {
  const rig = hedging({ budget: { maxTokens: 4, tokenRatio: 0.1 } })
  for (let i = 0; i < 10; i++) {
    const { down } = rig.open(request(), true)
    delay(rig)
    t.equal(rig.ups.length, 2 * (i + 1))
    down.close(CLIENT_CANCELS)
    t.same(
      rig.ups.slice(-2).map(up => up.resetWith),
      [8, 8],
    )
    settle(rig, down)
  }
  t.same([rig.left, held(rig)], [NOTHING_LEFT, [0, 0]])
})

t.test('a client whose calls all hang leaves room for the further attempts of others', async t => {
  const rig = hedging({ budget: { maxTokens: 20, tokenRatio: 0.1 } }, { silent: true })
  for (let i = 0; i < 20; i++) rig.open(request(), true)
  delay(rig)
  t.equal(rig.ups.length, 28)
  const other = new Relay(rig.context, new FakeStream(), rig.downSession, new Client())
  other.onHeaders(request(), true)
  delay(rig)
  t.equal(rig.ups.length, 30, 'its call, and that once more')
})

t.test('calls that give the backend little time take nothing of it either', async t => {
  const budget = { maxTokens: 4, tokenRatio: 0.1 }
  const rig = hedging({ budget }, { silent: true })
  for (let i = 0; i < 10; i++) {
    const { down } = rig.open(request({ 'grpc-timeout': '150m' }), true)
    delay(rig)
    t.equal(rig.ups.length, 2 * (i + 1))
    rig.clock.advance(100)
    settle(rig, down)
  }
  t.equal(tokens(rig, budget), 4)
})

t.test('the breaker: only so many calls are sent again at a time', async t => {
  const rig = hedging({ maxAttempts: 3 }, { breaker: { maxRetries: 1 } })
  const calls = [rig.open(request(), true), rig.open(request(), true)]
  delay(rig)
  t.equal(rig.ups.length, 3)
  t.equal(rig.backend.shared.measures.deniedRetries, 1)
  answers(rig.ups[0]!)
  answers(rig.ups[1]!)
  for (const { down } of calls) settle(rig, down)
  t.same(held(rig), [0, 0])
})

t.test('more of the request than is kept: it goes on with what there is, and is not sent again', async t => {
  const rig = hedging({ maxAttempts: 5 }, { replayBytes: 10 })
  const { down } = rig.open()
  down.data('12345')
  fails(rig.ups[0]!)
  fails(rig.ups[1]!)
  t.equal(rig.ups.length, 3)
  down.data('6789012345', true)
  t.same([rig.up.body, rig.up.endSent, down.released], ['123456789012345', true, 15])
  delay(rig)
  t.equal(rig.ups.length, 3)
  fails(rig.up)
  t.equal(down.sent.length, 1, 'it is not tried again')
  settle(rig, down)
  t.same([rig.left, held(rig), misuse(rig)], [NOTHING_LEFT, [0, 0], []])
})

t.test('whatever ends the call ends all of its attempts', async t => {
  const ends: [string, (rig: CallRig, down: FakeStream) => void][] = [
    ['the client leaves', (_, down) => down.close(CLIENT_CANCELS)],
    ['its connection is lost', (_, down) => down.close(lost())],
    ['the grace of a drain is over', rig => rig.context.live.abortAll()],
    ['its time is over', rig => rig.clock.advance(5_000)],
  ]
  for (const [what, end] of ends) {
    for (const attempts of [1, 2, 3]) {
      const rig = hedging({ maxAttempts: 4 }, { timeoutMs: 3_000 })
      const { down } = rig.open(request(), true)
      for (let i = 1; i < attempts; i++) delay(rig)
      t.equal(rig.ups.length, attempts)
      end(rig, down)
      t.ok(
        rig.ups.slice(0, attempts).every(up => up.resetWith === 8),
        what,
      )
      settle(rig, down)
      t.same([rig.left, held(rig)], [NOTHING_LEFT, [0, 0]], what)
    }
  }
})

t.test('an attempt without room waits, and goes with its call', async t => {
  for (const answered of [true, false]) {
    const rig = hedging()
    rig.session.settings(1)
    const { down } = rig.open(request(), true)
    delay(rig)
    t.same([rig.ups.length, rig.backend.waiting], [1, 1])
    if (answered) answers(rig.up)
    else down.close(CLIENT_CANCELS)
    t.equal(rig.backend.waiting, 0)
    settle(rig, down)
    t.same([rig.left, held(rig), rig.ups.length], [NOTHING_LEFT, [0, 0], 1])
  }
})

t.test('an attempt that finds no place in the queue is none, and the call goes on with the others', async t => {
  const rig = hedging({}, { queue: { maxCalls: 0, timeoutMs: 1_000 } })
  rig.session.settings(1)
  const { down } = rig.open(request(), true)
  delay(rig)
  t.same([rig.ups.length, down.sent], [1, []])
  answers(rig.up)
  settle(rig, down)
  t.match(rig.record, { status: 0, retries: 0 })
  t.same([rig.left, held(rig)], [NOTHING_LEFT, [0, 0]])
})

t.test('after one that found no place the next begins after the delay again', async t => {
  const rig = hedging({ maxAttempts: 3 }, { queue: { maxCalls: 0, timeoutMs: 1_000 } })
  rig.session.settings(1)
  const { down } = rig.open(request(), true)
  delay(rig)
  t.equal(rig.ups.length, 1)
  rig.session.settings(2)
  delay(rig)
  t.equal(rig.ups.length, 2)
  t.same(previous(rig.up), ['1'], 'one was sent before')
  answers(rig.up)
  settle(rig, down)
  t.same(
    [...rig.backend.shared.measures.hedges],
    [
      ['unsent', 1],
      ['answered', 1],
    ],
  )
  t.same([rig.left, held(rig)], [NOTHING_LEFT, [0, 0]])
})

t.test('a whole answer that waits for its client holds its room, and gives it up where others need that', async t => {
  const rig = hedging()
  const { down } = rig.open(request(), true)
  delay(rig)
  const { up } = rig
  up.headers(RESPONSE)
  down.writable = false
  down.queuedBytes = 6
  up.data('answer')
  up.trailers(TRAILERS)
  t.same([up.owner!.waitingBytes, up.released], [6, 0])
  up.owner!.onOverdue!()
  t.equal(down.resetWith, 11)
  settle(rig, down)
  t.equal(up.released, 6)
  t.same([rig.left, held(rig)], [NOTHING_LEFT, [0, 0]])
})

t.test('the last failure is the answer where the next attempt finds no session', async t => {
  const rig = hedging({}, { queue: { maxCalls: 10, timeoutMs: 1_000 } })
  const { down } = rig.open()
  down.data('some')
  rig.session.settings(0)
  const answer = failed(14, { 'grpc-message': 'said by the backend' })
  rig.up.headers(answer, true)
  t.same(down.sent, [])
  rig.clock.advance(1_100)
  t.same(down.sent, [
    { kind: 'headers', block: answer, endStream: true },
    { kind: 'reset', code: 0 },
  ])
  settle(rig, down)
  t.match(rig.record, { status: 14, endedBy: 'backend', message: 'said by the backend' })
  t.same([rig.left, held(rig)], [NOTHING_LEFT, [0, 0]])
})

t.test(
  'an attempt that takes nothing of the request does not hold back the other, and what it holds is counted',
  async t => {
    const rig = hedging({ delayMs: 0 }, { replayBytes: 5_000 })
    const { down } = rig.open()
    const [quick, slow] = rig.ups as [FakeStream, FakeStream]
    slow.writable = false
    const before = rig.context.memory.heldBytes
    down.data('x'.repeat(2_000))
    t.equal(down.released, 2_000)
    t.equal(rig.context.memory.heldBytes - before, 4_000, 'what is kept, and what waits for the slow one')
    quick.writable = false
    down.data('y'.repeat(1_000))
    t.equal(down.released, 2_000, 'none takes more')
    slow.drained()
    t.equal(down.released, 3_000)
    slow.queuedBytes = 1_000
    down.data('z'.repeat(3_000), true)
    t.same([quick.resetWith, slow.resetWith], [undefined, 8], 'more than is kept: the one goes on that has most of it')
    t.equal(quick.body.length, 6_000)
    slow.queuedBytes = 0
    answers(quick)
    settle(rig, down)
    t.same([rig.left, held(rig), rig.context.memory.heldBytes, misuse(rig)], [NOTHING_LEFT, [0, 0], 0, []])
  },
)
