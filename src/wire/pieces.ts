/**
 * DATA that waits: pieces in the order in which they came, each of which goes out as a frame of its own.
 *
 * A peer chooses how small they are, and the windows count bytes. So a piece costs no object: small ones lie in
 * pages, one behind the other, with a number each for where they end; from `MAX_BORDERS` on, small pieces that
 * follow each other are joined. The memory for n bytes is then never more than 2 n and about 100 KiB.
 */
import { NO_BYTES } from './no-bytes.ts'

/** A piece of this size or more has its own buffer, unless there is room for it. */
const LARGE_BYTES = 4_096
/** Pages begin with this size and double up to the second: most streams that wait have one small piece. */
const FIRST_PAGE_BYTES = 256
const MAX_PAGE_BYTES = 16_384
/** A joined piece is a frame of the default size at most. */
const MAX_JOINED_BYTES = 16_384
/** This many pieces keep their borders, whatever their size. */
const MAX_BORDERS = 4_096
/** Taken pieces stay in the lists up to this number and up to half of them, because moving the rest is work too. */
const MAX_TAKEN = 1_024

interface Page {
  readonly buffer: Buffer
  end: number
}

/** Takes the place of one that was taken, so that this is freed at once. */
const TAKEN: Page = { buffer: NO_BYTES, end: 0 }

export class Pieces {
  /** What is left of the first piece: `buffer[start..start + length)`, never written again; 0 bytes: there is none. */
  buffer: Buffer = NO_BYTES
  start = 0
  length = 0
  #pages: Page[] = []
  #firstPage = 0
  /** Bytes of each piece. Of the first, what is left. */
  #lengths: number[] = []
  #first = 0
  #pageBytes = FIRST_PAGE_BYTES

  /** The number of pieces. */
  get count(): number {
    return this.#lengths.length - this.#first
  }

  /** A copy of the range, which is not empty, as the last piece. */
  push(bytes: Buffer, start: number, end: number): void {
    const length = end - start
    const page = this.#pageFor(length)
    bytes.copy(page.buffer, page.end, start, end)
    const last = this.#lengths.length - 1
    const joined = page.end > 0 && this.count >= MAX_BORDERS ? this.#lengths[last]! + length : Number.POSITIVE_INFINITY
    page.end += length
    if (joined <= MAX_JOINED_BYTES) this.#lengths[last] = joined
    else this.#lengths.push(length)
    if (this.count === 1) this.#show()
  }

  /** This many bytes of the first piece are finished. */
  take(bytes: number): void {
    this.start += bytes
    this.length -= bytes
    this.#lengths[this.#first] = this.length
    if (this.length > 0) return
    this.#first++
    if (this.start === this.#pages[this.#firstPage]!.end) {
      this.#pages[this.#firstPage++] = TAKEN
      this.start = 0
    }
    this.#forget()
    this.#show()
  }

  /** All of them in order; nothing is taken. */
  each(visit: (buffer: Buffer, start: number, end: number, last: boolean) => void): void {
    let [page, start] = [this.#firstPage, this.start]
    for (let i = this.#first; i < this.#lengths.length; i++) {
      const { buffer, end } = this.#pages[page]!
      const to = start + this.#lengths[i]!
      visit(buffer, start, to, i === this.#lengths.length - 1)
      start = to
      if (to < end) continue
      page++
      start = 0
    }
  }

  #show(): void {
    this.length = this.#lengths[this.#first] ?? 0
    this.buffer = this.length > 0 ? this.#pages[this.#firstPage]!.buffer : NO_BYTES
  }

  #pageFor(length: number): Page {
    const last = this.#pages.at(-1)
    if (last !== undefined && last.end + length <= last.buffer.length) return last
    const bytes = length >= LARGE_BYTES ? length : Math.max(length, this.#pageBytes)
    if (length < LARGE_BYTES) this.#pageBytes = Math.min(this.#pageBytes * 2, MAX_PAGE_BYTES)
    const page = { buffer: Buffer.allocUnsafe(bytes), end: 0 }
    this.#pages.push(page)
    return page
  }

  #forget(): void {
    if (this.count === 0) {
      this.#pages = []
      this.#lengths = []
      this.#first = this.#firstPage = this.start = 0
    } else if (this.#first > MAX_TAKEN && this.#first * 2 > this.#lengths.length) {
      this.#lengths.splice(0, this.#first)
      this.#first = 0
      this.#pages.splice(0, this.#firstPage)
      this.#firstPage = 0
    }
  }
}
