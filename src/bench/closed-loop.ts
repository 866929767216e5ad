/**
 * The closed loop: a fixed number of calls is open, and one that ends begins the next. Latency counts from a call's
 * beginning.
 */
import type { Call } from './call.ts'
import { Slice } from './slice.ts'
import type { Way } from './way.ts'

/** The times of a slice, counted from its beginning. */
export interface SliceTimes {
  /** The time before it. Calls that begin in it do not count. */
  readonly leadInMs: number
  readonly durationMs: number
}

/** Resolves when its calls have ended, or at once when `signal` says so. */
export function closedLoop(way: Way, concurrency: number, times: SliceTimes, signal: AbortSignal): Promise<Slice> {
  const slice = new Slice()
  const startMs = performance.now()
  const fromMs = startMs + times.leadInMs
  const toMs = fromMs + times.durationMs
  return new Promise(resolve => {
    let open = 0
    let over = false
    const finish = (complete: boolean): void => {
      if (over) return
      over = true
      signal.removeEventListener('abort', stop)
      slice.seconds = Math.max(0, performance.now() - fromMs) / 1_000
      slice.wallSeconds = (performance.now() - startMs) / 1_000
      slice.complete = complete
      if (!complete && !signal.aborted) slice.cut = way.lostReason
      resolve(slice)
    }
    const stop = (): void => finish(false)
    const counts = (intendedMs: number): boolean => intendedMs >= fromMs
    const begin = (): void => {
      const now = performance.now()
      open++
      slice.begin(counts(now))
      way.begin(now, onEnd)
    }
    const onEnd = (call: Call): void => {
      if (over) return
      open--
      // However slow calls are, each call of the lead-in is followed by one, until one counts.
      const counted = counts(call.intendedMs)
      if (counted) slice.end(call)
      if ((performance.now() < toMs || !counted) && !way.down) begin()
      else if (open === 0) finish(performance.now() >= toMs)
    }
    if (signal.aborted) return finish(false)
    signal.addEventListener('abort', stop)
    for (let i = 0; i < concurrency; i++) begin()
  })
}
