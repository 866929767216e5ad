/** Numbers by chance that a seed repeats. */

/** `below` at most 2^24. */
export type Random = (below: number) => number

/** mulberry32. */
export function randomOf(seed: number): Random {
  let state = seed | 0
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((((x ^ (x >>> 14)) >>> 8) * below) / 2 ** 24) | 0
  }
}

/** The seed of input `index` in the run of `seed`. */
export function seedOf(seed: number, index: number): number {
  let x = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35)
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  return x ^ (x >>> 15)
}

export const pick = <T>(random: Random, all: readonly T[]): T => all[random(all.length)]!

/** One in `n`. */
export const chance = (random: Random, n: number): boolean => random(n) === 0

/** Something is not as it must be: what the fuzzer looks for. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Violation(what)
}
