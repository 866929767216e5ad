/** Which differences exceed the noise: a verdict on two series of rounds, and on many pairs of them at once. */
import { type Interval, mannWhitney, ratioOf, shiftOf, smallestP } from './mann-whitney.ts'

/** How often a difference may be claimed where there is none. */
export const ALPHA = 0.05

/**
 * The verdict on the first against the second. `not enough rounds`: no values could have shown a difference, because 3
 * and 3 rounds have no p-value below 0.1, and 5 and 5 none below 0.008.
 */
export type Verdict = 'less' | 'more' | 'no difference shown' | 'not enough rounds'

export interface Comparison {
  /** The first divided by the second, where all values are above zero. */
  readonly ratio: Interval | undefined
  /** The first minus the second. */
  readonly difference: Interval
  /** Two-sided, of the rank test of Mann and Whitney, of this pair alone. */
  readonly p: number
  /** The same, corrected for many pairs that were judged together. The verdict follows it. */
  readonly adjustedP: number
  readonly verdict: Verdict
}

export interface Pair {
  readonly first: readonly number[]
  readonly second: readonly number[]
}

/** Corrects many p-values, and returns them in the order given. */
export type Adjust = (ps: readonly number[]) => number[]

export function compare(first: readonly number[], second: readonly number[], alpha = ALPHA): Comparison {
  return compareAll([{ first, second }], holm, alpha)[0]!
}

/**
 * Judges all pairs of one report together.
 * @param adjust `holm` (the default): the chance to claim even one difference that is not there is at most alpha.
 * `falseDiscovery`: of the claimed differences a share of alpha at most is not there, on average.
 */
export function compareAll(pairs: readonly Pair[], adjust: Adjust = holm, alpha = ALPHA): Comparison[] {
  const tests = pairs.map(({ first, second }) => mannWhitney(first, second))
  const ps = tests.map(({ p }) => p)
  const adjusted = adjust(ps)
  return pairs.map(({ first, second }, i) => {
    const adjustedP = adjusted[i]!
    const possible = (): boolean => adjust(ps.with(i, smallestP(first.length, second.length)))[i]! <= alpha
    const below = tests[i]!.u < (first.length * second.length) / 2
    const verdict =
      adjustedP <= alpha ? (below ? 'less' : 'more') : possible() ? 'no difference shown' : 'not enough rounds'
    return { ratio: ratioOf(first, second), difference: shiftOf(first, second), p: ps[i]!, adjustedP, verdict }
  })
}

/** Holm's step-down: the least p-value times how many there are, the next times one less, and so on. */
export function holm(ps: readonly number[]): number[] {
  const adjusted = new Array<number>(ps.length)
  let most = 0
  for (const [i, index] of ascending(ps).entries()) {
    most = Math.max(most, Math.min(1, ps[index]! * (ps.length - i)))
    adjusted[index] = most
  }
  return adjusted
}

/** Benjamini's and Hochberg's step-up, for a survey of very many pairs, where Holm's asks for ten rounds and more. */
export function falseDiscovery(ps: readonly number[]): number[] {
  const adjusted = new Array<number>(ps.length)
  let least = 1
  for (const [i, index] of [...ascending(ps).entries()].reverse()) {
    least = Math.min(least, (ps[index]! * ps.length) / (i + 1))
    adjusted[index] = least
  }
  return adjusted
}

function ascending(ps: readonly number[]): number[] {
  return ps.map((_, i) => i).sort((i, j) => ps[i]! - ps[j]!)
}
