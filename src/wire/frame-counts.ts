/** How often the frames that end something were sent and came, by their error code (RFC 9113 §7). */
import { FLOOD_NAMES } from './allowance.ts'
import { ErrorCode, errorCodeName } from './errors.ts'
import { FloodPeaks } from './flood-peaks.ts'

/** The place of all codes that the RFC does not name: a peer may send any number. */
const OTHER = Object.keys(ErrorCode).length

/** For the connections of one kind together. A frame costs one addition. */
export class FrameCounts {
  readonly resetsSent: Float64Array = new Float64Array(OTHER + 1)
  readonly resetsReceived: Float64Array = new Float64Array(OTHER + 1)
  readonly goawaysSent: Float64Array = new Float64Array(OTHER + 1)
  readonly goawaysReceived: Float64Array = new Float64Array(OTHER + 1)
  readonly floods: FloodPeaks = new FloodPeaks(FLOOD_NAMES)
}

export function countCode(counts: Float64Array, code: number): void {
  counts[Math.min(code, OTHER)]!++
}

/** By the names of the codes, `other` for those that have none; without those that never came. */
export function byCode(counts: Float64Array): Map<string, number> {
  const named = new Map<string, number>()
  for (const [code, count] of counts.entries())
    if (count > 0) named.set(code === OTHER ? 'other' : errorCodeName(code), count)
  return named
}
