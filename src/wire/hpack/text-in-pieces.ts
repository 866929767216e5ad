/**
 * A string literal (RFC 7541 §5.2) whose octets come in pieces. They are kept up to a bound, and beyond it only
 * counted.
 */
import { NO_BYTES } from '../no-bytes.ts'
import { decodedBound, HuffmanRun } from './huffman.ts'
import { readLatin1 } from './latin1.ts'

/**
 * What a string begins with; it doubles as its octets come, so a peer that announces much and sends little makes us
 * hold little.
 */
const FIRST_BYTES = 256

export class TextInPieces {
  /** Bytes so far, kept or not. */
  length = 0
  /** Whether it is longer than it may be. Then nothing of it is kept. */
  dropped = false
  /** Octets to come. */
  left = 0
  readonly #run = new HuffmanRun()
  #huffman = false
  #room = 0
  #bytes: Buffer = NO_BYTES

  /** @param octets that are to come @param room bytes that are kept at most */
  begin(octets: number, huffman: boolean, room: number): void {
    this.length = 0
    this.left = octets
    this.#huffman = huffman
    this.#room = room
    this.dropped = false
    // A string that cannot fit is not begun, because a code has at most 30 bits.
    if ((huffman ? Math.floor((octets * 8 - 7) / 30) : octets) > room) this.#drop()
  }

  /** Takes octets of `bytes[start..end)`. @returns how far; with `left` 0 the string is whole */
  take(bytes: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + this.left)
    this.left -= stop - start
    if (this.dropped) this.length += this.#huffman ? this.#run.count(bytes, start, stop) : stop - start
    else this.#keep(bytes, start, stop)
    if (this.left === 0 && this.#huffman) this.#run.end()
    return stop
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    const needed = this.length + (this.#huffman ? decodedBound(end - start) : end - start)
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(2 * needed, this.#room), FIRST_BYTES))
      this.#bytes.copy(grown, 0, 0, this.length)
      this.#bytes = grown
    }
    if (this.#huffman) this.length = this.#run.decode(bytes, start, end, this.#bytes, this.length)
    else this.length += bytes.copy(this.#bytes, this.length, start, end)
    if (this.length > this.#room) this.#drop()
  }

  #drop(): void {
    this.dropped = true
    this.#bytes = NO_BYTES
  }

  /** The string, once it is whole; nothing of it is held any more. */
  text(): string {
    const text = readLatin1(this.#bytes, 0, this.length)
    this.#bytes = NO_BYTES
    return text
  }

  get heldBytes(): number {
    return this.#bytes.length
  }
}
