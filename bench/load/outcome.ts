/** What a mode of load comes to. */
import type { Latency } from './latency.ts'

export interface Outcome {
  /** That count; each ended as it should. */
  readonly calls: number
  readonly seconds: number
  readonly latency: Latency
  /** How late calls did begin, where they have a time. */
  readonly lag?: Latency
}
