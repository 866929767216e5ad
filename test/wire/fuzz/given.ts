/** What the two sides of the judge share: what was given to be sent, and how its blocks begin. */

/** What the owner of a stream gave it to send. */
export interface Given {
  /** Blocks, in order, each `name\0value\0…`. */
  readonly blocks: string[]
  /** Bytes given; they are those of `patternAt(from)`. */
  readonly from: number
  bytes: number
  /** The owner gave END_STREAM. */
  ended: boolean
}

const PATTERN_PERIOD = 65_521
const PATTERN = Buffer.alloc(2 * PATTERN_PERIOD)
for (let i = 0; i < PATTERN.length; i++) PATTERN[i] = ((i % PATTERN_PERIOD) * 2_654_435_761) >>> 13

/** `length` bytes, at most a period, of what a stream of `from` sends from its byte `at` on. */
export function pattern(from: number, at: number, length: number): Buffer {
  const start = (from + at) % PATTERN_PERIOD
  return PATTERN.subarray(start, start + length)
}
export const PATTERN_MOST = PATTERN_PERIOD

/** The table size that a block begins with, or −1. */
export function sizeUpdateOf(block: Buffer): number {
  if (block.length === 0 || (block[0]! & 0xe0) !== 0x20) return -1
  let size = block[0]! & 0x1f
  if (size < 0x1f) return size
  for (let at = 1, factor = 1; ; at++, factor *= 128) {
    size += (block[at]! & 0x7f) * factor
    if (block[at]! < 0x80) return size
  }
}
