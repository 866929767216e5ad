/** Simple statistics of numbers. */

export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** @throws RangeError for nothing at all */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('nothing has no median')
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) }
}

/** The value that `share` of the sorted values do not exceed (nearest rank). */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) throw new RangeError('nothing has no percentile')
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!
}
