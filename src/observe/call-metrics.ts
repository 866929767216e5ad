/**
 * Calls as metrics: how many, how they ended, how long they took, and what they carried. Nothing is made for a call: its
 * method has an object with the counters, which is found by the path.
 *
 * A client can make no series. A method has its own only when a route names it, or when a backend has answered a call of
 * it with OK: paths that a client invents are all one, `other`. Their number has a bound, too, and so has that of backends.
 * Authorities, addresses, messages and whatever else a peer chooses are no labels.
 */

import type { EndedBy } from '../call/failure.ts'
import type { CallObserver, MirrorRecord } from '../call/observer.ts'
import type { CallRecord } from '../call/record.ts'
import { statusName } from '../grpc/status.ts'
import { FailureCounts } from './failure-counts.ts'
import { MirrorMetrics } from './mirror-metrics.ts'
import { type Family, Histogram, type Sample } from './registry.ts'

export interface CallMetricsOptions {
  /** Bounds of latencies, in seconds. */
  readonly bucketsSeconds: readonly number[]
  /** Most methods that have series of their own. */
  readonly maxMethods: number
}

/** Of calls that have no series of their own. Never a path: those begin with a slash. */
const OTHER = 'other'
/** As many as the state tells. Beyond them the backend is `other`, too. */
const MAX_BACKENDS = 1_000
const MAX_STATUS = 16
/** Places behind those of the statuses: a backend may send any number, or none. */
const UNKNOWN_STATUS = MAX_STATUS + 1
const NO_STATUS = MAX_STATUS + 2

/** The counters of one method at one backend. */
class Series {
  readonly method: string
  readonly backend: string
  /** By status, and then by who ended the call. */
  readonly ended: Record<EndedBy, number>[] = []
  readonly seconds: Histogram
  requestMessages = 0
  requestBytes = 0
  responseMessages = 0
  responseBytes = 0
  retries = 0

  constructor(method: string, backend: string, bounds: readonly number[]) {
    this.method = method
    this.backend = backend
    this.seconds = new Histogram(bounds)
  }

  add({ status, endedBy, durationMs, request, response, retries, trace }: CallRecord): void {
    const at = status < 0 ? NO_STATUS : Math.min(status, UNKNOWN_STATUS)
    this.ended[at] ??= { backend: 0, client: 0, proxy: 0 }
    this.ended[at][endedBy]++
    this.seconds.add(durationMs / 1_000, trace?.kept ? trace.traceId : undefined)
    this.requestMessages += request.messages
    this.requestBytes += request.bytes
    this.responseMessages += response.messages
    this.responseBytes += response.bytes
    this.retries += retries
  }

  get labels() {
    return { method: this.method, backend: this.backend }
  }
}

export class CallMetrics implements CallObserver {
  readonly #options: CallMetricsOptions
  /** By path, and then by backend. */
  readonly #methods = new Map<string, Map<string, Series>>()
  readonly #others = new Map<string, Series>()
  readonly #backends = new Set<string>()
  /** The one that was used last. */
  #last: Series | undefined
  readonly #failures = new FailureCounts()
  readonly #mirrors: MirrorMetrics

  /** @param known paths of methods that have series from their first call on */
  constructor(options: CallMetricsOptions, known: Iterable<string> = []) {
    this.#options = options
    this.#mirrors = new MirrorMetrics(options.bucketsSeconds)
    this.know(known)
  }

  know(methods: Iterable<string>): void {
    for (const path of methods) this.#seriesOf(path)
  }

  #seriesOf(path: string): Map<string, Series> | undefined {
    const known = this.#methods.get(path)
    if (known !== undefined || this.#methods.size >= this.#options.maxMethods) return known
    const series = new Map<string, Series>()
    this.#methods.set(path, series)
    return series
  }

  onEnd(record: CallRecord): void {
    const { path, backend, endedBy } = record
    // Calls of one method come in crowds, and what their client's cache made of the path is one string.
    let last = this.#last
    if (last?.method !== path || last.backend !== backend) this.#last = last = this.#find(record)
    last.add(record)
    // How a client ended its call is no failure of ours.
    if (endedBy === 'proxy') this.#failures.add(record, last.backend)
  }

  onMirrored(record: MirrorRecord): void {
    this.#mirrors.add(record)
  }

  #find({ path, backend, status, endedBy }: CallRecord): Series {
    const series = this.#methods.get(path) ?? (status === 0 && endedBy === 'backend' ? this.#seriesOf(path) : undefined)
    return this.#at(series ?? this.#others, series === undefined ? OTHER : path, this.#named(backend))
  }

  /** A director may make backends of what clients send. */
  #named(backend: string): string {
    if (this.#backends.has(backend)) return backend
    if (this.#backends.size >= MAX_BACKENDS) return OTHER
    this.#backends.add(backend)
    return backend
  }

  #at(all: Map<string, Series>, method: string, backend: string): Series {
    let series = all.get(backend)
    if (series === undefined) {
      series = new Series(method, backend, this.#options.bucketsSeconds)
      all.set(backend, series)
    }
    return series
  }

  *#all(): Iterable<Series> {
    for (const series of this.#methods.values()) yield* series.values()
    yield* this.#others.values()
  }

  #each(sample: (series: Series) => Sample): () => Iterable<Sample> {
    return () => [...this.#all()].map(sample)
  }

  /** A counter with the label `direction`. */
  #both(request: (series: Series) => number, response: (series: Series) => number): () => Iterable<Sample> {
    return () =>
      [...this.#all()].flatMap(series => [
        { labels: { ...series.labels, direction: 'request' }, value: request(series) },
        { labels: { ...series.labels, direction: 'response' }, value: response(series) },
      ])
  }

  *#ended(): Iterable<Sample> {
    for (const { labels, ended } of this.#all()) {
      for (const [status, by] of ended.entries()) {
        if (by === undefined) continue
        for (const [endedBy, value] of Object.entries(by)) {
          if (value > 0) yield { labels: { ...labels, status: nameOf(status), ended_by: endedBy }, value }
        }
      }
    }
  }

  get families(): Family[] {
    return [
      {
        name: 'grpc_verbatim_calls_ended',
        help: 'Calls that are over, by status and by who ended them.',
        type: 'counter',
        samples: () => this.#ended(),
      },
      {
        name: 'grpc_verbatim_call_duration_seconds',
        help: 'From the arrival of the headers to the end of the call.',
        type: 'histogram',
        samples: this.#each(({ labels, seconds }) => ({ labels, value: seconds })),
      },
      {
        name: 'grpc_verbatim_messages',
        help: 'Messages, counted by their prefix.',
        type: 'counter',
        samples: this.#both(
          series => series.requestMessages,
          series => series.responseMessages,
        ),
      },
      {
        name: 'grpc_verbatim_message_bytes',
        help: 'Bytes of DATA payload: messages with their prefixes.',
        type: 'counter',
        samples: this.#both(
          series => series.requestBytes,
          series => series.responseBytes,
        ),
      },
      {
        name: 'grpc_verbatim_call_retries',
        help: 'Attempts after the first one of a call.',
        type: 'counter',
        samples: this.#each(({ labels, retries }) => ({ labels, value: retries })),
      },
      ...this.#failures.families,
      ...this.#mirrors.families,
    ]
  }
}

function nameOf(status: number): string {
  if (status === NO_STATUS) return 'none'
  return status === UNKNOWN_STATUS ? OTHER : statusName(status)
}
