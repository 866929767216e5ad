/**
 * How much of what came a connection may work off before others have their turn, in units that need no clock: all
 * frames cost about as much, but those with fields. Measured: 0.1 to 0.4 µs a unit.
 */
import { FrameType } from './frame.ts'

/** A field of a block may be one byte (RFC 7541 §6.1), and takes some 25 ns. */
const BLOCK_BYTES_A_UNIT_LOG2 = 4
/** A block that is a request makes a call. */
const BLOCK_UNITS = 4
/** Enough for any frame to begin with: what it costs beyond that is a debt. */
export const ENOUGH_UNITS = 256

/** More than a chunk can be. */
const NO_BOUND = 2 ** 30

export class Work {
  /** Units. With too few for the next frame the reader stops before it; below 0 is a debt. */
  left = 0
  /** For who gives them out: the turn that these are of. */
  turn = 0
  readonly #bounded: boolean

  /** @param bounded somebody gives out units */
  constructor(bounded = true) {
    this.#bounded = bounded
  }

  /** Before a chunk is read. */
  begin(): void {
    if (!this.#bounded) this.left = NO_BOUND
  }
}

export function unitsOf(type: number, length: number): number {
  if (type !== FrameType.HEADERS && type !== FrameType.CONTINUATION) return 1
  return BLOCK_UNITS + (length >> BLOCK_BYTES_A_UNIT_LOG2)
}

/** SETTINGS that change the windows of so many streams. */
export function unitsOfWindows(streams: number): number {
  return streams >> 3
}
