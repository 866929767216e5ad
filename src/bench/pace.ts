/** The shape of slices, by how long calls last in the warm-up: the lead-in, and whether calls fit at all. */
import {
  BOUNDS,
  LEAD_IN_MARGIN,
  LEAD_IN_MS_MAX,
  LEAD_IN_SHARE,
  LOAD_GRACE_MS,
  LOAD_TIMES_MAX,
  SLICES,
} from './bounds.ts'
import { Distributions } from './distribution.ts'
import type { Plan, WayPlan } from './plan.ts'
import type { Slice } from './slice.ts'

/**
 * It is the same for all ways. In the open loop, as many calls as the rate keeps open must be open when the first call
 * begins that counts. Slices begin without calls, so calls that last would otherwise meet a service with little to do.
 */
export function leadInMsOf({ load, durationMs }: Plan, warm: readonly Slice[]): number {
  const sliceMs = durationMs / SLICES
  const leastMs = Math.min(LEAD_IN_MS_MAX, sliceMs * LEAD_IN_SHARE)
  if (load.kind === 'closed') return leastMs
  const longMs = Math.max(...warm.map(slice => percentileMs(slice, 0.99)))
  return Math.min(sliceMs, Math.max(leastMs, longMs * LEAD_IN_MARGIN))
}

/**
 * The first calls may last this long because of work that is done only once, and a short warm-up has no other calls.
 */
const COLD_MS = 1_000

/** Says why a way cannot be measured: each slice waits for its calls, which would last much longer than the slice. */
export function tooLong({ durationMs, warmUpMs }: Plan, { name, target }: WayPlan, warm: Slice): string | undefined {
  const sliceMs = durationMs / SLICES
  const typicalMs = percentileMs(warm, 0.5)
  const mostMs = warmUpMs < sliceMs ? Math.max(sliceMs, COLD_MS) : sliceMs
  // Failing calls tell nothing about how long calls last.
  if (typicalMs <= mostMs || warm.failed * 2 > warm.calls) return undefined
  return (
    `calls to ${target.name} (--${name}) last ${seconds(typicalMs)} s, longer than a slice, which is ` +
    `${seconds(sliceMs)} s: ${durationFor(typicalMs * LEAD_IN_MARGIN)}`
  )
}

/** The load ends after this time, whatever calls do. */
export function loadMsMax({ durationMs, ways }: Plan): number {
  return (LOAD_TIMES_MAX * durationMs + LOAD_GRACE_MS) * ways.length
}

/** Says why the load ended there. */
export function overdue(plan: Plan, slices: readonly Slice[]): string {
  const longestMs = Math.max(0, ...slices.map(slice => slice.longestMs))
  const sliceMs = plan.durationMs / SLICES
  return (
    `the load was ended after ${seconds(loadMsMax(plan))} s, as calls last much longer than a slice, which is ` +
    `${seconds(sliceMs)} s (the longest that ended: ${seconds(longestMs)} s): ` +
    `${durationFor(Math.max(longestMs, sliceMs * 2))}, or a shorter --timeout-ms`
  )
}

/** Advice that makes slices at least this long. */
function durationFor(sliceMs: number): string {
  const duration = Math.ceil((sliceMs * SLICES) / 1_000)
  const { most } = BOUNDS.duration
  return duration <= most
    ? `give --duration ${duration}`
    : `even --duration ${most}, the longest, is too short for them`
}

/** A percentile of the calls that ended with OK; 0 where there are none. */
function percentileMs({ latency }: Slice, share: number): number {
  return latency.totalCount === 0 ? 0 : new Distributions([latency]).percentile(share, [1]) / 1_000
}

function seconds(ms: number): string {
  return (ms / 1_000).toLocaleString('en', { maximumSignificantDigits: 3 })
}
