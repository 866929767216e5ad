import t from 'tap'
import { median, percentile, spread } from '../../../bench/measure/statistics.ts'

t.test('the median of an odd and of an even number of values, in any order', async t => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 3, 2]), 2.5)
  t.equal(median([-5]), -5)
  t.equal(median([10, 9, 100]), 10, 'numbers, not texts')
  t.throws(() => median([]), RangeError)
})

t.test('a spread keeps the ends', async t => {
  t.same(spread([7, 3, 5, 100]), { median: 6, least: 3, most: 100 })
})

t.test('percentiles by nearest rank', async t => {
  // The example that is in many textbooks: ordinal ranks ⌈0.05·5⌉ = 1, ⌈0.3·5⌉ = 2, ⌈0.4·5⌉ = 2, ⌈0.5·5⌉ = 3, 5.
  const sorted = [15, 20, 35, 40, 50]
  t.same(
    [0.05, 0.3, 0.4, 0.5, 1].map(share => percentile(sorted, share)),
    [15, 20, 20, 35, 50],
  )
  t.equal(percentile(Float64Array.of(1, 2, 3), 0), 1, 'the share 0 is the least')
  const thousand = Array.from({ length: 1_000 }, (_, i) => i + 1)
  t.equal(percentile(thousand, 0.999), 999)
  t.equal(percentile(thousand, 0.9999), 1_000)
  t.throws(() => percentile([], 0.5), RangeError)
})
