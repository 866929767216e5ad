/** What one slice of a measurement yields: latencies of the calls that ended with OK, and how the others ended. */
import { Status } from '../grpc/status.ts'
import type { Call } from './call.ts'
import { newHistogram, recordMs } from './histogram.ts'

/** Calls that ended with one status. */
export interface Ending {
  count: number
  /** The detail of the first of them. */
  readonly detail: string
}

/** So many different grpc-status values are counted apart. There are 17, and a server may invent more. */
const ENDINGS_MAX = 32

export class Slice {
  /** How many of the calls that count have ended. */
  calls = 0
  /** The time from the first call that may count to the end of the last that does. */
  seconds = 0
  /** All calls that began, also in the lead-in, and the time from the start to the end of the last. */
  begun = 0
  wallSeconds = 0
  /** The longest of the calls that count, failed or not. */
  longestMs = 0
  /** Response messages of the calls that ended with OK. */
  responses = 0
  /** Whether it went to its end as planned. */
  complete = false
  /** Calls that would count and were open when it was stopped. They may be the slowest, and are in no percentile. */
  left = 0
  /** Why it was cut short, where nobody stopped it. */
  cut: string | undefined
  /** Why the load was stopped, where the service does not carry it. */
  overload: string | undefined
  readonly latency = newHistogram()
  /** How much later than intended calls began. That is the load's own fault, and part of latency. */
  readonly late = newHistogram()
  readonly endings = new Map<number, Ending>()

  /** A call began. @param counts whether it is not part of the lead-in */
  begin(counts: boolean): void {
    this.begun++
    if (counts) this.left++
  }

  /** A call that counts ended. */
  end(call: Call): void {
    this.left--
    this.add(call)
  }

  add(call: Call): void {
    const { status = Status.UNKNOWN } = call
    this.calls++
    this.longestMs = Math.max(this.longestMs, call.endedMs - call.intendedMs)
    recordMs(this.late, call.begunMs - call.intendedMs)
    const key = this.endings.has(status) || this.endings.size < ENDINGS_MAX ? status : Status.UNKNOWN
    const ending = this.endings.get(key)
    if (ending === undefined) this.endings.set(key, { count: 1, detail: call.detail })
    else ending.count++
    if (status !== Status.OK) return
    this.responses += call.responses
    recordMs(this.latency, call.endedMs - call.intendedMs)
  }

  get failed(): number {
    return this.calls - (this.endings.get(Status.OK)?.count ?? 0)
  }
}
