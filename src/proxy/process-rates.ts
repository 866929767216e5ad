/** What a process uses, or several together, in numbers that people read. */
import { distributionOf, percentilesOf, type ReadingsAt, samplesOf, sumOf } from './traffic.ts'

export interface ProcessRates {
  readonly processes: number
  /** In use: 1.5 is one and a half. */
  readonly cores: number
  readonly residentBytes: number
  readonly heapUsedBytes: number
  readonly heapTotalBytes: number
  readonly externalBytes: number
  /** The part of the time in which the event loop had work, from 0 to 1; of the busiest process. */
  readonly loopUse: number
  /** How late it came to its timers. Absent where nothing was measured. */
  readonly loopDelayMs?: { readonly p50: number; readonly p99: number }
}

const LOOP_ACTIVE = 'nodejs_eventloop_active_seconds'
const LOOP_DELAY = 'nodejs_eventloop_delay_seconds'

/** @returns undefined where it is not measured */
export function processRates(last: ReadingsAt, now: ReadingsAt): ProcessRates | undefined {
  const processes = samplesOf(now.readings, LOOP_ACTIVE)?.length ?? 0
  if (processes === 0) return undefined
  const seconds = Math.max(now.nowMs - last.nowMs, 1) / 1_000
  const sum = (name: string) => sumOf(now.readings, name, () => true)
  const delay = percentilesOf(distributionOf(now.readings, LOOP_DELAY), distributionOf(last.readings, LOOP_DELAY))
  return {
    processes,
    cores: Math.max(0, sum('process_cpu_seconds') - sumOf(last.readings, 'process_cpu_seconds', () => true)) / seconds,
    residentBytes: sum('process_resident_memory_bytes'),
    heapUsedBytes: sum('nodejs_heap_size_used_bytes'),
    heapTotalBytes: sum('nodejs_heap_size_total_bytes'),
    externalBytes: sum('nodejs_external_memory_bytes'),
    loopUse: busiest(last, now, seconds),
    ...(delay && { loopDelayMs: { p50: delay.p50, p99: delay.p99 } }),
  }
}

/** Processes are told apart by their labels. */
function busiest(last: ReadingsAt, now: ReadingsAt, seconds: number): number {
  const before = new Map(
    (samplesOf(last.readings, LOOP_ACTIVE) ?? []).map(({ labels, value }) => [keyOf(labels), value]),
  )
  const uses = (samplesOf(now.readings, LOOP_ACTIVE) ?? []).map(({ labels, value }) => {
    const then = before.get(keyOf(labels))
    return typeof value === 'number' && typeof then === 'number' ? (value - then) / seconds : 0
  })
  return Math.min(1, Math.max(0, ...uses))
}

function keyOf(labels: object | undefined): string {
  return JSON.stringify(labels ?? {})
}
