/**
 * Which of several backends of a route gets a call: each has a part of the calls, in proportion to its weight.
 *
 * Without a key the part is drawn at random for each call. With one it is weighted rendezvous hashing (Thaler and
 * Ravishankar, 1998; with weights by the logarithmic method of Schindelhauer and Schomaker, 2005): a key has one draw for
 * each backend, and the least of them wins.
 *
 * ```
 *   draw = -ln(u) / weight        u: the hash of the key with that of the backend's name, as a number between 0 and 1
 * ```
 *
 * The draws of a backend depend on nothing but its own name and weight. So where a canary gets more, keys move to it and
 * none leaves it; where a backend is taken out, its keys alone move; none moves between two whose weights stay; and the
 * order of the list does not matter.
 */
import type { CallInfo, Target } from './director.ts'
import { hashText, mix } from './hash.ts'
import { type HashKey, hashBy } from './hash-key.ts'

/** Some backend's part of the calls of a route. */
export interface Part {
  readonly name: string
  /** More than 0, of any sum. */
  readonly weight: number
  readonly target: Target
}

interface Choice {
  readonly target: Target
  readonly weight: number
  /** The sum of the weights up to and including this one. */
  readonly upTo: number
  /** 32 bits of its name. */
  readonly seed: number
}

const HASHES = 2 ** 32

export class WeightedTargets {
  readonly #choices: readonly Choice[]
  readonly #total: number
  readonly #random: () => number
  readonly #hashOf: ((call: CallInfo) => number | undefined) | undefined

  /**
   * @param parts at least one
   * @param key of a call; undefined: each call goes anywhere
   * @param random at least 0 and less than 1
   */
  constructor(parts: readonly Part[], key: HashKey | undefined, random: () => number) {
    let total = 0
    const seeds = new Set<number>()
    this.#choices = parts.map(({ name, weight, target }) => {
      total += weight
      return { target, weight, upTo: total, seed: ownSeed(name, seeds) }
    })
    this.#total = total
    this.#random = random
    this.#hashOf = key && hashBy(key)
  }

  /** It allocates nothing. @throws what a key function throws */
  of(call: CallInfo): Target {
    const hash = this.#hashOf?.(call)
    return hash === undefined ? this.#anywhere() : this.#home(hash)
  }

  #anywhere(): Target {
    const point = this.#random() * this.#total
    for (const choice of this.#choices) if (point < choice.upTo) return choice.target
    return this.#choices.at(-1)!.target
  }

  #home(hash: number): Target {
    let home = this.#choices[0]!
    let least = Infinity
    for (let i = 0; i < this.#choices.length; i++) {
      const choice = this.#choices[i]!
      // Half a step away from both ends, where a logarithm is 0 or infinite.
      const draw = -Math.log((mix(hash ^ choice.seed) + 0.5) / HASHES) / choice.weight
      if (draw >= least) continue
      least = draw
      home = choice
    }
    return home.target
  }
}

/** Two with one seed, as a backend that is listed twice, would have the same draws, and the heavier one all the keys. */
function ownSeed(name: string, taken: Set<number>): number {
  let seed = hashText(name)
  while (taken.has(seed)) seed = mix(seed + 1)
  taken.add(seed)
  return seed
}
