/** The closed loop keeps a fixed number of calls open on each connection. A call that ends begins the next. */
import { newHistogram, recordMs } from '../../src/bench/histogram.ts'
import type { Caller, CallerOwner } from './caller.ts'
import type { Connections } from './connections.ts'
import type { Outcome } from './outcome.ts'
import type { ClosedMode } from './shape.ts'
import { wholeNumber } from './whole-number.ts'

/** @throws Error with the first call that failed, or the connection that was lost */
export async function runClosed(connections: Connections, { streams, calls }: ClosedMode): Promise<Outcome> {
  wholeNumber('streams', streams)
  wholeNumber('calls', calls)
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  // It may fail while nobody waits for it yet.
  promise.catch(() => {})
  const latency = newHistogram()
  let left = calls
  let ended = 0
  const begin = (caller: Caller): void => {
    left--
    caller.call(performance.now())
  }
  const owner: CallerOwner = {
    onEnd(caller, begunMs, problem) {
      if (problem !== undefined) {
        left = 0
        return reject(new Error(problem))
      }
      const now = performance.now()
      recordMs(latency, now - begunMs)
      if (left > 0) begin(caller)
      else if (++ended === Math.min(calls, open)) resolve(now)
    },
    onLost: reason => reject(new Error(reason)),
  }
  const callers = await connections.openAll(owner, streams)
  /** The calls that are open at a time. The last call of each place has no successor. */
  const open = streams * callers.length
  try {
    const start = performance.now()
    for (let i = 0; i < streams; i++) for (const caller of callers) if (left > 0) begin(caller)
    for (const caller of callers) caller.flush()
    const end = await promise
    return { calls, seconds: (end - start) / 1_000, latency }
  } finally {
    for (const caller of callers) caller.close()
  }
}
