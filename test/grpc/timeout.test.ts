import fc from 'fast-check'
import t from 'tap'
import { formatTimeout, parseTimeout } from '../../src/grpc/timeout.ts'

/** Nanoseconds of each unit, in whole numbers: an arithmetic that shares nothing with the code. */
const UNIT_NS: Readonly<Record<string, bigint>> = {
  H: 3_600_000_000_000n,
  M: 60_000_000_000n,
  S: 1_000_000_000n,
  m: 1_000_000n,
  u: 1_000n,
  n: 1n,
}

const nanoseconds = (text: string): bigint => BigInt(text.slice(0, -1)) * UNIT_NS[text.at(-1)!]!

const timeouts = fc
  .tuple(fc.integer({ min: 1, max: 8 }), fc.nat({ max: 99_999_999 }), fc.constantFrom(...Object.keys(UNIT_NS)))
  .map(([digits, value, unit]) => `${String(value % 10 ** digits).padStart(digits, '0')}${unit}`)

t.test('each unit', async t => {
  t.equal(parseTimeout('2H'), 7_200_000)
  t.equal(parseTimeout('3M'), 180_000)
  t.equal(parseTimeout('4S'), 4_000)
  t.equal(parseTimeout('5m'), 5)
  t.equal(parseTimeout('6000u'), 6)
  t.equal(parseTimeout('7000000n'), 7)
})

t.test('1 to 8 digits, leading zeros and zero itself included', async t => {
  t.equal(parseTimeout('0m'), 0)
  t.equal(parseTimeout('00000000n'), 0)
  t.equal(parseTimeout('00000010m'), 10)
  t.equal(parseTimeout('99999999H'), 99_999_999 * 3_600_000)
})

t.test('malformed values', async t => {
  const values = ['', 'S', '1', '123456789S', '1s', '1h', '1us', '1 S', ' 1S', '1S ', '+1S', '-1S', '1.5S', '1e3S']
  for (const value of [...values, '0x1S', '1SS', 'SS', '１S', '1ſ', '1\0', '1_0S', 'NaNS', '1__proto__']) {
    t.equal(parseTimeout(value), undefined, JSON.stringify(value))
  }
})

t.test('anything at all either matches the grammar or is refused', async () => {
  const nearly = fc.string({ unit: fc.constantFrom(...'0123456789HMSmunx -.'), maxLength: 11 })
  fc.assert(
    fc.property(fc.oneof(fc.string(), nearly), text => {
      return (parseTimeout(text) !== undefined) === /^[0-9]{1,8}[HMSmun]$/.test(text)
    }),
  )
})

t.test('what is parsed is what was said, to a billionth', async () => {
  fc.assert(
    fc.property(timeouts, text => {
      const exactMs = Number(nanoseconds(text)) / 1e6
      return Math.abs(parseTimeout(text)! - exactMs) <= exactMs * 1e-9
    }),
  )
})

t.test('formatted again it obeys the grammar and is never more than what came', async () => {
  fc.assert(
    fc.property(timeouts, text => {
      fc.pre(nanoseconds(text) > 0n)
      const formatted = formatTimeout(parseTimeout(text)!)
      return /^[0-9]{1,8}[HMSmun]$/.test(formatted) && nanoseconds(formatted) <= nanoseconds(text)
    }),
    { numRuns: 2_000 },
  )
})

t.test('the limits of each unit, where the next coarser one takes over', async t => {
  for (const unit of Object.keys(UNIT_NS)) {
    for (const value of ['1', '9999999', '99999998', '99999999']) {
      const text = value + unit
      const formatted = formatTimeout(parseTimeout(text)!)
      t.match(formatted, /^[0-9]{1,8}[HMSmun]$/)
      t.ok(nanoseconds(formatted) <= nanoseconds(text), `${text} → ${formatted}`)
    }
  }
})

t.test('rounding takes at most one part in 100,000, or a nanosecond', async () => {
  // 99,999,999 of a unit is 99,999 of one that is 1000 times as long: the worst case.
  const remaining = fc.double({ min: 1e-3, max: 99_999_999 * 3.6e6, noNaN: true, noDefaultInfinity: true })
  fc.assert(
    fc.property(remaining, ms => {
      const back = parseTimeout(formatTimeout(ms))!
      // One part in 10^12 is left to the arithmetic of doubles.
      return back <= ms * (1 + 1e-12) && ms - back <= Math.max(1.01e-6, ms * 1e-5)
    }),
    { numRuns: 2_000 },
  )
})

t.test('a rest below a nanosecond is still a timeout; what is longer than the longest becomes the longest', async t => {
  t.equal(formatTimeout(1e-9), '1n')
  t.equal(formatTimeout(Number.MAX_SAFE_INTEGER), '99999999H')
})
