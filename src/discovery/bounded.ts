/** The bound on what a source tells: an answer of DNS may have thousands of addresses, and each is a session or more. */

/** Some of a list, and what is said of the rest. */
export interface Bounded<T> {
  readonly used: readonly T[]
  readonly remark?: string
}

export interface BoundOptions<T> {
  readonly most: number
  /** What they are, for the remark. */
  readonly what: string
  /** Says which entry it is, from one list to the next. */
  readonly keyOf: (one: T) => string
  /** Those with the lowest rank come first. By default all are alike. */
  readonly rankOf?: (one: T) => number
  /** Each proxy chooses the others by chance, so that every endpoint gets calls of some proxy. */
  readonly random: () => number
}

export class Bound<T> {
  readonly #options: BoundOptions<T>
  /** The keys of those that were used last: they stay, so that a list that comes again changes nothing. */
  #before: ReadonlySet<string> = new Set()

  constructor(options: BoundOptions<T>) {
    this.#options = options
  }

  /** Nothing was used so far. */
  get isNew(): boolean {
    return this.#before.size === 0
  }

  /** At most so many of a list, in its order. */
  of(all: readonly T[]): Bounded<T> {
    const { most, what, keyOf } = this.#options
    const used = all.length <= most ? all : this.#chosen(all)
    this.#before = new Set(used.map(keyOf))
    if (used === all) return { used }
    return { used, remark: `there are ${all.length} ${what}, and ${most} of them are used: see maxEndpoints` }
  }

  #chosen(all: readonly T[]): readonly T[] {
    const { most, rankOf = () => 0 } = this.#options
    const chosen = new Set<T>()
    for (const rank of [...new Set(all.map(rankOf))].sort((one, other) => one - other)) {
      const alike = all.filter(one => rankOf(one) === rank)
      for (const one of this.#inOrder(alike)) if (chosen.size < most) chosen.add(one)
      if (chosen.size === most) break
    }
    return all.filter(one => chosen.has(one))
  }

  /** Those from before, then the others as chance has them. */
  #inOrder(alike: readonly T[]): T[] {
    const { keyOf, random } = this.#options
    const kept = alike.filter(one => this.#before.has(keyOf(one)))
    const others = alike.filter(one => !this.#before.has(keyOf(one)))
    for (let i = others.length - 1; i > 0; i--) {
      const at = Math.floor(random() * (i + 1))
      ;[others[i], others[at]] = [others[at]!, others[i]!]
    }
    return [...kept, ...others]
  }
}
