/** Who is told of calls when they are over, as the access log is. */
import type { CallRecord } from './record.ts'
import type { BeginTrace } from './trace.ts'

export interface CallObserver {
  /** It need be told only of calls that it has made parts of a trace, and that may be kept there. */
  readonly onlyTraced?: boolean
  /**
   * Called once for each call, when it is over. What it throws is logged as a fault, and harms neither the call nor
   * other observers.
   */
  onEnd(record: CallRecord): void
  /** At most one observer of a proxy has this. */
  readonly trace?: BeginTrace
}

/**
 * All of them as one.
 * @returns undefined where there is none: then nothing of a call is counted. A single one is returned as it is.
 */
export function oneObserver(observers: readonly (CallObserver | undefined)[]): CallObserver | undefined {
  const all = observers.filter(observer => observer !== undefined)
  if (all.length < 2) return all[0]
  const tracer = all.find(({ trace }) => trace !== undefined)
  return { onEnd: record => tell(all, record), ...(tracer && { trace: tracer.trace! }) }
}

/** @throws what the first of them threw, after all were told */
function tell(observers: readonly CallObserver[], record: CallRecord): void {
  const errors: unknown[] = []
  for (const observer of observers) {
    try {
      observer.onEnd(record)
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}
