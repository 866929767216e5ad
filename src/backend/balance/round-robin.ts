/** One after the other. Who takes a call has had its turn; who is full, or fails, is passed over. */
import type { Endpoint } from '../endpoint.ts'
import type { Balancer } from './balancer.ts'

export class RoundRobin implements Balancer {
  readonly #endpoints: readonly Endpoint[]
  /** Whose turn it is in the next walk: the one behind whom the walk came to last. */
  #turn: number
  /** Where the walk began, and how many it may ask yet. */
  #began = 0
  #left = 0

  /** @param turn who begins */
  constructor(endpoints: readonly Endpoint[], turn: number) {
    this.#endpoints = endpoints
    this.#turn = turn
  }

  first(): Endpoint | undefined {
    this.#began = this.#turn
    this.#left = this.#endpoints.length
    return this.next()
  }

  next(): Endpoint | undefined {
    if (this.#left === 0) {
      // Nobody took it, so nobody has had a turn.
      this.#turn = this.#began
      return undefined
    }
    this.#left--
    const endpoint = this.#endpoints[this.#turn]!
    if (++this.#turn === this.#endpoints.length) this.#turn = 0
    return endpoint
  }
}

/**
 * Begins anywhere: a list may change often, and in many proxies at once, and whoever is first in it would get more than
 * its part.
 */
export function roundRobin(endpoints: readonly Endpoint[], random: () => number): RoundRobin {
  return new RoundRobin(endpoints, Math.floor(random() * endpoints.length))
}
