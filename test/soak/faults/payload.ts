/**
 * Message bodies that know what they are: each message carries its call, its place and a checksum, and the
 * receiver, who knows the call, holds every byte that comes against what must come. What has come is so a true
 * prefix at any time, or the first wrong byte is told, with whose byte it is.
 */
import { randomFillSync } from 'node:crypto'
import { crc32 } from 'node:zlib'

export type Direction = 'up' | 'down'

const PREFIX_BYTES = 5
/** In each message: call, direction and index, checksum of the rest. */
const MARK_BYTES = 12
/** Where the content of messages is cut from. */
const POOL = randomFillSync(Buffer.alloc(3 * 2 ** 20))
const MAGIC_DOWN = 0x8000_0000

export const LARGEST_MESSAGE = 2 ** 20

/** All messages of one direction of a call, as they go over the wire. */
export class Body {
  readonly pieces: readonly Buffer[]
  /** Where each message ends. */
  readonly ends: readonly number[]
  readonly length: number

  constructor(call: number, direction: Direction, sizes: readonly number[]) {
    const pieces: Buffer[] = []
    const ends: number[] = []
    let length = 0
    for (const [index, size] of sizes.entries()) {
      const at = Math.imul(call * 31 + index + 1, 0x9e3779b1) >>> 0
      const start = at % (POOL.length - size + 1)
      const content = POOL.subarray(start, start + size)
      const head = Buffer.alloc(PREFIX_BYTES + MARK_BYTES)
      head.writeUInt32BE(MARK_BYTES + size, 1)
      head.writeUInt32BE(call, PREFIX_BYTES)
      head.writeUInt32BE((direction === 'down' ? MAGIC_DOWN : 0) + index, PREFIX_BYTES + 4)
      head.writeUInt32BE(crc32(content), PREFIX_BYTES + 8)
      pieces.push(head)
      if (size > 0) pieces.push(content)
      length += head.length + size
      ends.push(length)
    }
    this.pieces = pieces
    this.ends = ends
    this.length = length
  }

  /** The pieces of one message. */
  message(index: number): Buffer[] {
    const from = index === 0 ? 0 : this.ends[index - 1]!
    const out: Buffer[] = []
    let at = 0
    for (const piece of this.pieces) {
      if (at >= from && at < this.ends[index]!) out.push(piece)
      at += piece.length
    }
    return out
  }

  /** The first `bytes` of it. */
  start(bytes: number): Buffer[] {
    const out: Buffer[] = []
    for (const piece of this.pieces) {
      if (bytes <= 0) break
      out.push(piece.subarray(0, bytes))
      bytes -= piece.length
    }
    return out
  }
}

/** What came of a body, byte for byte. */
export class Receipt {
  readonly #body: Body
  #piece = 0
  #at = 0
  /** Bytes that came and were right. */
  received = 0
  /** The first wrong byte, told once. */
  wrong: string | undefined

  constructor(body: Body) {
    this.#body = body
  }

  get whole(): boolean {
    return this.received === this.#body.length
  }

  /** Messages that are complete. */
  get messages(): number {
    let count = 0
    while (count < this.#body.ends.length && this.#body.ends[count]! <= this.received) count++
    return count
  }

  /** @returns what is wrong with these bytes, where something is */
  push(bytes: Buffer): string | undefined {
    if (this.wrong !== undefined) return undefined
    const { pieces, length } = this.#body
    for (let from = 0; from < bytes.length; ) {
      const piece = pieces[this.#piece]
      if (piece === undefined) return this.#fail(`${bytes.length - from} bytes more than the ${length} that were sent`)
      const size = Math.min(piece.length - this.#at, bytes.length - from)
      if (bytes.compare(piece, this.#at, this.#at + size, from, from + size) !== 0)
        return this.#fail(`a wrong byte: ${difference(piece, this.#at, bytes, from, size, this.received)}`)
      from += size
      this.received += size
      this.#at += size
      if (this.#at < piece.length) continue
      this.#piece++
      this.#at = 0
    }
    return undefined
  }

  #fail(text: string): string {
    this.wrong = text
    return text
  }
}

function difference(piece: Buffer, at: number, bytes: Buffer, from: number, size: number, offset: number): string {
  let i = 0
  while (i < size && piece[at + i] === bytes[from + i]) i++
  const found = bytes.subarray(from + i, from + i + 24)
  const wanted = piece.subarray(at + i, at + Math.min(size, i + 24))
  const place = POOL.indexOf(found.subarray(0, 16))
  const where = place < 0 ? '' : `, which are content of another place (${place} of the pool)`
  return `at ${offset + i} came ${found.toString('hex')} instead of ${wanted.toString('hex')}${where}`
}
