/**
 * Calls with the same key go to the same endpoint, whichever proxy they come through, and stay there while others come and
 * go: a circle with many places of each endpoint. A call that its endpoint cannot take goes to the owners of the places
 * behind, so that the keys of one that fails are spread over all others.
 *
 * With a bound on load ("Consistent Hashing with Bounded Loads", Mirrokni and others, 2017) an endpoint that has more than
 * its part of the calls in flight, times a factor, is passed over, so that a key which is used much cannot bring it down.
 */

import { hashText } from '../../routing/hash.ts'
import type { Waiter } from '../client-share.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Balancer } from './balancer.ts'
import type { Circle, MakeCircle } from './circle.ts'
import { callsOf } from './least-loaded.ts'
import { sorted } from './sorted.ts'

/** A walk looks at so many places for each endpoint, by which it has found nearly all; then it asks the rest as they come. */
const PLACES_FOR_EACH = 4

/** The calls in flight are counted anew after so many walks for each endpoint: it is four additions a walk. */
const WALKS_FOR_EACH = 1 / 4

const MOST_WALKS = 2 ** 32 - 1

export class ConsistentHash implements Balancer {
  /** In the order of their hashes, so that the order of the list does not matter: a name service may shuffle it. */
  readonly #endpoints: readonly Endpoint[]
  readonly #circle: Circle | undefined
  /** The part of the calls in flight that each may have, more than all of them together; without a bound none. */
  readonly #mostParts: Float64Array | undefined
  /** The walk in which each was asked last. */
  readonly #asked: Uint32Array
  #walk = 0
  /** Where on the circle this walk is, and how many places it may still look at. */
  #place = 0
  #placesLeft = 0
  /** Then the endpoints in their order, from the key's own. */
  #home = 0
  #left = 0
  /** Calls in flight, to within those that came and ended since they were counted. */
  #calls = 0
  #walksUntilCount = 0

  /** @param boundedLoad how many times its part of the calls in flight an endpoint may have, more than 1; undefined: all */
  constructor(endpoints: readonly Endpoint[], makeCircle: MakeCircle, boundedLoad: number | undefined) {
    const { numbers: hashes, owners: order } = sorted(hashesOf(endpoints))
    this.#endpoints = Array.from(order, at => endpoints[at]!)
    this.#asked = new Uint32Array(endpoints.length)
    if (endpoints.length === 0) return
    const weights = Float64Array.from(this.#endpoints, ({ weight }) => weight)
    this.#circle = makeCircle(distinct(hashes), weights)
    if (boundedLoad === undefined) return
    const sum = weights.reduce((all, weight) => all + weight, 0)
    this.#mostParts = weights.map(weight => (weight / sum) * boundedLoad)
  }

  first(call: Waiter): Endpoint | undefined {
    const circle = this.#circle
    if (circle === undefined) return undefined
    const { length } = this.#endpoints
    if (this.#walk === MOST_WALKS) {
      this.#asked.fill(0)
      this.#walk = 0
    }
    this.#walk++
    this.#place = circle.placeOf(call.hash)
    this.#placesLeft = length * PLACES_FOR_EACH
    this.#home = circle.owners[this.#place]!
    this.#left = length
    if (this.#mostParts !== undefined) this.#count()
    return this.next()
  }

  next(): Endpoint | undefined {
    const { owners } = this.#circle!
    const asked = this.#asked
    while (this.#placesLeft > 0) {
      this.#placesLeft--
      const at = owners[this.#place]!
      this.#place = this.#place + 1 === owners.length ? 0 : this.#place + 1
      if (asked[at] !== this.#walk && !this.#hasItsPart(at)) return this.#ask(at)
    }
    // Those that the circle has not shown, and those that have their part: the others could not take the call.
    const { length } = this.#endpoints
    while (this.#left > 0) {
      const at = (this.#home + length - this.#left) % length
      this.#left--
      if (asked[at] !== this.#walk) return this.#ask(at)
    }
    return undefined
  }

  #ask(at: number): Endpoint {
    this.#asked[at] = this.#walk
    return this.#endpoints[at]!
  }

  #hasItsPart(at: number): boolean {
    const parts = this.#mostParts
    return parts !== undefined && callsOf(this.#endpoints[at]!) >= parts[at]! * this.#calls
  }

  /** With the call that is about to come. */
  #count(): void {
    this.#calls++
    if (--this.#walksUntilCount > 0) return
    this.#walksUntilCount = Math.ceil(this.#endpoints.length * WALKS_FOR_EACH)
    this.#calls = 1
    for (const endpoint of this.#endpoints) this.#calls += callsOf(endpoint)
  }
}

/** Of what an endpoint is called, so that all proxies have the same circle; kept, as lists may be long and change often. */
function hashesOf(endpoints: readonly Endpoint[]): { numbers: Uint32Array; owners: Uint32Array } {
  const numbers = new Uint32Array(endpoints.length)
  for (let i = 0; i < numbers.length; i++) {
    const endpoint = endpoints[i]!
    endpoint.known.hash ??= hashOf(endpoint)
    numbers[i] = endpoint.known.hash
  }
  return { numbers, owners: numbers.map((_, i) => i) }
}

/** An address that is on the list twice is two endpoints, which the end of their keys tells apart. */
function hashOf({ address: { name }, spec: { key } }: Endpoint): number {
  return hashText(key.slice(key.lastIndexOf(']') + 1), hashText(name))
}

/** Two with the same hash would have the same places; in a list of 10,000 that happens once in a hundred times. */
function distinct(ordered: Uint32Array): Uint32Array {
  for (let i = 1; i < ordered.length; i++) ordered[i] = Math.max(ordered[i]!, ordered[i - 1]! + 1)
  return ordered
}
