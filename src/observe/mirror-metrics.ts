/** Mirrored calls as metrics: how their copies ended, beside the calls. */
import type { MirrorRecord } from '../call/observer.ts'
import { type Family, Histogram, type Sample } from './registry.ts'

/** Pairs of backends with series of their own, as a director may make backends of what clients send. */
const MAX_PAIRS = 100
const OTHER = 'other'

/** The counters of the calls of one backend with copies at another. */
class Pair {
  readonly labels: { readonly backend: string; readonly mirror: string }
  readonly outcomes = new Map<string, number>()
  readonly callSeconds: Histogram
  readonly copySeconds: Histogram

  constructor(backend: string, mirror: string, bounds: readonly number[]) {
    this.labels = { backend, mirror }
    this.callSeconds = new Histogram(bounds)
    this.copySeconds = new Histogram(bounds)
  }

  add({ outcome, reason, durationMs, mirroredDurationMs }: MirrorRecord): void {
    const how = reason ?? outcome
    this.outcomes.set(how, (this.outcomes.get(how) ?? 0) + 1)
    if (durationMs !== undefined) this.callSeconds.add(durationMs / 1_000)
    if (mirroredDurationMs !== undefined) this.copySeconds.add(mirroredDurationMs / 1_000)
  }
}

export class MirrorMetrics {
  readonly #bounds: readonly number[]
  readonly #pairs = new Map<string, Map<string, Pair>>()
  #size = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
  }

  add(record: MirrorRecord): void {
    const { backend, mirror } = record
    const known = this.#pairs.get(backend)?.get(mirror)
    if (known !== undefined) return known.add(record)
    if (this.#size < MAX_PAIRS) this.#pairOf(backend, mirror).add(record)
    else this.#pairOf(OTHER, OTHER).add(record)
  }

  #pairOf(backend: string, mirror: string): Pair {
    const mirrors = this.#pairs.get(backend) ?? new Map<string, Pair>()
    this.#pairs.set(backend, mirrors)
    let pair = mirrors.get(mirror)
    if (pair === undefined) {
      pair = new Pair(backend, mirror, this.#bounds)
      mirrors.set(mirror, pair)
      this.#size++
    }
    return pair
  }

  #all(): Pair[] {
    return [...this.#pairs.values()].flatMap(mirrors => [...mirrors.values()])
  }

  *#outcomes(): Iterable<Sample> {
    for (const { labels, outcomes } of this.#all()) {
      for (const [outcome, value] of outcomes) yield { labels: { ...labels, outcome }, value }
    }
  }

  get families(): Family[] {
    return [
      {
        name: 'grpc_verbatim_mirrored_calls',
        help: 'Copies of calls at a second backend: with the same status as the call, with a different one, or given up, by why.',
        type: 'counter',
        samples: () => this.#outcomes(),
      },
      {
        name: 'grpc_verbatim_mirrored_duration_seconds',
        help: 'Of calls and their copies that both ended: from when each went to its endpoint to the end of its response.',
        type: 'histogram',
        samples: () =>
          this.#all().flatMap(({ labels, callSeconds, copySeconds }) => [
            { labels: { ...labels, of: 'call' }, value: callSeconds },
            { labels: { ...labels, of: 'copy' }, value: copySeconds },
          ]),
      },
    ]
  }
}
