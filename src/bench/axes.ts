/** Scales and places that charts must know themselves: where ticks are, and where labels do not cover each other. */

export interface LogAxis {
  readonly domain: readonly [number, number]
  readonly ticks: readonly number[]
}

/** Values of a log axis are above zero; these margins keep marks away from its ends. */
const MARGIN = 1.12
const MOST_HEADROOM = 0.5
/** Over more decades than this, ticks at 2 and 5 are too many. */
const WIDE_DECADES = 3.2

/** @param headroom share of the axis that stays free at its upper end */
export function logAxis(values: readonly number[], headroom = 0): LogAxis {
  const positive = values.filter(value => value > 0)
  if (positive.length === 0) return { domain: [1, 10], ticks: [1, 10] }
  const low = Math.min(...positive) / MARGIN
  const share = Math.min(headroom, MOST_HEADROOM)
  const high = low * ((Math.max(...positive) * MARGIN) / low) ** (1 / (1 - share))
  const steps =
    Math.log10(high / low) > WIDE_DECADES ? [1] : Math.log10(high / low) > 0.8 ? [1, 2, 5] : [1, 1.5, 2, 3, 5, 7]
  const ticks: number[] = []
  for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.ceil(Math.log10(high)); exponent++) {
    for (const step of steps) {
      const tick = Number((step * 10 ** exponent).toPrecision(3))
      if (tick >= low && tick <= high) ticks.push(tick)
    }
  }
  return { domain: [low, high], ticks }
}

/**
 * Where labels beside the ends of lines stand: each as near to its value as its neighbours allow.
 * @returns values on the same log axis, in the order given
 */
export function spreadLabels(values: readonly number[], axis: LogAxis, heightPx: number, gapPx: number): number[] {
  const [low, high] = axis.domain
  const toPx = (value: number): number => (heightPx * Math.log(value / low)) / Math.log(high / low)
  const order = values.map((_, i) => i).sort((i, j) => values[i]! - values[j]!)
  // Labels that would touch form a block around the middle of their values, and blocks that touch form one.
  const blocks: { wanted: number[]; start: number }[] = []
  for (const i of order) {
    let block = { wanted: [toPx(Math.max(values[i]!, low))], start: 0 }
    for (;;) {
      const extent = (block.wanted.length - 1) * gapPx
      const middle = block.wanted.reduce((sum, of) => sum + of, 0) / block.wanted.length
      block.start = Math.max(0, Math.min(middle - extent / 2, heightPx - extent))
      const below = blocks.at(-1)
      if (below === undefined || below.start + below.wanted.length * gapPx <= block.start) break
      block = { wanted: [...blocks.pop()!.wanted, ...block.wanted], start: 0 }
    }
    blocks.push(block)
  }
  const places = blocks.flatMap(({ wanted, start }) => wanted.map((_, i) => start + i * gapPx))
  const result = new Array<number>(values.length)
  for (const [i, index] of order.entries()) result[index] = low * (high / low) ** (places[i]! / heightPx)
  return result
}
