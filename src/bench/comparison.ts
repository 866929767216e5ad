/**
 * The difference of via to direct at each percentile, with an interval.
 *
 * Calls near in time are alike (a slow moment meets many), so single calls are not independent samples, but pairs of
 * slices are. The interval is a bootstrap over them: thousands of times, as many pairs are drawn with replacement as
 * there are, their calls are put together, and the difference of the percentiles is taken. With few pairs such an
 * interval is too narrow; the tails are therefore cut where Student's t would (T. Hesterberg, "What Teachers Should
 * Know About the Bootstrap", 2015: the expanded percentile interval).
 */
import type { JsHistogram } from 'hdr-histogram-js'
import { SEED } from './bounds.ts'
import { Distributions } from './distribution.ts'
import { normalTail } from './normal.ts'
import { seededRandom } from './random.ts'

export const PERCENTILES = [50, 90, 99, 99.9] as const

export interface Difference {
  /** 50, 90, … */
  readonly percentile: number
  /** via − direct, microseconds. */
  readonly differenceUs: number
  /** Undefined where too few calls lie beyond the percentile, or failed calls could be all that do. */
  readonly interval: { readonly lowUs: number; readonly highUs: number } | undefined
  readonly verdict: 'more' | 'less' | 'no difference shown' | 'too few calls' | 'too many failures'
}

/** Fewer pairs say too little about their differences. */
export const PAIRS_LEAST = 10
/**
 * So many calls of each way must lie beyond a percentile. From fewer the bootstrap draws the same few again and again.
 */
export const BEYOND_LEAST = 20
const RESAMPLES = 4_000

export const METHOD =
  'Intervals are of 95 %, each for itself: an expanded percentile bootstrap over pairs of slices ' +
  `(${RESAMPLES.toLocaleString('en')} resamples, fixed seed), as calls near in time are alike and pairs of slices are not.`

/**
 * @param direct latencies of each slice
 * @param via latencies of the slices that belong to them
 * @param failedShare of the calls, in the worse of the two: they are in no histogram, and may be the slowest
 * @returns undefined for fewer than `PAIRS_LEAST` pairs
 */
export function compare(
  direct: readonly JsHistogram[],
  via: readonly JsHistogram[],
  failedShare = 0,
): Difference[] | undefined {
  const pairs = direct.length
  if (pairs !== via.length) throw new RangeError(`${pairs} slices and ${via.length} are not pairs`)
  if (pairs < PAIRS_LEAST) return undefined
  const before = new Distributions(direct)
  const after = new Distributions(via)
  const difference = (percentile: number, weights: ArrayLike<number>): number =>
    after.percentile(percentile / 100, weights) - before.percentile(percentile / 100, weights)
  const resampled = resample(pairs, difference)
  const fewest = Math.min(count(direct), count(via))
  const once = new Float64Array(pairs).fill(1)
  return PERCENTILES.map((percentile, i) => {
    const differenceUs = difference(percentile, once)
    if (fewest * (1 - percentile / 100) < BEYOND_LEAST - 1e-6) {
      return { percentile, differenceUs, interval: undefined, verdict: 'too few calls' }
    }
    if (failedShare > 0 && failedShare >= 1 - percentile / 100 - 1e-9) {
      return { percentile, differenceUs, interval: undefined, verdict: 'too many failures' }
    }
    const interval = intervalOf(resampled[i]!, pairs)
    return { percentile, differenceUs, interval, verdict: verdictOf(interval) }
  })
}

function count(histograms: readonly JsHistogram[]): number {
  return histograms.reduce((sum, { totalCount }) => sum + totalCount, 0)
}

/** For each percentile the differences of all resamples, ascending. */
function resample(
  pairs: number,
  difference: (percentile: number, weights: ArrayLike<number>) => number,
): Float64Array[] {
  const random = seededRandom(SEED)
  const drawn = PERCENTILES.map(() => new Float64Array(RESAMPLES))
  const weights = new Float64Array(pairs)
  for (let n = 0; n < RESAMPLES; n++) {
    weights.fill(0)
    for (let i = 0; i < pairs; i++) weights[Math.floor(random() * pairs)]!++
    PERCENTILES.forEach((percentile, i) => {
      drawn[i]![n] = difference(percentile, weights)
    })
  }
  return drawn.map(values => values.sort())
}

function intervalOf(ascending: Float64Array, pairs: number): { lowUs: number; highUs: number } {
  const cut = Math.floor(expandedTail(pairs) * ascending.length)
  return { lowUs: ascending[cut]!, highUs: ascending[ascending.length - 1 - cut]! }
}

function verdictOf({ lowUs, highUs }: { lowUs: number; highUs: number }): Difference['verdict'] {
  if (lowUs > 0) return 'more'
  return highUs < 0 ? 'less' : 'no difference shown'
}

/** Quantiles of Student's t at 0.975, from `PAIRS_LEAST` − 1 degrees of freedom on; later ones are near the last. */
const T_QUANTILES = [2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093]

/** What is cut off on each side: Φ(−√(n / (n − 1)) · t), which tends to 0.025. */
export function expandedTail(pairs: number): number {
  const t = T_QUANTILES[Math.min(pairs - PAIRS_LEAST, T_QUANTILES.length - 1)]!
  return normalTail(Math.sqrt(pairs / (pairs - 1)) * t)
}
