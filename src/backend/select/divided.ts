/**
 * A balancer of balancers: endpoints in parts, each of which gets its share of the calls. Within a part, its own balancer
 * decides.
 *
 * ```
 *   shares        0.7            0.2    0.1     (a part without a share)
 *            ├────────────────┼──────┼────┤   ┤
 *   points      ·  ·  ·   ·  ·  ·    ·   ·        the next one is 0.618… further on, around the end
 * ```
 *
 * Points that are the golden ratio apart fill the line evenly, however many there are: of any hundred calls in a row each
 * part gets its share, give or take two or three. Where calls have a hash, the hash is the point: calls that are alike go
 * to the same part.
 *
 * If no endpoint of the part can take the call, the other parts are asked in their order. Parts without a share come last,
 * and only if no endpoint that was asked may get a session: or calls would go elsewhere each time that one is being dialled.
 */

import { mix } from '../../routing/hash.ts'
import type { Balancer } from '../balance/balancer.ts'
import { partAt } from '../balance/line.ts'
import type { Waiter } from '../client-share.ts'
import type { Endpoint } from '../endpoint.ts'

/** A part of the endpoints, and its part of the calls. */
export interface Part {
  readonly balancer: Balancer
  readonly share: number
}

const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2

export class DividedBalancer implements Balancer {
  readonly #balancers: readonly Balancer[]
  /** The sums of the shares up to and with each. Parts without a share have none. */
  readonly #upTo: readonly number[]
  #point: number
  /** The part that was asked first, the one that is asked now, and the one that comes then. */
  #began = 0
  #at = 0
  #behind = 0
  #asked: Endpoint | undefined
  /** One of the endpoints that were asked may get a session. */
  #promising = false
  #call: Waiter | undefined

  /** @param start from 0 up to 1: where the calls begin */
  constructor(parts: readonly Part[], start: number) {
    const shared = parts.filter(({ share }) => share > 0)
    const others = parts.filter(({ share }) => share === 0)
    this.#balancers = [...shared, ...others].map(({ balancer }) => balancer)
    let sum = 0
    this.#upTo = shared.map(({ share }) => (sum += share))
    this.#point = start
  }

  first(call: Waiter): Endpoint | undefined {
    this.#call = call
    this.#began = this.#at = this.#partOf(call)
    this.#behind = 0
    this.#promising = false
    this.#asked = this.#balancers[this.#at]!.first(call) ?? this.#elsewhere()
    return this.#asked
  }

  next(): Endpoint | undefined {
    const { failing, promising } = this.#asked!
    this.#promising ||= promising && !failing
    this.#asked = this.#balancers[this.#at]!.next() ?? this.#elsewhere()
    return this.#asked
  }

  #elsewhere(): Endpoint | undefined {
    while (this.#behind < this.#balancers.length) {
      const at = this.#behind++
      if (at === this.#began) continue
      if (at >= this.#upTo.length && this.#promising) break
      this.#at = at
      const endpoint = this.#balancers[at]!.first(this.#call!)
      if (endpoint !== undefined) return endpoint
    }
    this.#call = undefined
    return undefined
  }

  #partOf({ hash }: Waiter): number {
    if (hash === 0) {
      this.#point += GOLDEN_RATIO
      if (this.#point >= 1) this.#point -= 1
    }
    return partAt(this.#upTo, hash === 0 ? this.#point : pointOf(hash))
  }
}

/** Another number than the balancer of the part makes of it: or the part would have calls of some hashes only. */
function pointOf(hash: number): number {
  return mix(hash ^ 0x21f0aaad) / 2 ** 32
}
