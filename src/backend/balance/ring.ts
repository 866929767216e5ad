/**
 * A ring (gRFC A42; Karger and others, 1997): each endpoint has so many points for each unit of its weight, and a key
 * belongs to the point that follows it.
 *
 * The points of an endpoint depend on nothing but its own hash. So an endpoint that leaves gives its keys away, and no
 * other key moves. Where there are so many endpoints that the ring reaches its bound, all have fewer points; a change then
 * moves about as many keys again.
 */

import { mix } from '../../routing/hash.ts'
import type { Circle } from './circle.ts'
import { sorted } from './sorted.ts'

/**
 * Most points of a ring. It is made anew when the list changes, while calls wait: that takes about 10 ms then, and the
 * ring has 2 MiB.
 */
export const MAX_POINTS = 2 ** 18

const GOLDEN = 0x9e3779b9

export class Ring implements Circle {
  readonly owners: Uint32Array
  /** 31 bits, least first. */
  readonly #points: Uint32Array

  /** @param perWeight points of an endpoint of weight 1 */
  constructor(hashes: Uint32Array, weights: Float64Array, perWeight: number) {
    const counts = countsOf(weights, perWeight)
    const total = counts.reduce((sum, count) => sum + count, 0)
    const points = new Uint32Array(total)
    const owners = new Uint32Array(total)
    for (let endpoint = 0, at = 0; endpoint < hashes.length; endpoint++) {
      const hash = hashes[endpoint]!
      for (let i = 0; i < counts[endpoint]!; i++, at++) {
        points[at] = mix(hash + Math.imul(i, GOLDEN)) >>> 1
        owners[at] = endpoint
      }
    }
    const ring = sorted({ numbers: points, owners })
    this.#points = ring.numbers
    this.owners = ring.owners
  }

  /** The first point that is not before the hash. */
  placeOf(hash: number): number {
    const points = this.#points
    let [low, high] = [0, points.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (points[middle]! < hash) low = middle + 1
      else high = middle
    }
    return low === points.length ? 0 : low
  }
}

/** Each endpoint has one point at least. */
function countsOf(weights: Float64Array, perWeight: number): Uint32Array {
  const sum = weights.reduce((all, weight) => all + weight, 0)
  const scale = Math.min(perWeight, MAX_POINTS / sum)
  return Uint32Array.from(weights, weight => Math.max(1, Math.round(weight * scale)))
}
