import fc from 'fast-check'
import t from 'tap'
import { TimerWheel, WheelTimer } from '../../src/transport/timer-wheel.ts'
import { FakeClock } from '../support/fake-clock.ts'

const TICK_MS = 5
/** A round of the wheel. */
const ROUND_MS = 512 * TICK_MS

function setUp() {
  const clock = new FakeClock()
  const wheel = new TimerWheel(clock)
  const startMs = clock.now()
  /** When each timer fired, since the start. */
  const fired: [name: string, atMs: number][] = []
  const timer = (name: string) => new WheelTimer(() => fired.push([name, clock.now() - startMs]))
  const arm = (name: string, inMs: number) => {
    const made = timer(name)
    wheel.arm(made, clock.now() + inMs)
    return made
  }
  return { clock, wheel, fired, timer, arm }
}

t.test('fires once, not before its time and at most two ticks later', async t => {
  for (const inMs of [0.001, 1, 4.999, 5, 5.001, 12, ROUND_MS - 1, ROUND_MS, ROUND_MS + 1, 10 * ROUND_MS + 3.3]) {
    for (const passedMs of [0, 1, 2.5, 4.9]) {
      const { clock, wheel, fired, arm } = setUp()
      clock.advance(passedMs)
      arm('a', inMs)
      clock.advance(inMs + 3 * ROUND_MS)
      const [atMs] = fired.map(([, atMs]) => atMs - passedMs)
      t.equal(fired.length, 1)
      t.ok(atMs! >= inMs && atMs! < inMs + 2 * TICK_MS, `${inMs} ms, ${passedMs} into a tick: after ${atMs} ms`)
      t.equal(wheel.size, 0)
    }
  }
})

t.test('… and at most one tick later, as its documentation says', async t => {
  const { clock, fired, arm } = setUp()
  clock.advance(4)
  arm('a', 8) // due 12 ms after the start, so 15 ms is the end of its tick
  clock.advance(100)
  const [, atMs] = fired[0]!
  t.ok(atMs <= 12 + TICK_MS, `due at 12 ms, fired at ${atMs} ms`)
})

t.test('what is due already fires at the next turn, never within arm', async t => {
  for (const inMs of [0, -1, -10_000, Number.NEGATIVE_INFINITY]) {
    const { clock, fired, arm } = setUp()
    clock.advance(3)
    arm('a', inMs)
    t.equal(fired.length, 0)
    clock.advance(2 * TICK_MS)
    t.equal(fired.length, 1, `${inMs}`)
  }
})

t.test('an empty wheel has no clock timer', async t => {
  const { clock, wheel, arm } = setUp()
  t.equal(clock.pending, 0, 'at first')
  const one = arm('one', 50)
  const two = arm('two', 60)
  t.equal(clock.pending, 1, 'one, however many wait')
  wheel.disarm(one)
  t.equal(clock.pending, 1)
  wheel.disarm(two)
  t.same([wheel.size, clock.pending], [0, 0], 'after the last is disarmed')
  arm('three', 20)
  clock.advance(50)
  t.same([wheel.size, clock.pending], [0, 0], 'after the last fired')
})

t.test('disarm: fires never; twice, or without arm, is nothing', async t => {
  const { clock, wheel, fired, arm, timer } = setUp()
  const a = arm('a', 20)
  const b = arm('b', 20)
  arm('c', 20)
  wheel.disarm(b)
  wheel.disarm(b)
  wheel.disarm(timer('never armed'))
  t.equal(wheel.size, 2)
  wheel.disarm(a)
  clock.advance(100)
  t.same(
    fired.map(([name]) => name),
    ['c'],
  )
  wheel.disarm(a)
  t.equal(wheel.size, 0)
})

t.test('arm again moves it, to later and to earlier', async t => {
  const { clock, wheel, fired, arm } = setUp()
  const a = arm('a', 20)
  const b = arm('b', 5_000)
  wheel.arm(a, clock.now() + 1_000)
  wheel.arm(b, clock.now() + 30)
  t.equal(wheel.size, 2)
  clock.advance(100)
  t.match(fired, [['b', Number]])
  t.equal(fired.length, 1)
  clock.advance(850)
  t.equal(fired.length, 1)
  clock.advance(100)
  t.match(fired[1], ['a', Number])
})

t.test('within fire: arm itself again', async t => {
  const { clock, wheel } = setUp()
  const moments: number[] = []
  const startMs = clock.now()
  const again = new WheelTimer(() => {
    moments.push(clock.now() - startMs)
    if (moments.length < 4) wheel.arm(again, clock.now())
  })
  wheel.arm(again, startMs + 3)
  clock.advance(1_000)
  t.equal(moments.length, 4, 'once a turn, not in a loop')
  t.same(
    moments,
    [...new Set(moments)].sort((a, b) => a - b),
  )
  t.equal(clock.pending, 0)
})

t.test('within fire: disarm or move another that is due in the same slot', async t => {
  for (const first of [0, 1]) {
    const { clock, wheel, fired, arm } = setUp()
    const startMs = clock.now()
    const pair: WheelTimer[] = []
    const kill = (other: number) =>
      new WheelTimer(() => {
        fired.push([`killer of ${other}`, clock.now() - startMs])
        wheel.disarm(pair[other]!)
        wheel.arm(moved, clock.now() + 500)
      })
    pair.push(kill(1), kill(0))
    const moved = new WheelTimer(() => fired.push(['moved', clock.now() - startMs]))
    wheel.arm(pair[first]!, startMs + 12)
    wheel.arm(pair[1 - first]!, startMs + 12)
    arm('bystander', 12)
    clock.advance(400)
    t.same(
      fired.map(([name]) => name.replace(/\d/, 'n')).sort(),
      ['bystander', 'killer of n'],
      'one of the two killed the other; the third fired',
    )
    clock.advance(200)
    t.equal(fired.at(-1)![0], 'moved')
    t.same([wheel.size, clock.pending], [0, 0])
  }
})

t.test('within fire: move another that is due in the same slot', async t => {
  const { clock, wheel } = setUp()
  let fired = 0
  // Whichever of the two comes first moves the other.
  const pair: WheelTimer[] = [0, 1].map(
    i =>
      new WheelTimer(() => {
        fired++
        wheel.arm(pair[1 - i]!, clock.now() + 500)
      }),
  )
  for (const timer of pair) wheel.arm(timer, clock.now() + 12)
  clock.advance(300)
  t.same([fired, wheel.size], [1, 1], 'the one that was moved waits')
})

t.test('within fire: the last one disarms all and arms anew', async t => {
  const { clock, wheel, fired, arm } = setUp()
  const other = arm('other', 900)
  const killer = new WheelTimer(() => {
    wheel.disarm(other)
    arm('new', 10)
  })
  wheel.arm(killer, clock.now() + 7)
  clock.advance(1_000)
  t.match(fired, [['new', Number]])
  t.same([wheel.size, clock.pending], [0, 0])
})

t.test('after a pause of many rounds all that is due fires at once, and what is not due waits', async t => {
  for (const pauseMs of [ROUND_MS - TICK_MS, ROUND_MS, ROUND_MS + TICK_MS, 50 * ROUND_MS + 1]) {
    const { clock, wheel, fired, arm } = setUp()
    for (const inMs of [1, TICK_MS, 700, ROUND_MS / 2, ROUND_MS - TICK_MS]) arm(`due ${inMs}`, inMs)
    arm('later', pauseMs + 3 * ROUND_MS)
    clock.pause(pauseMs)
    t.equal(fired.length, 5, `a pause of ${pauseMs} ms`)
    clock.advance(3 * ROUND_MS - 1)
    t.equal(fired.length, 5)
    clock.advance(3 * TICK_MS)
    t.equal(fired.length, 6)
    t.same([wheel.size, clock.pending], [0, 0])
  }
})

type Step =
  | { do: 'arm'; timer: number; inMs: number }
  | { do: 'disarm'; timer: number }
  | { do: 'advance' | 'pause'; ms: number }

t.test('thousands of timers at random: the same as a list that is searched each time', async () => {
  const TIMERS = 40
  const timer = fc.nat({ max: TIMERS - 1 })
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('arm' as const),
        timer,
        inMs: fc.double({ min: -20, max: 6_000, noNaN: true }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('disarm' as const), timer }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.double({ min: 0, max: 400, noNaN: true }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('pause' as const), ms: fc.double({ min: 0, max: 9_000, noNaN: true }) }),
    },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), steps => {
      const clock = new FakeClock()
      const wheel = new TimerWheel(clock)
      /** When each is due; absent when it does not wait. */
      const due = new Map<number, { atMs: number; sinceMs: number }>()
      const timers = Array.from({ length: TIMERS }, (_, i) => new WheelTimer(() => fire(i)))
      let pausedUntilMs = 0
      const fire = (i: number) => {
        const it = due.get(i)
        if (it === undefined) throw new Error('fired without being armed')
        if (clock.now() < it.atMs) throw new Error(`fired ${it.atMs - clock.now()} ms early`)
        const latestMs = Math.max(it.atMs, it.sinceMs, pausedUntilMs) + 2 * TICK_MS
        if (clock.now() > latestMs) throw new Error(`fired ${clock.now() - it.atMs} ms late`)
        due.delete(i)
      }
      for (const step of steps) {
        if (step.do === 'arm') {
          due.set(step.timer, { atMs: clock.now() + step.inMs, sinceMs: clock.now() })
          wheel.arm(timers[step.timer]!, clock.now() + step.inMs)
        } else if (step.do === 'disarm') {
          due.delete(step.timer)
          wheel.disarm(timers[step.timer]!)
        } else {
          if (step.do === 'pause') pausedUntilMs = clock.now() + step.ms
          clock[step.do](step.ms)
          for (const { atMs, sinceMs } of due.values()) {
            if (clock.now() > Math.max(atMs, sinceMs, pausedUntilMs) + 2 * TICK_MS) throw new Error('did not fire')
          }
        }
        if (wheel.size !== due.size) throw new Error(`${wheel.size} timers, should be ${due.size}`)
        if (clock.pending !== (due.size === 0 ? 0 : 1)) throw new Error(`${clock.pending} clock timers`)
      }
    }),
    { numRuns: 400 },
  )
})
