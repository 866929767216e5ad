/** The numbers that scenarios yield, by name. Units are those of a call unless the name says otherwise. */
import type { Metric } from '../report/record.ts'

export const CALLS: Metric = { name: 'calls/s', unit: '/s', digits: 0, better: 'more' }
export const MESSAGES: Metric = { name: 'messages/s', unit: '/s', digits: 0, better: 'more' }
export const MEGABYTES: Metric = { name: 'MB/s', unit: 'MB/s', digits: 1, better: 'more' }

/** What CPU and system calls are divided by. */
export type Unit = 'call' | 'message' | 'GB'

export interface UnitMetrics {
  readonly cpu: Metric
  readonly user: Metric
  readonly system: Metric
  readonly switches: Metric
  readonly syscalls: Metric
}

/** User and system time of the subject's whole process tree; voluntary and other switches of all its threads. */
export function unitMetrics(of: Unit): UnitMetrics {
  const unit = of === 'GB' ? 'ms' : 'µs'
  const digits = of === 'call' ? 1 : of === 'GB' ? 0 : 2
  return {
    cpu: { name: `CPU a ${of}`, unit, digits, better: 'less' },
    user: { name: `user a ${of}`, unit, digits, better: 'less' },
    system: { name: `system a ${of}`, unit, digits, better: 'less' },
    switches: { name: `context switches a ${of}`, unit: '', digits: of === 'GB' ? 0 : 3, better: 'less' },
    syscalls: { name: `syscalls a ${of}`, unit: '', digits: of === 'GB' ? 0 : 2, better: 'less' },
  }
}

/** Microseconds from the intended time in open loops, from a call's beginning in closed ones. */
export const P50: Metric = { name: 'p50', unit: 'µs', digits: 0, better: 'less' }
export const P90: Metric = { name: 'p90', unit: 'µs', digits: 0, better: 'less' }
export const P99: Metric = { name: 'p99', unit: 'µs', digits: 0, better: 'less' }
export const P999: Metric = { name: 'p99.9', unit: 'µs', digits: 0, better: 'less' }
export const MAX: Metric = { name: 'max', unit: 'µs', digits: 0, better: 'less' }
/** The subject's percentile less that of `direct` in the same round. */
export const ADDED: readonly (readonly [added: Metric, of: Metric])[] = [
  [{ name: 'added p50', unit: 'µs', digits: 0, better: 'less' }, P50],
  [{ name: 'added p99', unit: 'µs', digits: 0, better: 'less' }, P99],
]
export const LATENCIES: readonly Metric[] = [P50, P90, P99, P999, MAX, ...ADDED.map(([added]) => added)]

/** Resident memory of the process tree: after a measurement, and the most during it; shared pages once. */
export const STEADY: Metric = { name: 'memory', unit: 'MiB', digits: 0, better: 'less' }
export const PEAK: Metric = { name: 'peak memory', unit: 'MiB', digits: 0, better: 'less' }

/**
 * CPU as a share of the load's time. Far below 100 the load was the limit, and rates are the load's and not the
 * subject's.
 */
export const BUSY: Metric = { name: 'busy', unit: '%', digits: 0 }
/** What others had of the subject's core, which shows whether it was alone. */
export const FOREIGN: Metric = { name: 'foreign', unit: '%', digits: 0 }
/** How late the load itself was. It is part of each latency, in the same way for all. */
export const LAG: Metric = { name: 'lag p99', unit: 'µs', digits: 0 }
export const RATE: Metric = { name: 'rate', unit: '/s', digits: 0 }

const UNIT_RATES = { call: [CALLS], message: [MESSAGES, MEGABYTES], GB: [MEGABYTES] } as const

/** All metrics of a closed loop. The record leaves out those that a subject or a machine cannot have. */
export function closedMetrics(of: Unit): Metric[] {
  const { cpu, user, system, switches, syscalls } = unitMetrics(of)
  const rest = [STEADY, PEAK, switches, syscalls, BUSY, FOREIGN]
  return [cpu, user, system, ...UNIT_RATES[of], ...LATENCIES, ...rest]
}
