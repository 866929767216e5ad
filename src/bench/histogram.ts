/** Times of calls as HDR histograms: microseconds, to three digits. */
import { build, JsHistogram } from 'hdr-histogram-js'
import { Distributions } from './distribution.ts'

/** Microseconds. */
export interface Latency {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  readonly mean: number
}

export function newHistogram(): JsHistogram {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 2,
    autoResize: true,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  })
  if (histogram instanceof JsHistogram) return histogram
  throw new TypeError('hdr-histogram-js made another histogram than it was asked for')
}

/** A clock that went back a little counts as no time at all. */
export function recordMs(histogram: JsHistogram, ms: number): void {
  histogram.recordValue(Math.max(0, Math.round(ms * 1_000)))
}

/** The calls of several histograms together. */
export function merged(histograms: readonly JsHistogram[]): JsHistogram {
  const sum = newHistogram()
  for (const histogram of histograms) if (histogram.totalCount > 0) sum.add(histogram)
  return sum
}

/** Undefined where there is no call. Each value, the largest too, is the upper end of its bin in the histogram. */
export function latencyOf(histogram: JsHistogram): Latency | undefined {
  if (histogram.totalCount === 0) return undefined
  const distribution = new Distributions([histogram])
  const at = (percentile: number): number => distribution.percentile(percentile / 100, [1])
  return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: at(100), mean: histogram.mean }
}
