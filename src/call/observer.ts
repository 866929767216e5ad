/** Who is told of calls when they are over, as the access log is. */
import type { Unavailable } from '../backend/client-share.ts'
import type { CallRecord } from './record.ts'
import type { BeginTrace } from './trace.ts'

/** Why a copy was given up, which says nothing of its call. */
export type MirrorDrop =
  | Exclude<Unavailable, 'closed'>
  | 'answers-more'
  | 'behind'
  | 'call-ended'
  | 'late'
  | 'memory'
  | 'unsendable'

/** A call and its copy at a second backend. */
export interface MirrorRecord {
  readonly path: string
  /** Of the call. */
  readonly backend: string
  /** Of the copy. */
  readonly mirror: string
  /** Whether both had the same status; or the copy was given up. */
  readonly outcome: 'same' | 'different' | 'dropped'
  /** Of a copy that was given up. */
  readonly reason?: MirrorDrop
  /** What follows is there where both ended. -1: a response without a status. */
  readonly status?: number
  readonly mirroredStatus?: number
  /** From when each went to its endpoint to the end of its response. */
  readonly durationMs?: number
  readonly mirroredDurationMs?: number
}

export interface CallObserver {
  /** It need be told only of calls that it has made parts of a trace, and that may be kept there. */
  readonly onlyTraced?: boolean
  /**
   * Called once for each call, when it is over. What it throws is logged as a fault, and harms neither the call nor
   * other observers.
   */
  onEnd(record: CallRecord): void
  /** Called once for each call that had a copy, when both are over. */
  onMirrored?(record: MirrorRecord): void
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
  const mirrors = all.filter(({ onMirrored }) => onMirrored !== undefined)
  return {
    onEnd: record => tell(all, observer => observer.onEnd(record)),
    ...(mirrors.length > 0 && {
      onMirrored: (record: MirrorRecord) => tell(mirrors, observer => observer.onMirrored!(record)),
    }),
    ...(tracer && { trace: tracer.trace! }),
  }
}

/** @throws what the first of them threw, after all were told */
function tell(observers: readonly CallObserver[], about: (observer: CallObserver) => void): void {
  const errors: unknown[] = []
  for (const observer of observers) {
    try {
      about(observer)
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}
