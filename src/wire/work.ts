/**
 * How much of its input a connection may work off before others have their turn, in units that need no clock: all
 * frames cost about the same, except those with fields. Measured: 0.1 to 0.4 µs a unit.
 */
import { FrameType } from './frame.ts'

/** A field of a block may be one byte (RFC 7541 §6.1), and takes about 25 ns. */
const BLOCK_BYTES_A_UNIT_LOG2 = 4
/** A block that is a request makes a call. */
const BLOCK_UNITS = 4
/** Enough to begin any frame. What the frame costs beyond that is a debt. */
export const ENOUGH_UNITS = 256

/** More than a chunk can be. */
const NO_BOUND = 2 ** 30

export class Work {
  /** The units left. With too few for the next frame the reader stops before it. Below 0 is a debt. */
  left = 0
  /** For whoever gives them out: the turn that these units belong to. */
  turn = 0
  readonly #bounded: boolean

  /** @param bounded whether somebody gives out units */
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

/** The cost of SETTINGS that change the windows of this many streams. */
export function unitsOfWindows(streams: number): number {
  return streams >> 3
}
