/** The bound on what a source tells: an answer of DNS may have thousands of addresses, and each is a session or more. */

/** Some of a list, and what is said of the rest. */
export interface Bounded<T> {
  readonly used: readonly T[]
  readonly remark?: string
}

export interface Bound<T> {
  readonly most: number
  /** Says which entry it is, from one list to the next. */
  readonly keyOf: (one: T) => string
  /** The keys of those that were used before: they stay, so that a list that comes again changes nothing. */
  readonly before: ReadonlySet<string>
  /** Those with the lowest rank come first. By default all are alike. */
  readonly rankOf?: (one: T) => number
  /** Each proxy chooses the others by chance, so that every endpoint gets calls of some proxy. */
  readonly random: () => number
}

/** At most so many of a list, in its order. @param what they are, for the remark */
export function bounded<T>(all: readonly T[], what: string, bound: Bound<T>): Bounded<T> {
  const { most, rankOf = () => 0 } = bound
  if (all.length <= most) return { used: all }
  const chosen = new Set<T>()
  for (const rank of [...new Set(all.map(rankOf))].sort((one, other) => one - other)) {
    const alike = all.filter(one => rankOf(one) === rank)
    for (const one of inOrder(alike, bound)) if (chosen.size < most) chosen.add(one)
    if (chosen.size === most) break
  }
  return {
    used: all.filter(one => chosen.has(one)),
    remark: `there are ${all.length} ${what}, and ${most} of them are used: see maxEndpoints`,
  }
}

/** Those from before, then the others as chance has them. */
function inOrder<T>(alike: readonly T[], { keyOf, before, random }: Bound<T>): T[] {
  const kept = alike.filter(one => before.has(keyOf(one)))
  const others = alike.filter(one => !before.has(keyOf(one)))
  for (let i = others.length - 1; i > 0; i--) {
    const at = Math.floor(random() * (i + 1))
    ;[others[i], others[at]] = [others[at]!, others[i]!]
  }
  return [...kept, ...others]
}
