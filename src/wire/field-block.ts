/** A field block whose frames have not all come (RFC 9113 §4.3), and its limits. */
import { copyBytes } from './frame.ts'
import { NO_BYTES } from './no-bytes.ts'
import { connectionError } from './protocol-error.ts'

/** What `FieldBlockLimits` are made of. */
export interface FieldBlockOptions {
  /**
   * Bytes of one compressed field block. It costs the connection, as HPACK's state is lost with the
   * block, so it lies well above any limit of a header list that costs one call. Default 16 MiB, what
   * grpc-go takes: in pieces (`onFragment`) they cost time alone; where blocks are joined 256 KiB.
   */
  readonly maxHeaderBlockBytes?: number
  /** CONTINUATION frames of one block (CVE-2024-28182). Default: the same in frames of 16 KiB, 1,024 or 16. */
  readonly maxContinuations?: number
  /** How many of them may be empty and not end the block, which is of no use. Default 1. */
  readonly maxEmptyContinuations?: number
}

/** @param inPieces blocks are not joined */
export function fieldBlockLimits(options: FieldBlockOptions, inPieces: boolean): FieldBlockLimits {
  return {
    maxHeaderBlockBytes: options.maxHeaderBlockBytes ?? (inPieces ? 16_777_216 : 262_144),
    maxContinuations: options.maxContinuations ?? (inPieces ? 1_024 : 16),
    maxEmptyContinuations: options.maxEmptyContinuations ?? 1,
  }
}

/** Limits of one field block that comes in several frames; exceeding one costs the connection. */
export interface FieldBlockLimits {
  /** Compressed bytes. */
  readonly maxHeaderBlockBytes: number
  readonly maxContinuations: number
  readonly maxEmptyContinuations: number
}

/** A field block whose frames have not all come (§4.3): HEADERS or PUSH_PROMISE, then CONTINUATION. */
export class FieldBlock {
  readonly streamId: number
  /** It is 0 for HEADERS. */
  readonly promisedId: number
  readonly endStream: boolean
  /** Whether its bytes are handed on as they come, and only counted here. */
  readonly inPieces: boolean
  /** The block so far is `bytes[0..length)`, unless it comes in pieces. */
  bytes: Buffer = NO_BYTES
  length = 0
  #continuations = 0
  #empty = 0

  constructor(streamId: number, promisedId: number, endStream: boolean, inPieces: boolean) {
    this.streamId = streamId
    this.promisedId = promisedId
    this.endStream = endStream
    this.inPieces = inPieces
  }

  /** Takes a frame's fragment; `last`: the frame has END_HEADERS. */
  continue(from: Buffer, start: number, end: number, last: boolean, limits: FieldBlockLimits): void {
    if (++this.#continuations > limits.maxContinuations) throw connectionError('too-many-continuations')
    if (start === end && !last && ++this.#empty > limits.maxEmptyContinuations)
      throw connectionError('empty-continuations')
    this.add(from, start, end, limits.maxHeaderBlockBytes)
  }

  add(from: Buffer, start: number, end: number, maxBytes: number): void {
    const needed = this.length + end - start
    if (needed > maxBytes) throw connectionError('header-block-too-large', `${needed} bytes`)
    if (!this.inPieces) this.#keep(from, start, end, needed, maxBytes)
    this.length = needed
  }

  #keep(from: Buffer, start: number, end: number, needed: number, maxBytes: number): void {
    if (needed > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(2 * needed, 1_024), maxBytes))
      this.bytes.copy(grown, 0, 0, this.length)
      this.bytes = grown
    }
    copyBytes(this.bytes, this.length, from, start, end)
  }
}
