/** Windows against a naive model. */
import fc from 'fast-check'
import t from 'tap'
import { ConnectionWindow } from '../../src/wire/connection-window.ts'
import { ReceiveWindow, SendWindow } from '../../src/wire/flow-window.ts'
import { ConnectionError, StreamError } from '../../src/wire/protocol-error.ts'
import { RoundTrips } from '../../src/wire/window-growth.ts'
import { Code } from '../support/frames.ts'

const MAX = 2 ** 31 - 1

function thrown(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}

const isError = (found: unknown, kind: typeof ConnectionError | typeof StreamError, token: string) =>
  found instanceof kind && found.token === token && found.code === Code.FLOW_CONTROL_ERROR

t.test('a send window', async t => {
  const w = new SendWindow(1, 65_535)
  w.consume(60_000)
  // The example of RFC 9113 §6.9.2, with its numbers in KB: 60 sent, then 16 allowed.
  w.adjust(16_000 - 65_535)
  t.equal(w.available, -44_000)
  t.equal(w.increase(44_001), 44_001, 'returns what was sent')
  t.equal(w.available, 1)
  t.equal(w.increase(MAX - 1), 15_999, 'of 60,000 bytes that were sent; the rest is new')
  t.equal(w.available, MAX)
  t.ok(
    isError(
      thrown(() => w.increase(1)),
      StreamError,
      'stream-window-overflow',
    ),
  )
  t.ok(
    isError(
      thrown(() => new SendWindow(0, 1).increase(MAX)),
      ConnectionError,
      'window-overflow',
    ),
  )
  t.ok(
    isError(
      thrown(() => w.adjust(1)),
      ConnectionError,
      'settings-window-overflow',
    ),
  )
  t.equal(w.available, MAX, 'unchanged by what was refused')
})

t.test('a receive window gives back by halves, what was released', async t => {
  const w = new ReceiveWindow(1, 100)
  w.receive(100)
  t.equal(w.release(49, 100), 0)
  t.equal(w.release(1, 100), 50)
  t.equal(w.available, 50)
  t.equal(w.release(50, 100), 50)
  t.equal(w.release(0, 100), 0)
  t.throws(() => w.release(1, 100), RangeError)
})

t.test('more than was allowed', async t => {
  t.ok(
    isError(
      thrown(() => new ReceiveWindow(3, 10).receive(11)),
      StreamError,
      'stream-window-exceeded',
    ),
  )
  t.ok(
    isError(
      thrown(() => new ConnectionWindow(65_535, 65_535).receive(65_536)),
      ConnectionError,
      'window-exceeded',
    ),
  )
  const w = new ReceiveWindow(3, 10)
  w.receive(10)
  w.adjust(-5)
  t.equal(w.available, -5)
  w.receive(0)
  t.pass('an empty frame is always allowed (§6.9.1)')
})

t.test('a ceiling that falls is reached as bytes pass, and left again', async t => {
  const w = new ReceiveWindow(1, 100)
  w.receive(80)
  t.equal(w.release(40, 60), 0, 'the first 40 bytes are kept')
  t.equal(w.limit, 60)
  t.equal(w.release(40, 60), 40)
  t.equal(w.available, 60)
  w.receive(60)
  t.equal(w.release(60, 0), 0, 'none at all')
  t.same([w.limit, w.available], [0, 0])
  t.equal(w.release(0, 30), 30, 'again, without any bytes')
  t.equal(w.release(0, 1_000), 70, 'up to its first size, not further')
  t.equal(w.limit, 100)
})

type Step = readonly ['receive' | 'release' | 'ceiling' | 'round' | 'adjust', number]
const anyStep: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom('receive', 'receive', 'release', 'release', 'ceiling', 'round', 'adjust'),
  fc.nat(100_000),
)

t.test('any order of events: the sender never gets more than the window, and never waits for ever', async t => {
  fc.assert(
    fc.property(fc.nat(70_000), fc.array(anyStep, { maxLength: 200 }), (initial, steps) => {
      const w = new ReceiveWindow(1, initial)
      // The naive model: everything that was ever allowed, sent and consumed.
      let [allowed, sent, consumed, ceiling, nowMs] = [initial, 0, 0, 1_000_000, 0]
      const trips = new RoundTrips()
      const check = () => {
        if (w.available !== allowed - sent) throw new Error('the peer would see another window')
        if (w.held !== sent - consumed) throw new Error('held')
        if (w.available + w.held + w.released !== w.limit) throw new Error('the parts do not make the whole')
        if (w.released < 0 || w.held < 0) throw new Error('negative')
      }
      const release = (bytes: number) => {
        const before = w.limit
        consumed += bytes
        allowed += w.release(bytes, ceiling)
        if (w.limit > Math.max(before, ceiling)) throw new Error('grew above its ceiling')
      }
      for (const [what, n] of steps) {
        if (what === 'receive') {
          const bytes = Math.min(n, Math.max(0, allowed - sent))
          w.receive(bytes, trips)
          sent += bytes
          if (thrown(() => w.receive(Math.max(1, w.available + 1), trips)) === undefined)
            throw new Error('took too much')
        } else if (what === 'release') release(Math.min(n, sent - consumed))
        else if (what === 'ceiling') ceiling = 1 + n
        else if (what === 'round') {
          nowMs += n % 3
          if (trips.round > 0) trips.acknowledged(nowMs)
          else trips.received(32_768, nowMs)
        } else if (n % 2 === 0 && w.limit > 2_000) {
          w.adjust(-1_000)
          allowed -= 1_000
        } else {
          w.adjust(1_000)
          allowed += 1_000
        }
        check()
      }
      release(sent - consumed)
      check()
      if (allowed - sent <= 0 && w.limit > 0) throw new Error('all is consumed, and the sender waits')
    }),
    { numRuns: 1_000 },
  )
  t.pass('1,000 runs')
})
