/**
 * The rank test of Mann and Whitney (Wilcoxon), and the interval that belongs to it (Hodges and Lehmann): whether one
 * sample lies below another, and by how much, without any assumption on how values are distributed.
 */
import { normalTail } from '../../src/bench/normal.ts'
import { median } from './statistics.ts'

export interface RankTest {
  /** How many pairs the first sample wins. A tie is half a pair. */
  readonly u: number
  /** Two-sided. */
  readonly p: number
  /** Whether it was counted exactly and not by the normal approximation. */
  readonly exact: boolean
}

/** An interval for a number. */
export interface Interval {
  readonly estimate: number
  readonly least: number
  readonly most: number
  /**
   * The real coverage of the interval: at least what was asked where possible, and less where the samples are too
   * small.
   */
  readonly coverage: number
}

/** Values of both samples together, up to which the distribution is counted: 137,846,528,820 ways for 20 and 20. */
const EXACT_VALUES = 40

/**
 * Up to 40 values the p-value is exact: of all ways to deal the values out to two samples of these sizes, the share
 * that is at least as far to one side, doubled. With ties it is the same count on their mean ranks. Above, the normal
 * approximation, corrected for ties and continuity.
 * @throws RangeError for an empty sample, or a value that is not finite
 */
export function mannWhitney(a: readonly number[], b: readonly number[]): RankTest {
  check(a, b)
  const { ranks, ties } = rank([...a, ...b])
  const sum = ranks.slice(0, a.length).reduce((total, of) => total + of, 0)
  const u = sum - (a.length * (a.length + 1)) / 2
  const values = ranks.length
  if (values <= EXACT_VALUES) {
    return { u, p: doubledTail(waysBySum(doubled(ranks), a.length), Math.round(sum * 2)), exact: true }
  }
  const away = Math.abs(u - (a.length * b.length) / 2)
  const variance = ((a.length * b.length) / 12) * (values + 1 - ties / (values * (values - 1)))
  const p = variance === 0 ? 1 : 2 * normalTail(Math.max(0, away - 0.5) / Math.sqrt(variance))
  return { u, p: Math.min(1, p), exact: false }
}

/** The least p-value that samples of these sizes can have: when one lies wholly below the other. */
export function smallestP(sizeA: number, sizeB: number): number {
  const values = sizeA + sizeB
  if (values > EXACT_VALUES) {
    return mannWhitney(
      Array.from({ length: sizeA }, (_, i) => i),
      Array.from({ length: sizeB }, (_, i) => sizeA + i),
    ).p
  }
  let ways = 1
  for (let i = 1; i <= sizeA; i++) ways = (ways * (values - sizeA + i)) / i
  return Math.min(1, 2 / ways)
}

/** How far `a` lies above `b`: the median of all differences of a value of one and a value of the other. */
export function shiftOf(a: readonly number[], b: readonly number[], coverage = 0.95): Interval {
  check(a, b)
  const differences = a.flatMap(x => b.map(y => x - y)).sort((x, y) => x - y)
  const { outside, coverage: real } = bound(a.length, b.length, 1 - coverage)
  return {
    estimate: median(differences),
    least: differences[outside]!,
    most: differences[differences.length - 1 - outside]!,
    coverage: real,
  }
}

/** How often `a` holds `b`: the same of all quotients. Undefined where a value is not above zero. */
export function ratioOf(a: readonly number[], b: readonly number[], coverage = 0.95): Interval | undefined {
  if (![...a, ...b].every(value => value > 0)) return undefined
  const logs = shiftOf(a.map(Math.log), b.map(Math.log), coverage)
  return {
    estimate: Math.exp(logs.estimate),
    least: Math.exp(logs.least),
    most: Math.exp(logs.most),
    coverage: logs.coverage,
  }
}

/**
 * How many differences lie outside at each end. None where samples are too small: then the interval is all there is.
 */
function bound(sizeA: number, sizeB: number, alpha: number): { outside: number; coverage: number } {
  if (sizeA + sizeB > EXACT_VALUES) {
    const deviation = Math.sqrt((sizeA * sizeB * (sizeA + sizeB + 1)) / 12)
    const outside = Math.floor((sizeA * sizeB) / 2 - normalQuantile(alpha / 2) * deviation)
    return { outside: Math.max(0, outside), coverage: 1 - alpha }
  }
  const ranks = Array.from({ length: sizeA + sizeB }, (_, i) => i + 1)
  const ways = waysBySum(doubled(ranks), sizeA)
  const all = ways.reduce((total, of) => total + of, 0)
  let tail = 0
  let outside = -1
  // U steps by one from its least sum, 1 + … + sizeA.
  for (let sum = sizeA * (sizeA + 1); sum < ways.length; sum += 2) {
    const next = tail + ways[sum]!
    if (outside >= 0 && next / all > alpha / 2) break
    tail = next
    outside++
  }
  return { outside, coverage: 1 - (2 * tail) / all }
}

/** Mean ranks, and the sum of t³ − t over groups of t equal values. */
function rank(values: readonly number[]): { ranks: number[]; ties: number } {
  const order = values.map((_, i) => i).sort((i, j) => values[i]! - values[j]!)
  const ranks = new Array<number>(values.length)
  let ties = 0
  for (let start = 0, end = 0; start < order.length; start = end) {
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++
    for (let i = start; i < end; i++) ranks[order[i]!] = (start + 1 + end) / 2
    const equal = end - start
    ties += equal ** 3 - equal
  }
  return { ranks, ties }
}

/** Whole numbers, as mean ranks come in halves. */
function doubled(ranks: readonly number[]): number[] {
  return ranks.map(of => Math.round(of * 2))
}

/** In how many ways `size` of the ranks add up to each sum. */
function waysBySum(ranks: readonly number[], size: number): number[] {
  const width = ranks.reduce((total, of) => total + of, 0) + 1
  const ways = Array.from({ length: size + 1 }, () => new Array<number>(width).fill(0))
  ways[0]![0] = 1
  let most = 0
  for (const of of ranks) {
    most += of
    for (let taken = size; taken > 0; taken--) {
      const [from, to] = [ways[taken - 1]!, ways[taken]!]
      for (let sum = most; sum >= of; sum--) to[sum]! += from[sum - of]!
    }
  }
  return ways[size]!
}

function doubledTail(ways: readonly number[], sum: number): number {
  let [below, above, all] = [0, 0, 0]
  for (const [of, count] of ways.entries()) {
    all += count
    if (of <= sum) below += count
    if (of >= sum) above += count
  }
  return Math.min(1, (2 * Math.min(below, above)) / all)
}

/** Above which `share` < 0.5 of a normal distribution lies. */
function normalQuantile(share: number): number {
  let [low, high] = [0, 40]
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (normalTail(middle) > share) low = middle
    else high = middle
  }
  return low
}

function check(a: readonly number[], b: readonly number[]): void {
  if (a.length === 0 || b.length === 0) throw new RangeError('an empty sample compares with nothing')
  for (const value of [...a, ...b]) if (!Number.isFinite(value)) throw new RangeError(`${value} has no rank`)
}
