/**
 * What a string literal decodes to, found again by its octets as they stand in the block: no Huffman
 * decoding, no new string, and the object that was made the first time.
 *
 * Bounded in the number and in the size of what it keeps. An entry is made when the same octets are
 * seen for the second time: octets that do not repeat leave only a hash behind. Sets of two
 * as in interning.ts: an entry that is found often is not pushed out by one that comes twice.
 *
 * A hash only chooses the place; an entry is used only after each of its octets was compared.
 */

/** Octets of the longest literal kept, its length prefix included. */
export const RAW_BYTES_MAX = 1024

/** From here on a call into C++ compares faster than a loop. */
const SHORT = 48

export class RawCache<Value> {
  readonly #mask: number
  /** The other part of the key: for a value it is the name. */
  readonly #owners: unknown[]
  /** The rest of the key, with the tag in it: for equal octets these are equal only if the tags are. */
  readonly #hashes: Int32Array
  readonly #raws: (Buffer | undefined)[]
  readonly #values: (Value | undefined)[]
  /** Per set: the hash that was last missed. */
  readonly #missed: Int32Array
  #count = 0
  #bytes = 0
  #hash = 0

  /** @param entries a power of two; memory is at most `entries` times RAW_BYTES_MAX, and the values */
  constructor(entries: number) {
    this.#mask = entries / 2 - 1
    this.#owners = new Array(entries).fill(undefined)
    this.#hashes = new Int32Array(entries)
    this.#raws = new Array(entries).fill(undefined)
    this.#values = new Array(entries).fill(undefined)
    this.#missed = new Int32Array(entries / 2)
  }

  /** Entries, and octets of their keys. */
  get size(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#count, bytes: this.#bytes }
  }

  /** What `bytes[start..end)` stands for under `owner` and `tag`, if it is known. */
  find(owner: unknown, tag: number, bytes: Buffer, start: number, end: number): Value | undefined {
    // An odd factor: different tags never give the same.
    const hash = sample(bytes, start, end) ^ Math.imul(tag, 0x61c88647)
    this.#hash = hash
    const first = 2 * (hash & this.#mask)
    const hashes = this.#hashes
    if (hashes[first] === hash && this.#is(first, owner, bytes, start, end)) return this.#values[first]
    if (hashes[first + 1] !== hash || !this.#is(first + 1, owner, bytes, start, end)) return undefined
    const found = this.#values[first + 1]
    this.#swap(first)
    return found
  }

  /**
   * After `find` missed the same range: notes it, or keeps it when it was noted before.
   * @returns the octets, as a copy of the cache's own, when they are kept
   */
  offer(owner: unknown, bytes: Buffer, start: number, end: number, value: Value): Buffer | undefined {
    if (end - start > RAW_BYTES_MAX) return undefined
    const set = this.#hash & this.#mask
    if (this.#missed[set] !== this.#hash) {
      this.#missed[set] = this.#hash
      return undefined
    }
    const place = 2 * set + 1
    const replaced = this.#raws[place]
    if (replaced === undefined) this.#count++
    else this.#bytes -= replaced.length
    // It does not come from Buffer's pool, where a few octets that stay would hold a whole slab.
    const raw = Buffer.allocUnsafeSlow(end - start)
    bytes.copy(raw, 0, start, end)
    this.#bytes += raw.length
    this.#owners[place] = owner
    this.#hashes[place] = this.#hash
    this.#raws[place] = raw
    this.#values[place] = value
    return raw
  }

  #is(place: number, owner: unknown, bytes: Buffer, start: number, end: number): boolean {
    const raw = this.#raws[place]
    const length = end - start
    if (raw === undefined || raw.length !== length) return false
    if (this.#owners[place] !== owner) return false
    if (length > SHORT) return raw.compare(bytes, start, end) === 0
    for (let i = 0; i < length; i++) {
      if (raw[i] !== bytes[start + i]) return false
    }
    return true
  }

  #swap(first: number): void {
    const second = first + 1
    const [owner, raw, value] = [this.#owners[first], this.#raws[first], this.#values[first]]
    this.#owners[first] = this.#owners[second]
    const hash = this.#hashes[first]!
    this.#hashes[first] = this.#hashes[second]!
    this.#hashes[second] = hash
    this.#raws[first] = this.#raws[second]
    this.#values[first] = this.#values[second]
    this.#owners[second] = owner
    this.#raws[second] = raw
    this.#values[second] = value
  }
}

/** Length, a spread of about eight octets, and the last one. */
function sample(bytes: Buffer, start: number, end: number): number {
  const length = end - start
  const step = length < 16 ? 1 : length >>> 3
  let h = Math.imul(length, 0x9e3779b1)
  for (let i = start; i < end; i += step) h = (Math.imul(h, 31) + bytes[i]!) | 0
  h = (Math.imul(h, 31) + bytes[end - 1]!) | 0
  return h ^ (h >>> 15)
}
