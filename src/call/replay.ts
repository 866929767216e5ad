/**
 * The request as far as it has come, kept so that it can be sent once a session is there, and sent
 * again where the backend did not process it (gRFC A6).
 */
import { copyOf } from '../transport/lent.ts'
import type { Stream } from '../transport/transport.ts'
import { Pieces } from '../wire/pieces.ts'

/** Small pieces of many calls lie in one slab, one behind the other: a piece costs no buffer of its own. */
const SLAB_BYTES = 16_384
/** Larger pieces are copied on their own: a slab is not freed before all of its calls are. */
const SLAB_PIECE_BYTES = 256

const EMPTY = Buffer.alloc(0)

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
let slabAt = 0

export class Replay {
  /** The first piece, which is the only one of most calls, and what is behind it. */
  #bytes: Buffer = EMPTY
  #start = 0
  #end = 0
  #more: Pieces | undefined
  /** Payload bytes kept. */
  bytes = 0
  /** END_STREAM came. */
  ended = false

  push(bytes: Buffer, start: number, end: number): void {
    const length = end - start
    if (length === 0) return
    if (this.bytes > 0) {
      this.#more ??= new Pieces()
      this.#more.push(bytes, start, end)
    } else if (length > SLAB_PIECE_BYTES) {
      this.#bytes = copyOf(bytes, start, end)
      this.#end = length
    } else this.#pushSmall(bytes, start, length)
    this.bytes += length
  }

  #pushSmall(bytes: Buffer, start: number, length: number): void {
    if (slabAt + length > SLAB_BYTES) {
      slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      slabAt = 0
    }
    // A loop beats the call into C++ at this length.
    for (let i = 0; i < length; i++) slab[slabAt + i] = bytes[start + i]!
    this.#bytes = slab
    this.#start = slabAt
    slabAt += length
    this.#end = slabAt
  }

  /** Nothing but headers so far, and nothing to come. */
  get headersOnly(): boolean {
    return this.ended && this.bytes === 0
  }

  /** @returns what the last `sendData` said: false to wait for `onWritable` */
  sendTo(stream: Stream): boolean {
    const { ended } = this
    let writable = true
    if (this.bytes > 0) {
      writable = stream.sendData(this.#bytes, this.#start, this.#end, ended && this.#more === undefined)
      this.#more?.each((bytes, start, end, last) => {
        writable = stream.sendData(bytes, start, end, ended && last)
      })
    } else if (ended) stream.sendData(EMPTY, 0, 0, true)
    return writable
  }
}
