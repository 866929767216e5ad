/** Which calls are kept in traces. Some of it is known when a call begins, and some only when it is over. */
import type { CallRecord } from '../call/record.ts'
import type { Incoming } from './propagation.ts'

export interface SampleRules {
  /** What the client says of its trace decides, where it says something. */
  readonly parent: boolean
  /** The part of all other traces that is kept, from 0 to 1. */
  readonly ratio: number
  /** Calls that do not end with OK are kept, too. */
  readonly errors: boolean
  /** Calls that take longer are kept, too. */
  readonly slowerThanMs?: number | undefined
}

/** Whether there are rules for the end of a call. */
export function decidesLate({ errors, slowerThanMs }: SampleRules): boolean {
  return errors || slowerThanMs !== undefined
}

/** @param place of the trace, from 0 to 1 */
export function isSampled({ parent, ratio }: SampleRules, { sampled }: Incoming, place: number): boolean {
  return parent && sampled !== undefined ? sampled : place >= 1 - ratio
}

export function isKeptLate({ errors, slowerThanMs }: SampleRules, { status, durationMs }: CallRecord): boolean {
  return (errors && status !== 0) || (slowerThanMs !== undefined && durationMs > slowerThanMs)
}

/**
 * Where the trace is from 0 to 1, by the last seven bytes of its id, which are random (W3C Trace Context Level 2). Samplers
 * of OpenTelemetry keep the upper part as well, so that a trace that one of two programs keeps with the lower ratio is kept
 * by both. A number of JavaScript holds six of these bytes.
 */
export function placeOf(traceId: string): number {
  return Number.parseInt(traceId.slice(18, 30), 16) / 2 ** 48
}
