/** Percentiles of how long a backend takes for a method. */
import t from 'tap'
import { MethodLatencies, MethodLatency } from '../../src/backend/method-latency.ts'

const MINUTE_MS = 60_000

/** So many calls of each latency, one after the other. */
function of(counts: Readonly<Record<number, number>>, latency = new MethodLatency(0), nowMs = 1): MethodLatency {
  for (const [ms, count] of Object.entries(counts)) for (let i = 0; i < count; i++) latency.add(Number(ms), nowMs)
  return latency
}

t.test('a percentile is at most 9 % above the value', async t => {
  for (const ms of [0.3, 1, 7, 99.5, 1_234, 30_000]) {
    const found = of({ [ms]: 95, 60000: 5 }).percentileMs(95, 2)!
    t.ok(found >= ms && found <= ms * 1.091, `${ms}: ${found}`)
  }
  t.equal(of({ 0.001: 200 }).percentileMs(95, 2), 0.25, 'what is shorter than a quarter of a millisecond')
  t.ok(of({ 1e9: 200 }).percentileMs(95, 2)! < 70_000, 'what is longer than a minute')
})

t.test('percentiles of many values', async t => {
  const latency = new MethodLatency(0)
  for (let ms = 1; ms <= 1_000; ms++) latency.add(ms, 1)
  for (const [percentile, exact] of [
    [50, 500],
    [90, 900],
    [99, 990],
  ] as const) {
    const found = latency.percentileMs(percentile, 2)!
    t.ok(found >= exact && found <= exact * 1.1, `${percentile}: ${found}`)
  }
})

t.test('too few calls beyond a percentile: it is not known', async t => {
  const latency = of({ 10: 99 })
  t.equal(latency.percentileMs(95, 2), undefined)
  of({ 10: 40 }, latency)
  t.ok(latency.percentileMs(95, 2)! >= 10)
  t.equal(latency.percentileMs(99, 2), undefined)
})

t.test(
  'what is old has no part in it: soon where there are many calls, after ten minutes where there are few',
  async t => {
    const busy = of({ 10: 2_000 })
    of({ 500: 2_000 }, busy, 31_000)
    t.ok(busy.percentileMs(50, 31_001)! < 11, 'the window before counts')
    of({ 500: 2_000 }, busy, 62_000)
    t.ok(busy.percentileMs(50, 62_001)! > 490)

    const rare = of({ 10: 200 })
    t.ok(rare.percentileMs(95, 9 * MINUTE_MS)! < 11)
    t.ok(rare.percentileMs(95, 11 * MINUTE_MS)! < 11, 'it is the window before')
    t.equal(rare.percentileMs(95, 22 * MINUTE_MS), undefined)
    const paused = of({ 10: 200 })
    t.equal(paused.percentileMs(95, 60 * MINUTE_MS), undefined, 'after a long pause nothing is known')
  },
)

t.test('methods that clients invent do not fill the memory, and take no place of one that is called', async t => {
  const latencies = new MethodLatencies()
  for (let i = 0; i < 200; i++) latencies.add('/shop.Orders/Get', 10, 0)
  for (let i = 0; i < 10_000; i++) latencies.add(`/x.Y/${i}`, 1, 1)
  t.ok(latencies.of('/shop.Orders/Get')!.percentileMs(95, 1)! >= 10)
  t.equal(latencies.of('/x.Y/9999'), undefined, 'there is no room for more')
  latencies.add('/shop.Orders/Get', 10, 40_000)
  latencies.add('/shop.Orders/List', 10, 40_000)
  t.ok(latencies.of('/shop.Orders/List'), 'what was not called for half a minute gives way')
  t.ok(latencies.of('/shop.Orders/Get'))
})
