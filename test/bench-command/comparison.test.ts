/** Percentiles, intervals and verdicts from known inputs. */
import t from 'tap'
import { compare, expandedTail, PAIRS_LEAST } from '../../src/bench/comparison.ts'
import { Distributions } from '../../src/bench/distribution.ts'
import { latencyOf, merged, newHistogram } from '../../src/bench/histogram.ts'
import { exponentialGapMs, seededRandom } from '../../src/bench/random.ts'

function histogramOf(values: Iterable<number>) {
  const histogram = newHistogram()
  for (const value of values) histogram.recordValue(value)
  return histogram
}

/** `slices` of `calls` values each: around `middle`, and by another amount each slice, as machines are. */
function slicesOf(slices: number, calls: number, middle: number, seed: number) {
  const random = seededRandom(seed)
  return Array.from({ length: slices }, () => {
    const shift = 20 * random()
    return histogramOf(Array.from({ length: calls }, () => Math.round(middle + shift + 100 * random())))
  })
}

t.test('percentiles of several histograms together, each as often as it is drawn', async t => {
  const one = histogramOf([10, 20, 30, 40])
  const other = histogramOf([100, 100, 200])
  const both = new Distributions([one, other])
  t.same([...both.values], [10, 20, 30, 40, 100, 200])
  const at = (share: number, weights: number[]) => both.percentile(share, weights)
  t.equal(at(0.5, [1, 0]), 20)
  t.equal(at(0.51, [1, 0]), 30)
  t.equal(at(1, [1, 0]), 40)
  t.equal(at(0, [1, 0]), 10, 'the least')
  t.equal(at(0.5, [0, 1]), 100)
  t.equal(at(0.5, [1, 1]), 40, 'fourth of seven')
  t.equal(at(0.5, [1, 2]), 100, 'fifth of ten')
  t.ok(Number.isNaN(at(0.5, [0, 0])), 'of nothing')
  t.equal(merged([one, other]).totalCount, 7)
  t.match(latencyOf(one), { p50: 20, p90: 40, max: 40, mean: 25 })
  t.equal(latencyOf(newHistogram()), undefined)
  const { p999, max } = latencyOf(histogramOf([150_000, 161_070]))!
  t.ok(p999 <= max, `p99.9 of ${p999} is not more than the largest, ${max}`)
  // Ranks 49.5 → 50 of 55, and 54.945 → 55 of 55.
  t.match(latencyOf(histogramOf(Array.from({ length: 55 }, (_, i) => i + 1))), { p50: 28, p90: 50, p99: 55 })
  t.match(latencyOf(histogramOf(Array.from({ length: 12 }, (_, i) => i + 1))), { p90: 11 }, 'up, as in differences')
})

t.test('what is cut off tends to the 2.5 % of many pairs', async t => {
  // Φ(−√(10/9) · 2.262) and Φ(−√(20/19) · 2.093), by erfc.
  t.ok(Math.abs(expandedTail(10) - 0.00855) < 5e-5, String(expandedTail(10)))
  t.ok(Math.abs(expandedTail(20) - 0.01588) < 5e-5, String(expandedTail(20)))
})

t.test('a difference that is there', async t => {
  const differences = compare(slicesOf(20, 1_000, 1_000, 1), slicesOf(20, 1_000, 1_200, 2))!
  t.same(
    differences.map(({ percentile, verdict }) => [percentile, verdict]),
    [
      [50, 'more'],
      [90, 'more'],
      [99, 'more'],
      [99.9, 'more'],
    ],
  )
  for (const { differenceUs, interval } of differences) {
    t.ok(interval!.lowUs <= differenceUs && differenceUs <= interval!.highUs, 'it is in its interval')
    t.ok(interval!.lowUs < 200 && 200 < interval!.highUs + 10, JSON.stringify(interval))
    t.ok(interval!.highUs - interval!.lowUs < 60, 'and the interval is of use')
  }
  const less = compare(slicesOf(20, 1_000, 1_200, 2), slicesOf(20, 1_000, 1_000, 1))!
  t.equal(less[0]!.verdict, 'less')
  t.equal(less[0]!.differenceUs, -differences[0]!.differenceUs)
})

t.test('no difference: the interval says so in most of many runs', async t => {
  let shown = 0
  const runs = 25
  for (let run = 0; run < runs; run++) {
    const [p50] = compare(slicesOf(20, 100, 1_000, 100 + run), slicesOf(20, 100, 1_000, 900 + run))!
    if (p50!.verdict !== 'no difference shown') shown++
  }
  // At 5 % more than 4 of 25 have a probability of 0.7 %. The seeds are fixed: it is the same each time.
  t.ok(shown <= 4, `${shown} of ${runs}`)
})

t.test('slices alike are one sample, not many: the interval knows it', async t => {
  // Each slice is one value a thousand times: all that differs is between slices.
  const constant = (values: number[]) => values.map(value => histogramOf(new Array(1_000).fill(value)))
  const base = Array.from({ length: 20 }, (_, i) => 100 + i)
  const [p50] = compare(constant(base), constant(base.map((value, i) => value + (i % 2 === 0 ? 8 : -8))))!
  t.equal(p50!.verdict, 'no difference shown')
  t.ok(p50!.interval!.highUs - p50!.interval!.lowUs >= 4, JSON.stringify(p50))
})

t.test('the same samples give the same intervals', async t => {
  const run = () => compare(slicesOf(12, 50, 1_000, 5), slicesOf(12, 50, 1_010, 6))
  t.same(run(), run())
})

t.test('too little for an interval is said', async t => {
  t.equal(compare(slicesOf(PAIRS_LEAST - 1, 100, 10, 1), slicesOf(PAIRS_LEAST - 1, 100, 10, 1)), undefined)
  t.throws(() => compare(slicesOf(10, 10, 10, 1), slicesOf(11, 10, 10, 1)), RangeError)
  // 2,000 calls: 20 beyond p99, 2 beyond p99.9.
  const verdicts = compare(slicesOf(20, 100, 1_000, 1), slicesOf(20, 100, 1_500, 2))!.map(({ verdict }) => verdict)
  t.same(verdicts, ['more', 'more', 'more', 'too few calls'])
  const fewer = compare(slicesOf(20, 99, 1_000, 1), slicesOf(20, 100, 1_500, 2))!
  t.match(fewer[2], { verdict: 'too few calls', interval: undefined })
})

t.test('calls that failed are in no percentile: of those that they could fill nothing is said', async t => {
  const verdicts = (failedShare: number) =>
    compare(slicesOf(20, 1_000, 1_000, 1), slicesOf(20, 1_000, 1_200, 2), failedShare)!.map(({ verdict }) => verdict)
  t.same(verdicts(0.0009), ['more', 'more', 'more', 'more'])
  t.same(verdicts(0.001), ['more', 'more', 'more', 'too many failures'])
  t.same(verdicts(0.01), ['more', 'more', 'too many failures', 'too many failures'])
})

t.test('what is drawn: uniform, exponential, and the same from the same seed', async t => {
  const draw = (seed: number) => Array.from({ length: 20_000 }, seededRandom(seed))
  t.same(draw(3), draw(3))
  t.not(draw(3)[0], draw(4)[0])
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  t.ok(Math.abs(mean(draw(1)) - 0.5) < 0.01)
  const random = seededRandom(1)
  const gaps = Array.from({ length: 20_000 }, () => exponentialGapMs(random, 500))
  t.ok(Math.abs(mean(gaps) - 2) < 0.05, 'at 500 a second 2 ms on average')
  t.ok(Math.abs(gaps.filter(gap => gap > 2).length / gaps.length - Math.exp(-1)) < 0.02)
})
