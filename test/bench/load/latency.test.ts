/** Times to percentiles, with known times; and the histogram that travels with them. */
import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import t from 'tap'
import { percentilesOf } from '../../../bench/load/outcome.ts'
import { newHistogram, recordMs } from '../../../src/bench/histogram.ts'

/** Three significant digits. */
const near = (value: number, expected: number): boolean => Math.abs(value - expected) <= expected / 1_000 + 0.5

t.test('percentiles of 1 to 10,000 µs', async t => {
  const latency = newHistogram()
  for (let us = 10_000; us >= 1; us--) recordMs(latency, us / 1_000)
  t.equal(latency.totalCount, 10_000)
  const { p50, p90, p99, p999, max, mean } = percentilesOf(latency)
  for (const [value, expected] of [
    [p50, 5_000],
    [p90, 9_000],
    [p99, 9_900],
    [p999, 9_990],
    [max, 10_000],
    [mean, 5_000.5],
  ] as const) {
    t.ok(near(value, expected), `${value} is ${expected}`)
  }
})

t.test('the histogram decodes to the same percentiles', async t => {
  const latency = newHistogram()
  for (let i = 0; i < 5_000; i++) recordMs(latency, 0.08 + (i % 97) * 0.37 + (i % 1_000 === 0 ? 900 : 0))
  const percentiles = percentilesOf(latency)
  const decoded = decodeFromCompressedBase64(percentiles.histogram)
  t.equal(decoded.totalCount, 5_000)
  t.equal(decoded.getValueAtPercentile(50), percentiles.p50)
  t.equal(decoded.getValueAtPercentile(90), percentiles.p90)
  t.equal(decoded.getValueAtPercentile(99), percentiles.p99)
  t.equal(decoded.getValueAtPercentile(99.9), percentiles.p999)
  t.equal(decoded.getValueAtPercentile(100), percentiles.max)
  t.equal(decoded.mean, percentiles.mean)
})

t.test('borders', async t => {
  const latency = newHistogram()
  t.throws(() => percentilesOf(latency), RangeError)
  recordMs(latency, -0.5)
  recordMs(latency, 1e9)
  const { p50, max } = percentilesOf(latency)
  t.equal(p50, 0)
  t.ok(near(max, 1e12), 'as long as it may be')
})
