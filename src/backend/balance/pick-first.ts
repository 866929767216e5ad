/**
 * All calls go to the first endpoint of the list. The next one has them while those before it fail, or have no stream
 * left: a spare, or a server that is far away.
 */
import type { Endpoint } from '../endpoint.ts'
import type { Balancer } from './balancer.ts'

export class PickFirst implements Balancer {
  readonly #endpoints: readonly Endpoint[]
  #at = 0

  constructor(endpoints: readonly Endpoint[]) {
    this.#endpoints = endpoints
  }

  first(): Endpoint | undefined {
    this.#at = 0
    return this.next()
  }

  next(): Endpoint | undefined {
    return this.#endpoints[this.#at++]
  }
}
