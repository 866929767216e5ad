/** Retries that a policy asks for (gRFC A6), and the rules of that, one by one. */
import t from 'tap'
import { definePolicy } from '../../src/routing/policy.ts'
import type { RetryPolicy } from '../../src/routing/retry-policy.ts'
import { block, type FakeStream } from '../support/fake-transport.ts'
import { answers, BACKOFF_MS, failed, previous, rigWith, TICKS_MS, UNAVAILABLE } from './policy-retry-rig.ts'
import {
  type CallRig,
  CLEAN,
  CLIENT_CANCELS,
  lost,
  NOTHING_LEFT,
  ownAnswer,
  RESPONSE,
  request,
  resetByPeer,
  TRAILERS,
} from './rig.ts'

function budgetOf(rig: CallRig): number {
  return rig.backend.shared.budgets!.of({ maxTokens: 100, tokenRatio: 0.1 }).tokens
}

t.test(
  'a status of the policy, headers alone: sent again after a while, the same to the byte; the client hears nothing',
  async t => {
    const rig = rigWith()
    const { down } = rig.open()
    down.data('hello ')
    down.data('world', true)
    answers(rig.up)
    t.equal(rig.ups.length, 1)
    rig.clock.advance(BACKOFF_MS - 1)
    t.equal(rig.ups.length, 1)
    rig.clock.advance(1 + TICKS_MS)
    t.equal(rig.ups.length, 2)
    t.same([rig.up.body, rig.up.endSent, previous(rig.ups[0]!), previous(rig.up)], ['hello world', true, [], ['1']])
    t.same(down.sent, [])
    rig.up.headers(RESPONSE)
    rig.up.trailers(TRAILERS)
    rig.up.settle()
    down.settle()
    t.match(rig.record, { retries: 1, status: 0, endedBy: 'backend', reason: '' })
    t.same([rig.left, rig.backend.shared.retries], [NOTHING_LEFT, 0])
    t.equal(budgetOf(rig), 99.1)
    t.same([...rig.backend.shared.measures.retries], [['status', 1]])
    t.same(
      rig.ups.flatMap(up => up.misuse),
      [],
    )
  },
)

t.test('each wait is longer, up to a most; the last answer goes to the client as it came', async t => {
  const rig = rigWith({ maxAttempts: 5, multiplier: 3, maxBackoffMs: 500 })
  const { down } = rig.open(request({ 'grpc-previous-rpc-attempts': '2' }), true)
  for (const [i, waitMs] of [100, 300, 500, 500].entries()) {
    answers(rig.up)
    rig.clock.advance(waitMs - 1)
    t.equal(rig.ups.length, i + 1, `no attempt before ${waitMs}`)
    rig.clock.advance(1 + TICKS_MS)
    t.equal(rig.ups.length, i + 2)
    t.same(previous(rig.up), [String(i + 3)], "the client's own attempts count too")
  }
  const last = failed(14, { 'grpc-message': 'so be it' })
  answers(rig.up, last)
  t.same(down.sent, [{ kind: 'headers', block: last, endStream: true }])
  down.settle()
  t.match(rig.record, { retries: 4, status: 14, endedBy: 'backend', message: 'so be it' })
  t.same([...rig.backend.shared.measures.endedRetries], [['attempts', 1]])
  t.same(rig.left, NOTHING_LEFT)
})

t.test('what is answered at once', async t => {
  const rows: [what: string, play: (rig: CallRig, up: FakeStream) => void, denial?: string][] = [
    ['OK', (_, up) => answers(up, failed(0))],
    ['a status that is not of the policy', (_, up) => answers(up, failed(3))],
    [
      'headers, then trailers with the status: the call was committed',
      (_, up) => {
        up.headers(RESPONSE)
        up.trailers(UNAVAILABLE)
      },
    ],
    [
      'headers, then a lost stream',
      (_, up) => {
        up.headers(RESPONSE)
        up.close(lost())
      },
    ],
    ['a reset whose status is not of the policy', (_, up) => up.close(resetByPeer(2))],
    ['pushback: never', (_, up) => answers(up, failed(14, { 'grpc-retry-pushback-ms': '-1' })), 'pushback'],
    ['pushback: no number', (_, up) => answers(up, failed(14, { 'grpc-retry-pushback-ms': 'soon' })), 'pushback'],
    ['pushback: a leading zero', (_, up) => answers(up, failed(14, { 'grpc-retry-pushback-ms': '01' })), 'pushback'],
    [
      'pushback: longer than a call is kept',
      (_, up) => answers(up, failed(14, { 'grpc-retry-pushback-ms': '60001' })),
      'pushback',
    ],
  ]
  for (const [what, play, denial] of rows) {
    const rig = rigWith()
    const { down } = rig.open(request(), true)
    play(rig, rig.up)
    t.not(down.sent.length, 0, what)
    rig.clock.advance(100_000)
    t.equal(rig.ups.length, 1, what)
    t.same([...rig.backend.shared.measures.endedRetries.keys()], denial ? [denial] : [], what)
  }
})

t.test('pushback says when, and the waits begin anew after it', async t => {
  const rig = rigWith({ maxAttempts: 5, multiplier: 10, maxBackoffMs: 10_000 })
  rig.open(request(), true)
  const steps: [pushback: string | undefined, waitMs: number][] = [
    [undefined, 100],
    ['0', 0],
    [undefined, 100],
    ['2500', 2_500],
  ]
  for (const [i, [pushback, waitMs]] of steps.entries()) {
    answers(rig.up, failed(14, pushback === undefined ? {} : { 'grpc-retry-pushback-ms': pushback }))
    rig.clock.advance(Math.max(0, waitMs - 1))
    t.equal(rig.ups.length, i + 1)
    rig.clock.advance(1 + TICKS_MS)
    t.equal(rig.ups.length, i + 2)
  }
})

t.test('a wait of the policy may be longer than one that a backend may ask for', async t => {
  const rig = rigWith({ initialBackoffMs: 90_000, maxBackoffMs: 90_000 })
  rig.open(request(), true)
  answers(rig.up)
  rig.clock.advance(90_000 + TICKS_MS)
  t.equal(rig.ups.length, 2)
})

t.test('a pushback that says never counts as a failure, whatever the status', async t => {
  const rig = rigWith()
  rig.open(request(), true)
  answers(rig.up, failed(3, { 'grpc-retry-pushback-ms': '-1' }))
  t.equal(budgetOf(rig), 99)
})

t.test('an attempt that ends without an answer', async t => {
  for (const end of [lost(), resetByPeer(11), CLEAN]) {
    const rig = rigWith({ codes: ['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'INTERNAL'] })
    const { down } = rig.open(request(), true)
    rig.up.close(end)
    rig.clock.advance(BACKOFF_MS + TICKS_MS)
    t.equal(rig.ups.length, 2)
    answers(rig.up, failed(0))
    down.settle()
    t.match(rig.record, { retries: 1, status: 0 })
    t.same([...rig.backend.shared.measures.retries], [['broken', 1]])
    t.same(rig.left, NOTHING_LEFT)
  }
})

t.test('an answer of HTTP alone: its status by the mapping', async t => {
  for (const [http, attempts] of [
    ['503', 2],
    ['429', 2],
    ['500', 1],
    ['404', 1],
  ] as const) {
    const rig = rigWith()
    rig.open(request(), true)
    answers(rig.up, block({ ':status': http }))
    rig.clock.advance(BACKOFF_MS + TICKS_MS)
    t.equal(rig.ups.length, attempts, http)
  }
})

t.test('transparent retry comes first, and does not count', async t => {
  const rig = rigWith({ maxAttempts: 2 })
  const { down } = rig.open(request(), true)
  rig.up.close(resetByPeer(7))
  t.equal(rig.ups.length, 2, 'at once')
  t.same(previous(rig.up), [])
  answers(rig.up)
  rig.clock.advance(BACKOFF_MS + TICKS_MS)
  t.equal(rig.ups.length, 3)
  t.same(previous(rig.up), ['1'])
  rig.up.close(lost(true))
  t.equal(rig.ups.length, 4, 'a session that goes: at once, also later')
  answers(rig.up)
  t.equal(down.sent.length, 1)
  down.settle()
  t.match(rig.record, { retries: 3, status: 14 })
})

t.test('an attempt that takes too long is reset, and another follows, whatever the codes are', async t => {
  const rig = rigWith({ perAttemptTimeoutMs: 50, maxAttempts: 2 })
  const { down } = rig.open(request(), true)
  rig.clock.advance(50 + TICKS_MS)
  t.equal(rig.up.resetWith, 8)
  rig.ups[0]!.settle()
  rig.clock.advance(BACKOFF_MS + TICKS_MS)
  t.equal(rig.ups.length, 2)
  rig.clock.advance(20)
  t.same(down.sent, [])
  rig.clock.advance(30 + TICKS_MS)
  t.match(ownAnswer(down), { status: '4', token: 'attempt-timeout' })
  down.settle()
  rig.up.settle()
  t.same(rig.left, NOTHING_LEFT)

  const begun = rigWith({ perAttemptTimeoutMs: 50 })
  begun.open(request(), true)
  begun.up.headers(RESPONSE)
  begun.clock.advance(1_000)
  t.equal(begun.up.resetWith, undefined, 'once the response has begun it may take its time')
})

t.test('an attempt whose client has not ended its request takes nothing of what all clients may try', async t => {
  const tokensLeft = (ended: boolean) => {
    const rig = rigWith({ perAttemptTimeoutMs: 50, maxAttempts: 2, budget: { maxTokens: 3, tokenRatio: 0.1 } })
    rig.open(request(), ended)
    rig.clock.advance(50 + TICKS_MS)
    rig.ups[0]!.settle()
    rig.clock.advance(BACKOFF_MS + TICKS_MS)
    rig.clock.advance(50 + TICKS_MS)
    return rig.backend.shared.budgets!.of({ maxTokens: 3, tokenRatio: 0.1 }).allows
  }
  t.equal(tokensLeft(true), false)
  t.equal(tokensLeft(false), true)
})

t.test('the deadline bounds it all', async t => {
  const rig = rigWith({}, { timeoutMs: 150 })
  const { down } = rig.open(request(), true)
  rig.clock.advance(60)
  answers(rig.up)
  t.same([down.kinds, rig.ups.length], [['headers'], 1], 'the time would be over before: the answer goes on')
  t.same([...rig.backend.shared.measures.endedRetries], [['deadline', 1]])

  const within = rigWith({}, { timeoutMs: 150 })
  const call = within.open(request(), true)
  answers(within.up)
  within.clock.advance(BACKOFF_MS + TICKS_MS)
  t.equal(within.ups.length, 2)
  within.clock.advance(50 + TICKS_MS)
  t.match(ownAnswer(call.down), { status: '4', token: 'deadline' })
})

t.test('a request larger than is kept is committed; so is one whose client may hold no more', async t => {
  for (const options of [{ replayBytes: 10 }, { memoryBytes: 5_000 }]) {
    const rig = rigWith({}, options)
    const { down } = rig.open()
    down.data('x'.repeat(2_000), true)
    answers(rig.up)
    t.equal(down.sent.length, 1)
    t.same([...rig.backend.shared.measures.endedRetries], [['request-too-large', 1]])
  }
})

t.test('while it waits: the window of the client stays closed, and what comes is sent with the rest', async t => {
  const rig = rigWith()
  const { down } = rig.open()
  down.data('one ')
  answers(rig.up)
  t.equal(rig.up.resetWith, 8, 'the backend needs no more of the first')
  const released = down.released
  down.data('two')
  t.equal(down.released, released)
  rig.clock.advance(BACKOFF_MS + TICKS_MS)
  t.same([rig.up.body, down.released], ['one two', 7])
})

t.test('while it waits: whatever ends the call leaves nothing', async t => {
  const ends: [string, (rig: CallRig, down: FakeStream) => void][] = [
    ['the client leaves', (_, down) => down.close(CLIENT_CANCELS)],
    ['its connection is lost', (_, down) => down.close(lost())],
    ['the grace of a drain is over', rig => rig.context.live.abortAll()],
    [
      'the backend is closed',
      rig => {
        void rig.backend.close()
        rig.clock.advance(BACKOFF_MS + TICKS_MS)
      },
    ],
  ]
  for (const [what, end] of ends) {
    const rig = rigWith()
    const { down } = rig.open()
    down.data('some')
    answers(rig.up)
    t.equal(rig.wheel.size, 1)
    end(rig, down)
    down.settle()
    for (const up of rig.ups) up.settle()
    t.same([rig.left, rig.backend.shared.retries, rig.ups.length], [NOTHING_LEFT, 0, 1], what)
  }
})

t.test('a backend that cannot be reached is tried again as a policy says', async t => {
  const rig = rigWith({}, { cold: true })
  const { down } = rig.open(request(), true)
  rig.session.closed('connect ECONNREFUSED')
  t.same(down.sent, [])
  rig.clock.advance(BACKOFF_MS + TICKS_MS)
  rig.clock.advance(2 * BACKOFF_MS + TICKS_MS)
  t.match(ownAnswer(down), { status: '14', token: 'unreachable' })
  down.settle()
  t.match(rig.record, { retries: 2 })
  t.same([...rig.backend.shared.measures.retries], [['unreachable', 2]])
})

t.test('a call that an attempt may have had processed is not told to be unprocessed', async t => {
  const rig = rigWith({ maxAttempts: 2 })
  const { down } = rig.open(request(), true)
  answers(rig.up)
  rig.clock.advance(BACKOFF_MS + TICKS_MS)
  rig.up.close(resetByPeer(7))
  t.equal(rig.ups.length, 3)
  rig.up.close(resetByPeer(7))
  t.match(ownAnswer(down), { status: '14', token: 'upstream-refused' })
})

t.test('the breaker: only so many calls are tried again at a time', async t => {
  const rig = rigWith({}, { breaker: { maxRetries: 1 } })
  const first = rig.open(request(), true)
  const second = rig.open(request(), true)
  const [one, two] = rig.ups
  answers(one!)
  answers(two!)
  t.same([first.down.sent.length, second.down.sent.length], [0, 1])
  t.equal(rig.backend.shared.measures.deniedRetries, 1)
})

t.test('policies that are none', async t => {
  const rows: RetryPolicy[] = [
    { maxAttempts: 1 },
    { maxAttempts: 6 },
    { codes: ['OK'] },
    { codes: ['NOPE' as never] },
    { initialBackoffMs: 0 },
    { maxBackoffMs: Number.NaN },
    { multiplier: 0.5 },
    { perAttemptTimeoutMs: 0 },
    { budget: { maxTokens: 0 } },
    { budget: { tokenRatio: 2 } },
  ]
  for (const retry of rows) t.throws(() => definePolicy({ retry }), TypeError, JSON.stringify(retry))
})
