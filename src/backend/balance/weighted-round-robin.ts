/**
 * The endpoints take turns, and those with more weight more of them: each has its next turn one over its weight after the
 * last one, and whoever is due first is next (earliest deadline first, as in Envoy).
 *
 * ```
 *   weights 3, 1        due
 *   a                   0.1  0.43  0.77  1.1  1.43  1.77  2.1        a a b a a a b a
 *   b                             0.6               1.6
 * ```
 *
 * So the turns of one endpoint are spread evenly, and a turn costs the height of a heap, however much the weights differ.
 */
import type { Waiter } from '../client-share.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Balancer } from './balancer.ts'

/** Then all times begin anew: as numbers grow, fractions are lost. */
const LATEST = 2 ** 30

export class WeightedRoundRobin implements Balancer {
  protected readonly endpoints: readonly Endpoint[]
  /** Between two turns of each, in units in which the mean of the weights is 1. */
  readonly #gap: Float64Array
  /** When each has its next turn. */
  readonly #due: Float64Array
  /** The endpoints, so that each is due no later than the two at twice its place. */
  readonly #heap: Uint32Array
  /** When the last turn was. */
  #now = 0
  /** Where this walk is, and how many endpoints it has not asked yet. */
  #at = 0
  #left = 0

  /** @param random from 0 up to 1: when each has its first turn, as many proxies must not all begin with the same few */
  constructor(endpoints: readonly Endpoint[], random: () => number) {
    this.endpoints = endpoints
    this.#gap = new Float64Array(endpoints.length).fill(1)
    this.#due = Float64Array.from(endpoints, random)
    this.#heap = Uint32Array.from(endpoints, (_, i) => i)
    this.weigh(endpoints.map(({ weight }) => weight))
  }

  /** Who has waited for a part of its time has waited for the same part of its new time. */
  protected weigh(weights: readonly number[]): void {
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length
    for (let i = 0; i < weights.length; i++) {
      const gap = mean / weights[i]!
      this.#due[i] = ((this.#due[i]! - this.#now) / this.#gap[i]!) * gap
      this.#gap[i] = gap
    }
    this.#now = 0
    for (let at = this.#heap.length >> 1; at >= 0; at--) this.#sink(at)
  }

  first(_call: Waiter): Endpoint | undefined {
    if (this.endpoints.length === 0) return undefined
    const at = this.#heap[0]!
    this.#now = this.#due[at]!
    this.#due[at] = this.#now + this.#gap[at]!
    this.#sink(0)
    if (this.#now > LATEST) this.#beginAnew()
    this.#at = at
    this.#left = this.endpoints.length - 1
    return this.endpoints[at]
  }

  #beginAnew(): void {
    for (let i = 0; i < this.#due.length; i++) this.#due[i]! -= this.#now
    this.#now = 0
  }

  /** One that could not take the call has had its turn: it is full, or fails, and the others do its work. */
  next(): Endpoint | undefined {
    if (this.#left === 0) return undefined
    this.#left--
    this.#at = this.#at + 1 === this.endpoints.length ? 0 : this.#at + 1
    return this.endpoints[this.#at]
  }

  /** Down to where it is due no later than those below. */
  #sink(from: number): void {
    const heap = this.#heap
    const due = this.#due
    const { length } = heap
    if (from >= length) return
    const sinking = heap[from]!
    let at = from
    for (let below = 2 * at + 1; below < length; below = 2 * at + 1) {
      if (below + 1 < length && due[heap[below + 1]!]! < due[heap[below]!]!) below++
      if (due[heap[below]!]! >= due[sinking]!) break
      heap[at] = heap[below]!
      at = below
    }
    heap[at] = sinking
  }
}
