/** Times of calls as an HDR histogram: microseconds, three significant digits, up to a minute. */
import { build, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js'
import type { Percentiles } from './shape.ts'

/** Longer is counted as that. */
export const MAX_MICROSECONDS = 60_000_000

export class Latency {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MAX_MICROSECONDS,
    numberOfSignificantValueDigits: 3,
    autoResize: false,
  })

  get count(): number {
    return this.#histogram.totalCount
  }

  /** A clock that went back a little is no time at all. */
  record(ms: number): void {
    this.#histogram.recordValue(Math.min(MAX_MICROSECONDS, Math.max(0, Math.round(ms * 1_000))))
  }

  /** Of at least one time. All are the histogram's, so that whoever decodes it finds the same. */
  percentiles(): Percentiles {
    const histogram = this.#histogram
    if (histogram.totalCount === 0) throw new RangeError('nothing has no percentile')
    const at = (percent: number): number => histogram.getValueAtPercentile(percent)
    return {
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max: at(100),
      mean: histogram.mean,
      histogram: encodeIntoCompressedBase64(histogram),
    }
  }
}
