/**
 * The endpoint with the least load of a few that are chosen at random ("the power of two choices"). To choose among all
 * would send every proxy's next calls to the same one. What the load of an endpoint is, a subclass says.
 *
 * With weights one of weight 3 is chosen three times as often; a subclass compares loads for each unit of weight.
 */
import type { Waiter } from '../client-share.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Balancer } from './balancer.ts'
import { partAt } from './line.ts'

const NONE = -1

/** gRFC A48: two choices are most of what there is to gain. */
export const DEFAULT_CHOICES = 2

export abstract class LeastLoaded implements Balancer {
  readonly #endpoints: readonly Endpoint[]
  readonly #choices: number
  readonly #random: () => number
  /** The sums of the weights up to and with each; none where all weights are the same. */
  readonly #upTo: readonly number[] | undefined
  /** Those that this walk has asked by choice. */
  #failed = NONE
  #chosen = NONE
  #hasChosen = false
  /** Then it asks all others, from a place that nobody can foresee, so that no neighbour has all their calls. */
  #start = 0
  #left = 0

  /** @param choices at least 1; more choices are nearer to the least of all */
  constructor(endpoints: readonly Endpoint[], choices: number, random: () => number) {
    this.#endpoints = endpoints
    this.#choices = choices
    this.#random = random
    const weights = endpoints.map(({ weight }) => weight)
    if (new Set(weights).size > 1) {
      let sum = 0
      this.#upTo = weights.map(weight => (sum += weight))
    }
  }

  /** Counts the call that is about to come: of two that are idle the one with more weight has less load. */
  protected abstract hasLess(one: Endpoint, other: Endpoint): boolean

  first(_call: Waiter): Endpoint | undefined {
    const { length } = this.#endpoints
    if (length === 0) return undefined
    this.#left = length
    this.#start = this.#anyBut(NONE)
    this.#failed = this.#chosen = NONE
    this.#hasChosen = false
    // It has no calls in flight, and looks like the best of all. It is asked, which lets it be dialled again, and then
    // others are chosen.
    if (this.#endpoints[this.#start]!.failing) {
      this.#failed = this.#start
      return this.#endpoints[this.#start]
    }
    this.#hasChosen = true
    this.#chosen = this.#least(this.#start, this.#choices - 1)
    return this.#endpoints[this.#chosen]
  }

  next(): Endpoint | undefined {
    if (!this.#hasChosen) {
      this.#hasChosen = true
      this.#chosen = this.#least(NONE, this.#choices)
      if (this.#chosen !== NONE) return this.#endpoints[this.#chosen]
    }
    const { length } = this.#endpoints
    while (this.#left > 0) {
      const at = (this.#start + length - this.#left) % length
      this.#left--
      if (at !== this.#failed && at !== this.#chosen) return this.#endpoints[at]
    }
    return undefined
  }

  /** Any but this one: with the same one twice there would be no choice, and one that is slow had 1 of N² calls. */
  #anyBut(but: number): number {
    const upTo = this.#upTo
    const { length } = this.#endpoints
    if (length === 1) return 0
    if (upTo === undefined) {
      if (but === NONE) return Math.floor(this.#random() * length)
      const at = Math.floor(this.#random() * (length - 1))
      return at < but ? at : at + 1
    }
    const start = but > 0 ? upTo[but - 1]! : 0
    const skipped = but === NONE ? 0 : upTo[but]! - start
    const point = this.#random() * (upTo.at(-1)! - skipped)
    return partAt(upTo, point < start ? point : point + skipped)
  }

  /** The least of `known`, if there is one, and so many that are chosen now, without those that fail. */
  #least(known: number, choices: number): number {
    let least = known
    for (let i = 0; i < choices; i++) {
      const at = this.#anyBut(least)
      const endpoint = this.#endpoints[at]!
      if (!endpoint.failing && (least === NONE || this.hasLess(endpoint, this.#endpoints[least]!))) least = at
    }
    return least
  }
}

/** Calls that wait for a first session are as good as there: or an endpoint that is being dialled would get all calls. */
export function callsOf({ inFlight, awaited }: Endpoint): number {
  return inFlight + awaited
}
