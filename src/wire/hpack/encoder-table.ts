/**
 * The encoder's dynamic table: finds the index of a field, or of a name, by identity.
 *
 * Two hash chains run through the ring, by the serial number of the field and of its name. A chain
 * holds insertion numbers, newest first, and ends where a number is below the oldest live one: what
 * was evicted is unreachable without being removed, and no link needs to be kept in step.
 *
 *     heads[serial & 127] → newest number → next[number & mask] → … → number < oldest: end
 */
import { DynamicTable } from './dynamic-table.ts'
import type { HeaderField, HeaderName } from './header-field.ts'
import { STATIC_COUNT } from './static-table.ts'

/** A table of 4,096 bytes has at most 128 entries: a chain has one on average at most. */
const CHAINS = 128

/** Numbers are kept in 31 bits; here they start again. */
const RENUMBER_AT = 2 ** 30

const NO_NUMBERS = new Int32Array(0)

export class EncoderTable extends DynamicTable {
  #heads = NO_NUMBERS
  #nameHeads = NO_NUMBERS
  #next = NO_NUMBERS
  #nextName = NO_NUMBERS

  /** @param inserted where numbers start; for tests */
  constructor(capacity: number, inserted = 0) {
    super(capacity)
    this.inserted = inserted
  }

  /** HPACK index of this very object, or 0. */
  indexOf(field: HeaderField): number {
    if (this.count === 0) return 0
    const oldest = this.inserted - this.count
    const mask = this.mask
    let number = this.#heads[field.serial & (CHAINS - 1)]!
    while (number > oldest) {
      if (this.ring[number & mask] === field) return STATIC_COUNT + 1 + this.inserted - number
      number = this.#next[number & mask]!
    }
    return 0
  }

  /** HPACK index of the newest entry with this name, or 0. */
  indexOfName(name: HeaderName): number {
    if (this.count === 0) return 0
    const oldest = this.inserted - this.count
    const mask = this.mask
    let number = this.#nameHeads[name.serial & (CHAINS - 1)]!
    while (number > oldest) {
      if (this.ring[number & mask]!.key === name) return STATIC_COUNT + 1 + this.inserted - number
      number = this.#nextName[number & mask]!
    }
    return 0
  }

  override add(field: HeaderField): boolean {
    const ring = this.ring
    if (!super.add(field)) return false
    // A new ring, or numbers that end: the chains are made again from what lives.
    if (this.ring !== ring || this.inserted >= RENUMBER_AT) this.#rechain()
    else this.#link(this.inserted, field)
    return true
  }

  #link(number: number, field: HeaderField): void {
    const place = number & this.mask
    const chain = field.serial & (CHAINS - 1)
    this.#next[place] = this.#heads[chain]!
    this.#heads[chain] = number
    const nameChain = field.key.serial & (CHAINS - 1)
    this.#nextName[place] = this.#nameHeads[nameChain]!
    this.#nameHeads[nameChain] = number
  }

  #rechain(): void {
    const live: HeaderField[] = []
    for (let age = this.count - 1; age >= 0; age--) live.push(this.ring[(this.inserted - age) & this.mask]!)
    if (this.inserted >= RENUMBER_AT) {
      this.ring.fill(undefined)
      this.inserted = this.count
      for (let i = 0; i < live.length; i++) this.ring[(i + 1) & this.mask] = live[i]
    }
    const places = this.ring.length
    this.#heads = new Int32Array(CHAINS)
    this.#nameHeads = new Int32Array(CHAINS)
    this.#next = new Int32Array(places)
    this.#nextName = new Int32Array(places)
    const oldest = this.inserted - this.count
    for (let i = 0; i < live.length; i++) this.#link(oldest + 1 + i, live[i]!)
  }
}
