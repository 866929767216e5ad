/** Hedging (gRFC A6, "Hedging Policy"), and the rules of that, one by one. */
import t from 'tap'
import type { HedgePolicy } from '../../src/routing/hedge-policy.ts'
import { definePolicy } from '../../src/routing/policy.ts'
import type { FakeStream } from '../support/fake-transport.ts'
import { answers, DELAY_MS, delay, fails, headed, hedging, held, misuse, settle, tokens } from './hedge-rig.ts'
import { failed, previous, TICKS_MS, UNAVAILABLE } from './policy-retry-rig.ts'
import { lost, NOTHING_LEFT, ownAnswer, RESPONSE, request, resetByPeer, TRAILERS } from './rig.ts'

t.test('no answer within the delay: the same request once more, and the first answer is the answer', async t => {
  for (const wins of [0, 1]) {
    const rig = hedging()
    const { down } = rig.open()
    down.data('hello ')
    down.data('world', true)
    rig.clock.advance(DELAY_MS - 1)
    t.equal(rig.ups.length, 1)
    rig.clock.advance(1 + TICKS_MS)
    t.equal(rig.ups.length, 2)
    const [first, second] = rig.ups as [FakeStream, FakeStream]
    t.same([second.body, second.endSent, previous(first), previous(second)], ['hello world', true, [], ['1']])
    t.same(down.sent, [])
    const [winner, loser] = wins === 0 ? [first, second] : [second, first]
    winner.headers(RESPONSE)
    t.equal(loser.resetWith, 8, 'nobody waits for it')
    winner.data('an answer')
    winner.trailers(TRAILERS)
    t.same([down.body, down.kinds], ['an answer', ['headers', 'data', 'trailers']])
    settle(rig, down)
    t.match(rig.record, { retries: 1, status: 0, endedBy: 'backend', reason: '' })
    t.same([rig.left, held(rig), misuse(rig)], [NOTHING_LEFT, [0, 0], []])
    t.equal(winner.released, winner.received)
  }
})

t.test('one by one up to maxAttempts, each a delay after the one before', async t => {
  const rig = hedging({ maxAttempts: 4 })
  const { down } = rig.open(request({ 'grpc-previous-rpc-attempts': '2' }), true)
  rig.clock.advance(5)
  for (let i = 1; i < 4; i++) {
    rig.clock.advance(DELAY_MS - 10)
    t.equal(rig.ups.length, i)
    rig.clock.advance(10)
    t.equal(rig.ups.length, i + 1)
    t.same(previous(rig.up), [String(i + 2)], "the client's own attempts count too")
  }
  rig.clock.advance(10 * DELAY_MS)
  t.equal(rig.ups.length, 4)
  t.same(held(rig), [3, 3])
  answers(rig.ups[2]!)
  t.same(
    rig.ups.map(up => up.resetWith),
    [8, 8, undefined, 8],
  )
  settle(rig, down)
  t.match(rig.record, { retries: 3, status: 0 })
  t.same([...rig.backend.shared.measures.retries], [['hedged', 3]])
  t.same([rig.left, held(rig)], [NOTHING_LEFT, [0, 0]])
})

t.test('delay 0: all at once; all answer at once', async t => {
  const rig = hedging({ maxAttempts: 5, delayMs: 0 })
  const { down } = rig.open(request(), true)
  t.equal(rig.ups.length, 5)
  const [first, ...others] = rig.ups
  first!.headers(RESPONSE)
  for (const up of others) {
    // They were on their way already.
    up.headers(RESPONSE)
    up.data('too late')
    up.trailers(TRAILERS)
  }
  first!.trailers(TRAILERS)
  t.same(down.kinds, ['headers', 'trailers'])
  settle(rig, down)
  for (const up of others) t.equal(up.released, up.received, 'its window is not kept')
  t.same([rig.left, held(rig), misuse(rig)], [NOTHING_LEFT, [0, 0], []])
})

t.test('a backend that waits for its client is not slow: the delay counts from the last data that came', async t => {
  const rig = hedging()
  const { down } = rig.open()
  for (let i = 0; i < 20; i++) {
    down.data('.')
    rig.clock.advance(DELAY_MS / 2)
  }
  t.equal(rig.ups.length, 1)
  delay(rig, DELAY_MS / 2)
  t.equal(rig.ups.length, 2)
  down.data('and more', true)
  t.same(
    rig.ups.map(up => [up.body, up.endSent]),
    [0, 1].map(() => [`${'.'.repeat(20)}and more`, true]),
    'what comes goes to both',
  )
  answers(rig.ups[1]!)
  settle(rig, down)
  t.same([rig.left, held(rig), misuse(rig)], [NOTHING_LEFT, [0, 0], []])
})

t.test('a status that is not fatal: the next at once, and then after the delay again', async t => {
  const rig = hedging({ maxAttempts: 4, nonFatalCodes: ['UNAVAILABLE', 'INTERNAL'] })
  const { down } = rig.open(request(), true)
  rig.clock.advance(30)
  fails(rig.ups[0]!)
  t.equal(rig.ups.length, 2)
  rig.clock.advance(DELAY_MS - TICKS_MS)
  t.equal(rig.ups.length, 2)
  rig.clock.advance(2 * TICKS_MS)
  t.equal(rig.ups.length, 3)
  fails(rig.ups[1]!, {}, 13)
  t.equal(rig.ups.length, 4)
  t.same(down.sent, [])
  fails(rig.ups[3]!)
  t.same(down.sent, [], 'one has not said anything')
  answers(rig.ups[2]!)
  settle(rig, down)
  t.match(rig.record, { retries: 3, status: 0 })
  t.equal(tokens(rig), 97.1)
  t.same(
    [...rig.backend.shared.measures.retries],
    [
      ['status', 2],
      ['hedged', 1],
    ],
  )
  t.same([rig.left, held(rig), misuse(rig)], [NOTHING_LEFT, [0, 0], []])
})

t.test('a status that is not fatal before the request has ended: what comes goes to the next', async t => {
  const rig = hedging()
  const { down } = rig.open()
  down.data('half ')
  fails(rig.ups[0]!)
  t.equal(rig.ups[0]!.resetWith, 8, 'it needs no more of it')
  down.data('and half', true)
  t.equal(rig.up.body, 'half and half')
  answers(rig.up)
  settle(rig, down)
  t.same([rig.left, misuse(rig)], [NOTHING_LEFT, []])
})

t.test('all fail: the last answer goes to the client as it came', async t => {
  const rig = hedging({ maxAttempts: 3, delayMs: 0 })
  const { down } = rig.open(request(), true)
  fails(rig.ups[1]!)
  fails(rig.ups[0]!)
  t.same(down.sent, [])
  const last = failed(14, { 'grpc-message': 'so be it' })
  rig.ups[2]!.headers(last, true)
  t.same(down.sent, [{ kind: 'headers', block: last, endStream: true }])
  settle(rig, down)
  t.match(rig.record, { retries: 2, status: 14, endedBy: 'backend', message: 'so be it' })
  t.equal(tokens(rig), 97)
  t.same([...rig.backend.shared.measures.endedRetries], [['attempts', 1]])
  t.same([rig.left, held(rig)], [NOTHING_LEFT, [0, 0]])
})

t.test('what ends the call at once, and resets the other attempt', async t => {
  const rows: [what: string, play: (up: FakeStream) => void][] = [
    ['OK alone', up => fails(up, {}, 0)],
    ['a status that is fatal', up => fails(up, {}, 3)],
    ['headers, whatever the trailers say', up => headed(up, () => up.trailers(UNAVAILABLE))],
    ['headers, then a lost stream', up => headed(up, () => up.close(lost()))],
    ['a reset whose status is fatal', up => up.close(resetByPeer(2))],
  ]
  for (const [what, play] of rows) {
    const rig = hedging({ maxAttempts: 3 })
    const { down } = rig.open(request(), true)
    delay(rig)
    play(rig.ups[1]!)
    t.not(down.sent.length, 0, what)
    t.equal(rig.ups[0]!.resetWith, 8, what)
    rig.clock.advance(10_000)
    t.equal(rig.ups.length, 2, what)
    settle(rig, down)
    t.same([rig.left, held(rig)], [NOTHING_LEFT, [0, 0]], what)
  }
})

t.test('an attempt that ends without an answer, as its status says', async t => {
  const rig = hedging({ maxAttempts: 3 })
  const { down } = rig.open(request(), true)
  rig.ups[0]!.close(lost())
  t.equal(rig.ups.length, 2, 'a lost session is UNAVAILABLE')
  delay(rig)
  rig.ups[1]!.close(lost())
  t.same([rig.ups.length, down.sent], [3, []])
  rig.ups[2]!.close(lost())
  t.match(ownAnswer(down), { status: '14', token: 'upstream-lost' })
  settle(rig, down)
  t.match(rig.record, { retries: 2, reason: 'upstream-lost', endedBy: 'backend' })
  t.same([rig.left, held(rig)], [NOTHING_LEFT, [0, 0]])
})

t.test('pushback: never', async t => {
  for (const pushback of ['-1', 'soon', '', '01', '60001']) {
    const rig = hedging({ maxAttempts: 4 })
    const { down } = rig.open(request(), true)
    delay(rig)
    fails(rig.ups[1]!, { 'grpc-retry-pushback-ms': pushback })
    t.same(down.sent, [], 'the first may still answer')
    rig.clock.advance(10 * DELAY_MS)
    t.equal(rig.ups.length, 2, pushback)
    t.same([...rig.backend.shared.measures.endedRetries], [['pushback', 1]])
    answers(rig.ups[0]!)
    settle(rig, down)
    t.match(rig.record, { status: 0 })
    t.same([rig.left, held(rig)], [NOTHING_LEFT, [0, 0]])
  }
  const fatal = hedging()
  fatal.open(request(), true)
  fails(fatal.up, { 'grpc-retry-pushback-ms': '-1' }, 3)
  t.equal(tokens(fatal), 99, 'it counts as a failure, whatever the status')
})

t.test('pushback: the next after that time, and then after the delay again', async t => {
  for (const others of [false, true]) {
    const rig = hedging({ maxAttempts: 4 })
    const { down } = rig.open(request(), true)
    if (others) delay(rig)
    const count = rig.ups.length
    fails(rig.up, { 'grpc-retry-pushback-ms': '450' })
    rig.clock.advance(450 - TICKS_MS)
    t.equal(rig.ups.length, count)
    t.same(down.sent, [])
    rig.clock.advance(2 * TICKS_MS)
    t.equal(rig.ups.length, count + 1)
    delay(rig)
    t.equal(rig.ups.length, count + 2)
    answers(rig.up)
    settle(rig, down)
    t.same([rig.left, held(rig)], [NOTHING_LEFT, [0, 0]])
  }
})

t.test('pushback: no more, while another waits for its time: that is not sent either', async t => {
  for (const [pushback, timeoutMs] of [
    ['-1', undefined],
    ['5000', 3_000],
  ] as const) {
    const rig = hedging({ maxAttempts: 4 }, { timeoutMs })
    const { down } = rig.open(request(), true)
    delay(rig)
    fails(rig.ups[0]!, { 'grpc-retry-pushback-ms': '450' })
    t.same([rig.ups.length, down.sent], [2, []])
    const last = failed(14, { 'grpc-retry-pushback-ms': pushback })
    rig.ups[1]!.headers(last, true)
    t.same(down.sent, [{ kind: 'headers', block: last, endStream: true }], 'there is nothing to wait for')
    rig.clock.advance(1_000)
    t.equal(rig.ups.length, 2)
    settle(rig, down)
    t.same([rig.left, held(rig)], [NOTHING_LEFT, [0, 0]])
  }
})

t.test('a call that an attempt may have had processed is not told to be unprocessed', async t => {
  const rig = hedging()
  const { down } = rig.open(request(), true)
  fails(rig.ups[0]!)
  rig.ups[1]!.close(resetByPeer(7))
  rig.ups[2]!.close(resetByPeer(7))
  t.match(ownAnswer(down), { status: '14', token: 'upstream-refused' })
  const fatal = hedging({ nonFatalCodes: ['INTERNAL'], delayMs: 0 })
  const both = fatal.open(request(), true)
  fatal.ups[1]!.close(resetByPeer(7))
  fatal.ups[2]!.close(resetByPeer(7))
  t.equal(fatal.ups[0]!.resetWith, 8)
  t.match(ownAnswer(both.down), { status: '14', token: 'upstream-refused' })
})

t.test('transparent retry comes first, and does not count', async t => {
  const rig = hedging()
  const { down } = rig.open(request(), true)
  rig.ups[0]!.close(resetByPeer(7))
  t.equal(rig.ups.length, 2, 'at once')
  t.same(previous(rig.up), [])
  delay(rig)
  t.equal(rig.ups.length, 3)
  t.same(previous(rig.up), ['1'])
  rig.ups[2]!.close(resetByPeer(7))
  t.equal(rig.ups.length, 4, 'also that of a later attempt')
  t.same(previous(rig.up), ['1'])
  rig.ups[3]!.close(resetByPeer(7))
  t.equal(rig.ups.length, 4, 'once')
  rig.ups[1]!.close(resetByPeer(7))
  t.equal(down.resetWith, 7, 'the client may try again itself')
  settle(rig, down)
  t.same([rig.left, held(rig), misuse(rig)], [NOTHING_LEFT, [0, 0], []])
})

t.test('policies that are none', async t => {
  const rows: HedgePolicy[] = [
    {},
    { delayMs: -1 },
    { delayMs: Number.NaN },
    { delayMs: 10, maxAttempts: 1 },
    { delayMs: 10, maxAttempts: 6 },
    { delayMs: 10, nonFatalCodes: ['OK'] },
    { delayMs: 10, nonFatalCodes: ['NOPE' as never] },
    { delayMs: 10, budget: { maxTokens: 0 } },
    { delayMs: 10, budget: { tokenRatio: 2 } },
  ]
  for (const hedge of rows) t.throws(() => definePolicy({ hedge }), TypeError, JSON.stringify(hedge))
  t.throws(() => definePolicy({ hedge: { delayMs: 10 }, retry: {} }), { message: /not both/ })
})
