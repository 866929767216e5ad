/** The outcome of one mode of load. */
import { encodeIntoCompressedBase64, type JsHistogram } from 'hdr-histogram-js'
import { latencyOf } from '../../src/bench/histogram.ts'
import type { Percentiles } from './shape.ts'

export interface Outcome {
  /** The calls that count. Each ended as it should. */
  readonly calls: number
  readonly seconds: number
  readonly latency: JsHistogram
  /** How late calls did begin, where they have a time. */
  readonly lag?: JsHistogram
}

/** @throws RangeError where there is no call */
export function percentilesOf(histogram: JsHistogram): Percentiles {
  const latency = latencyOf(histogram)
  if (latency === undefined) throw new RangeError('nothing has no percentile')
  return { ...latency, histogram: encodeIntoCompressedBase64(histogram) }
}
