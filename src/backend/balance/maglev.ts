/**
 * Maglev's table (Eisenbud and others, NSDI 2016, §3.4): each endpoint has a list of all places in an order of its own, and
 * they take turns to take the next place of their list that is free. So all have the same number of places, to within
 * one, and when one leaves hardly any place moves between the others.
 *
 * With weights a turn is as many places as the weight is of the mean.
 */

import { mix } from '../../routing/hash.ts'
import type { Circle } from './circle.ts'

/** It belongs to nobody yet. */
const FREE = 0xffff_ffff

export class Maglev implements Circle {
  readonly owners: Uint32Array

  /** @param size prime, so that any step through the table comes to all places */
  constructor(hashes: Uint32Array, weights: Float64Array, size: number) {
    this.owners = new Uint32Array(size).fill(FREE)
    this.#fill(hashes, weights)
  }

  #fill(hashes: Uint32Array, weights: Float64Array): void {
    const { owners } = this
    const size = owners.length
    const count = hashes.length
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / count
    const turns = weights.map(weight => weight / mean)
    /** What each has saved of turns; it begins with a half, so that it has its part to the nearest place. */
    const credit = new Float64Array(count).fill(0.5)
    const next = hashes.map(hash => hash % size)
    const steps = hashes.map(hash => (mix(hash + 1) % (size - 1)) + 1)
    for (let left = size; left > 0; ) {
      for (let endpoint = 0; endpoint < count && left > 0; endpoint++) {
        let earned = credit[endpoint]! + turns[endpoint]!
        const step = steps[endpoint]!
        let at = next[endpoint]!
        for (; earned >= 1 && left > 0; earned--, left--) {
          while (owners[at] !== FREE) at = at + step < size ? at + step : at + step - size
          owners[at] = endpoint
        }
        next[endpoint] = at
        credit[endpoint] = earned
      }
    }
  }

  placeOf(hash: number): number {
    return hash % this.owners.length
  }
}
