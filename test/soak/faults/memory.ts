/** Is the memory flat? Samples of an idle proxy after garbage collection, and the straight line through them. */

export interface Sample {
  /** Calls so far. */
  readonly calls: number
  /** JavaScript heap in use, and what lies outside of it for it: buffers. */
  readonly heapBytes: number
  readonly rssBytes: number
}

/** What the line through the heap samples may rise by from its first to its last: noise of code and caches, no calls'. */
export const HEAP_RISE_BYTES = 4 * 2 ** 20
/** The allocator gives back late and in large pieces. */
export const RSS_RISE_BYTES = 64 * 2 ** 20
/** Samples left out at the beginning: code is compiled, pools and tables grow to their size. */
const WARM_UP_PART = 1 / 3

export interface Trend {
  readonly samples: number
  readonly calls: number
  readonly heapRiseBytes: number
  readonly rssRiseBytes: number
}

/** @returns undefined while there are too few for a line */
export function trend(all: readonly Sample[]): Trend | undefined {
  const samples = all.slice(Math.max(1, Math.floor(all.length * WARM_UP_PART)))
  if (samples.length < 2) return undefined
  const calls = samples.at(-1)!.calls - samples[0]!.calls
  const rise = (of: (sample: Sample) => number) => slope(samples.map(s => [s.calls, of(s)])) * calls
  return { samples: samples.length, calls, heapRiseBytes: rise(s => s.heapBytes), rssRiseBytes: rise(s => s.rssBytes) }
}

/** Least squares. */
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length
  const [mx, my] = [mean(points.map(p => p[0])), mean(points.map(p => p[1]))]
  let [above, below] = [0, 0]
  for (const [x, y] of points) {
    above += (x - mx) * (y - my)
    below += (x - mx) ** 2
  }
  return below === 0 ? 0 : above / below
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(2)} MiB`
}
