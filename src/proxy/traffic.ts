/** Calls in numbers that people read: rates, latencies, and who failed how, between two readings of the metrics. */
import type { Distribution, Labels, Reading, Sample } from '../observe/registry.ts'

/** Readings of one moment. */
export interface ReadingsAt {
  readonly nowMs: number
  readonly readings: readonly Reading[]
}

export interface Traffic {
  /** Calls that ended. */
  readonly perSecond: number
  /** Of them, those that did not end with OK. */
  readonly failedPerSecond: number
  readonly retriesPerSecond: number
  readonly requestBytesPerSecond: number
  readonly responseBytesPerSecond: number
  /** Of calls that ended in the last ten seconds. Absent where there were none. */
  readonly latency?: Percentiles
  /** Since the proxy began. */
  readonly total: number
  readonly failed: number
  readonly methodCount: number
  /** Those with the most calls first. */
  readonly methods: readonly MethodTraffic[]
}

/** Calls of one method at one backend. */
export interface MethodTraffic {
  readonly method: string
  /** `''` for calls that were not routed. */
  readonly backend: string
  readonly perSecond: number
  readonly failedPerSecond: number
  readonly latency?: Percentiles
  /** Since the proxy began. */
  readonly total: number
  /** Calls that did not end with OK, by status. */
  readonly failures: Readonly<Record<string, number>>
}

/** In milliseconds, estimated from the buckets of the histogram; no more than its last bound. */
export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

const CALLS = 'grpc_verbatim_calls_ended'
const SECONDS = 'grpc_verbatim_call_duration_seconds'
const RETRIES = 'grpc_verbatim_call_retries'
const BYTES = 'grpc_verbatim_message_bytes'
const MOST_METHODS = 50

/**
 * @param first the oldest moment, for what needs many calls. @param last the one before `now`
 * @returns undefined where calls are not counted
 */
export function trafficBetween(first: ReadingsAt, last: ReadingsAt, now: ReadingsAt): Traffic | undefined {
  const calls = samplesOf(now.readings, CALLS)
  if (calls === undefined) return undefined
  const seconds = Math.max(now.nowMs - last.nowMs, 1) / 1_000
  const since = (name: string, takes: (labels: Labels) => boolean = () => true) =>
    Math.max(0, sumOf(now.readings, name, takes) - sumOf(last.readings, name, takes)) / seconds
  const methods = methodsOf(first, last, now, seconds)
  const latency = percentilesOf(distributionOf(now.readings, SECONDS), distributionOf(first.readings, SECONDS))
  return {
    perSecond: since(CALLS),
    failedPerSecond: since(CALLS, hasFailed),
    retriesPerSecond: since(RETRIES),
    requestBytesPerSecond: since(BYTES, ({ direction }) => direction === 'request'),
    responseBytesPerSecond: since(BYTES, ({ direction }) => direction === 'response'),
    ...(latency && { latency }),
    total: sumOf(now.readings, CALLS, () => true),
    failed: sumOf(now.readings, CALLS, hasFailed),
    methodCount: methods.length,
    methods: methods.slice(0, MOST_METHODS),
  }
}

function hasFailed({ status }: Labels): boolean {
  return status !== 'OK'
}

export function samplesOf(readings: readonly Reading[], name: string): readonly Sample[] | undefined {
  return readings.find(reading => reading.name === name)?.samples
}

/** Of all samples that it takes, those of several processes too. */
export function sumOf(readings: readonly Reading[], name: string, takes: (labels: Labels) => boolean): number {
  let sum = 0
  for (const { labels = {}, value } of samplesOf(readings, name) ?? [])
    if (typeof value === 'number' && takes(labels)) sum += value
  return sum
}

/** All samples of a histogram as one. They have the same bounds. */
export function distributionOf(readings: readonly Reading[], name: string): Distribution | undefined {
  const all = (samplesOf(readings, name) ?? []).map(({ value }) => value).filter(value => typeof value !== 'number')
  const [any] = all
  if (any === undefined) return undefined
  const counts = new Array<number>(any.bounds.length + 1).fill(0)
  for (const each of all) for (let i = 0; i < counts.length; i++) counts[i]! += each.counts[i] ?? 0
  return { bounds: any.bounds, counts, sum: 0 }
}

/** @returns undefined where nothing was added since `before` */
export function percentilesOf(
  now: Distribution | undefined,
  before: Distribution | undefined,
): Percentiles | undefined {
  if (now === undefined) return undefined
  // After a change of the buckets there is nothing to compare with.
  const comparable = before?.bounds.length === now.bounds.length ? before : undefined
  const counts = Array.from(now.counts, (count, i) => Math.max(0, count - (comparable?.counts[i] ?? 0)))
  const all = counts.reduce((sum, count) => sum + count, 0)
  if (all === 0) return undefined
  // To the microsecond: more would be invented.
  const at = (part: number) => Math.round(placeOf(part * all, now.bounds, counts) * 1e6) / 1e3
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) }
}

/** Where so many values are below, as if those of a bucket were spread evenly over it. */
function placeOf(rank: number, bounds: readonly number[], counts: readonly number[]): number {
  let below = 0
  for (let i = 0; i < bounds.length; i++) {
    const count = counts[i]!
    if (below + count >= rank) {
      const from = bounds[i - 1] ?? 0
      return from + (bounds[i]! - from) * (count === 0 ? 1 : (rank - below) / count)
    }
    below += count
  }
  return bounds.at(-1) ?? 0
}

/** What is known of one method at one backend at a moment. */
class MethodCounts {
  readonly method: string
  readonly backend: string
  total = 0
  failed = 0
  readonly failures: Record<string, number> = {}
  latency: Distribution | undefined

  constructor(method: string, backend: string) {
    this.method = method
    this.backend = backend
  }
}

function countsOf({ readings }: ReadingsAt): Map<string, MethodCounts> {
  const all = new Map<string, MethodCounts>()
  const of = ({ method = '', backend = '' }: Labels) => {
    const key = `${method}\n${backend}`
    const counts = all.get(key) ?? new MethodCounts(method, backend)
    all.set(key, counts)
    return counts
  }
  for (const { labels = {}, value } of samplesOf(readings, CALLS) ?? []) {
    if (typeof value !== 'number') continue
    const counts = of(labels)
    counts.total += value
    if (!hasFailed(labels)) continue
    counts.failed += value
    const { status = '' } = labels
    counts.failures[status] = (counts.failures[status] ?? 0) + value
  }
  for (const { labels = {}, value } of samplesOf(readings, SECONDS) ?? [])
    if (typeof value !== 'number') of(labels).latency = value
  return all
}

function methodsOf(first: ReadingsAt, last: ReadingsAt, now: ReadingsAt, seconds: number): MethodTraffic[] {
  const [oldest, before] = [countsOf(first), countsOf(last)]
  const methods = Array.from(countsOf(now), ([key, counts]) => {
    const { method, backend, total, failed, failures } = counts
    const latency = percentilesOf(counts.latency, oldest.get(key)?.latency)
    return {
      ...{ method, backend },
      perSecond: Math.max(0, total - (before.get(key)?.total ?? 0)) / seconds,
      failedPerSecond: Math.max(0, failed - (before.get(key)?.failed ?? 0)) / seconds,
      ...(latency && { latency }),
      ...{ total, failures },
    }
  })
  return methods.filter(({ total }) => total > 0).sort((a, b) => b.perSecond - a.perSecond || b.total - a.total)
}
