/**
 * The dynamic table (RFC 7541 §2.3.2 and §4): a ring of field objects, first in, first out.
 *
 * Each insertion has a number, counted from 1 and never given twice. The live entries are the
 * `count` newest, number `n` stands at `n & mask` of the ring, and index 62 is number `inserted`.
 * Eviction moves a border; nothing is shifted.
 */
import type { HeaderField } from './header-field.ts'
import { STATIC_COUNT } from './static-table.ts'

/** What both ends start with (RFC 9113 §6.5.2, SETTINGS_HEADER_TABLE_SIZE). */
export const DEFAULT_TABLE_BYTES = 4096

/** Places of the ring at the beginning: most sessions never have more entries. A power of two. */
const FIRST_PLACES = 32

const NO_FIELDS: (HeaderField | undefined)[] = []

export class DynamicTable {
  /** Entries now. */
  count = 0
  /** The number of the newest entry. */
  inserted = 0
  /** It goes up whenever an index may have a new meaning. */
  changes = 0
  /** §4.1, in bytes. */
  size = 0
  /** §4.2, the maximum size, in bytes. */
  capacity: number
  mask = -1
  ring: (HeaderField | undefined)[] = NO_FIELDS

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** By HPACK index from 62 on; undefined past the end. */
  get(index: number): HeaderField | undefined {
    const age = index - STATIC_COUNT - 1
    return age < this.count ? this.ring[(this.inserted - age) & this.mask] : undefined
  }

  /** @returns whether it is in the table now */
  add(field: HeaderField): boolean {
    // §4.4: "Before a new entry is added to the dynamic table, entries are evicted from the end of
    // the dynamic table until the size of the dynamic table is less than or equal to (maximum size -
    // new entry size) or until the table is empty. […] an attempt to add an entry larger than the
    // maximum size causes the table to be emptied of all existing entries".
    this.changes++
    this.#evictTo(this.capacity - field.size)
    if (field.size > this.capacity) return false
    if (this.count > this.mask) this.#grow()
    this.inserted++
    this.ring[this.inserted & this.mask] = field
    this.count++
    this.size += field.size
    return true
  }

  /** An entry larger than the table has this effect (§4.4). */
  clear(): void {
    this.changes++
    this.#evictTo(0)
  }

  /**
   * §4.3: "entries are evicted from the end of the dynamic table until the size of the dynamic table is less than or
   * equal to the maximum size."
   */
  resize(capacity: number): void {
    this.changes++
    this.capacity = capacity
    this.#evictTo(capacity)
  }

  #evictTo(size: number): void {
    while (this.count > 0 && this.size > size) {
      const place = (this.inserted - this.count + 1) & this.mask
      this.size -= this.ring[place]!.size
      // The slot is cleared, because the ring outlives its fields.
      this.ring[place] = undefined
      this.count--
    }
  }

  /** Doubles the ring. It never has more places than twice what `capacity` bytes of empty fields need. */
  #grow(): void {
    const places = this.ring.length === 0 ? FIRST_PLACES : 2 * this.ring.length
    const ring: (HeaderField | undefined)[] = new Array(places).fill(undefined)
    for (let age = 0; age < this.count; age++) {
      const number = this.inserted - age
      ring[number & (places - 1)] = this.ring[number & this.mask]
    }
    this.ring = ring
    this.mask = places - 1
  }
}
