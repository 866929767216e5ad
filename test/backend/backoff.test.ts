import fc from 'fast-check'
import t from 'tap'
import { backoffDelayMs } from '../../src/backend/backoff.ts'

/** connection-backoff.md. */
const STANDARD = { initialMs: 1_000, multiplier: 1.6, maxMs: 120_000, jitter: 0.2 }

t.test('1 s, then 1.6 times as long each time, up to 120 s', async t => {
  const waits = [1, 2, 3, 4, 11, 12, 100].map(failures => backoffDelayMs(STANDARD, failures, () => 0.5))
  for (const [i, expected] of [1_000, 1_600, 2_560, 4_096, 109_951.16, 120_000, 120_000].entries()) {
    t.ok(Math.abs(waits[i]! - expected) < 0.01, `${waits[i]} ms`)
  }
})

t.test('a very long row of failures is still 120 s', async t => {
  t.equal(
    backoffDelayMs(STANDARD, 100_000, () => 0.5),
    120_000,
  )
})

t.test('jitter spreads the wait evenly, from 80 % to 120 %', async t => {
  t.equal(
    backoffDelayMs(STANDARD, 1, () => 0),
    800,
  )
  t.equal(
    backoffDelayMs(STANDARD, 1, () => 0.25),
    900,
  )
  t.ok(Math.abs(backoffDelayMs(STANDARD, 1, () => 1 - Number.EPSILON) - 1_200) < 1e-6)
  t.equal(
    backoffDelayMs({ ...STANDARD, jitter: 0 }, 1, () => 0.9),
    1_000,
  )
})

t.test('whatever the numbers: within the jitter of the exact wait', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 500 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (failures, chance, jitter) => {
        let exact = STANDARD.initialMs
        for (let i = 1; i < failures; i++) exact = Math.min(STANDARD.maxMs, exact * STANDARD.multiplier)
        const wait = backoffDelayMs({ ...STANDARD, jitter }, failures, () => chance)
        return wait >= exact * (1 - jitter) - 1e-6 && wait <= exact * (1 + jitter) + 1e-6
      },
    ),
  )
})
