/** The endpoints take turns. One that takes a call has had its turn; one that is full or fails is passed over. */
import type { Endpoint } from '../endpoint.ts'
import type { Balancer } from './balancer.ts'

export class RoundRobin implements Balancer {
  readonly #endpoints: readonly Endpoint[]
  /** The endpoint that is asked next: the one after the endpoint that was asked last. */
  #turn: number
  /** Where the walk began, and how many endpoints it has not asked yet. */
  #began = 0
  #left = 0

  /** @param turn which endpoint is first */
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
      // No endpoint took the call, so none has had its turn.
      this.#turn = this.#began
      return undefined
    }
    this.#left--
    const endpoint = this.#endpoints[this.#turn]!
    if (++this.#turn === this.#endpoints.length) this.#turn = 0
    return endpoint
  }
}
