/**
 * Header lists to header blocks (RFC 7541), one encoder for each direction of a session.
 *
 * A field goes out as it came: an entry of the static or dynamic table as its index, and a literal as
 * the same kind of literal. The dynamic table is asked by identity; where the fields are interned,
 * the usual block is a few octets without a look at a string.
 */
import { DEFAULT_TABLE_BYTES } from './dynamic-table.ts'
import { type EncodedBlock, EncodedBlocks, KEPT_OCTETS } from './encoded-blocks.ts'
import { EncoderTable } from './encoder-table.ts'
import { ENCODED_ONCE, HeaderField, type HeaderFieldLike, Mode, NEVER_ENCODED, PLAIN } from './header-field.ts'
import { MAX_INTEGER_BYTES, writeInteger } from './integer.ts'
import { fieldOf } from './interning.ts'
import { writeOctets, writePlain, writeString } from './string-literal.ts'

/**
 * A field is inserted if it is at most this part of the table. One endpoint's session carries the
 * calls of many clients: with a table of 4,096 bytes, four clients with tokens of 1 KiB would push
 * each other, and everything else, out with every call. As a literal such a field costs a copy of its octets,
 * which is less than inserting it, and later again all that it pushed out.
 */
const INSERTED_PART = 1 / 4

/** Longer octets are encoded anew each time, to bound what a field can hold. */
const CACHED_OCTETS_MAX = 4096

/** Patterns and prefixes of the literals: §6.2.1, §6.2.2, §6.2.3. */
const INCREMENTAL = 0x40
const INCREMENTAL_MOST = 0x3f
const LITERAL = 0x00
const NEVER = 0x10
const LITERAL_MOST = 0x0f

/** Octets that `encode` writes at most for this block: what its output buffer must have room for. */
export function maxEncodedBytes(block: readonly HeaderFieldLike[]): number {
  // Two size updates; for each field an index, and the lengths of two strings. Huffman coding and
  // octets kept from the wire are used only where they are no longer than that.
  let bytes = 2 * MAX_INTEGER_BYTES
  for (let i = 0; i < block.length; i++) {
    const field = block[i]!
    bytes += 3 * MAX_INTEGER_BYTES + field.name.length + field.value.length
  }
  return bytes
}

/** One direction of one connection: its dynamic table is a mirror of the peer's decoder's. */
export class HpackEncoder {
  readonly #table = new EncoderTable(DEFAULT_TABLE_BYTES)
  readonly #cap: number
  readonly #blocks = new EncodedBlocks()
  /** The table size from the next block on. */
  #capacity = DEFAULT_TABLE_BYTES
  /** The smallest table size asked for since the last block. */
  #smallest = DEFAULT_TABLE_BYTES

  /** @param cap bytes of dynamic table that we use at most, whatever the peer allows */
  constructor(cap = DEFAULT_TABLE_BYTES) {
    this.#cap = cap
    this.setLimit(DEFAULT_TABLE_BYTES)
  }

  /** Entries and bytes of the dynamic table now, and its maximum size. */
  get table(): { readonly count: number; readonly size: number; readonly capacity: number } {
    return this.#table
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE, when it is acknowledged. Blocks after that keep it. */
  setLimit(bytes: number): void {
    this.#capacity = Math.min(bytes, this.#cap)
    this.#smallest = Math.min(this.#smallest, this.#capacity)
  }

  /**
   * Writes the block; `into` has room for `maxEncodedBytes(block)` from `at` on. The octets must be
   * sent, and before those of any later call, because the peer's table follows them.
   * @returns where the next octet goes
   * @throws RangeError for a field that is not a `HeaderField` and has a character that is not latin1.
   *   The table is then unchanged
   */
  encode(block: readonly HeaderFieldLike[], into: Buffer, at: number): number {
    const known = this.find(block)
    if (known === undefined) return this.#encode(block, into, at)
    const { octets, length } = known
    for (let i = 0; i < length; i++) into[at + i] = octets[i]!
    return at + length
  }

  /** Writes further fields of the block that was encoded last, at its end. They are not kept as a list of their own. */
  goOn(more: readonly HeaderFieldLike[], into: Buffer, at: number): number {
    for (let i = 0; i < more.length; i++) {
      const field = more[i]!
      at = this.#field(
        field instanceof HeaderField ? field : fieldOf(field.name, field.value, field.neverIndexed),
        into,
        at,
      )
    }
    return at
  }

  /** The octets of a list that was encoded before, if they are still valid. The list was checked at that time. */
  find(block: readonly HeaderFieldLike[]): EncodedBlock | undefined {
    const table = this.#table
    if (this.#capacity !== table.capacity || this.#smallest < this.#capacity) return undefined
    return this.#blocks.find(block, table.changes)
  }

  #encode(block: readonly HeaderFieldLike[], into: Buffer, at: number): number {
    for (let i = 0; i < block.length; i++) {
      if (!(block[i] instanceof HeaderField)) return this.#encode(fieldsOf(block), into, at)
    }
    const start = at
    const { changes } = this.#table
    let secret = false
    const fields = block as readonly HeaderField[]
    if (this.#capacity !== this.#table.capacity || this.#smallest < this.#capacity) at = this.#sizeUpdates(into, at)
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i]!
      if (field.mode === Mode.NEVER) secret = true
      at = this.#field(field, into, at)
    }
    // §7.1.3: of a secret nothing is kept.
    if (at - start <= KEPT_OCTETS && this.#table.changes === changes && !secret)
      this.#blocks.keep(block, changes, into, start, at)
    return at
  }

  #field(field: HeaderField, into: Buffer, at: number): number {
    if (field.staticIndex !== 0) {
      into[at++] = 0x80 | field.staticIndex
      return at
    }
    if (field.mode !== Mode.INDEXED) {
      return this.#literal(field, field.mode === Mode.NEVER ? NEVER : LITERAL, LITERAL_MOST, into, at)
    }
    const index = this.#table.indexOf(field)
    if (index === 0) return this.#insert(field, into, at)
    if (index >= 0x7f) return writeInteger(into, at, 0x80, 0x7f, index)
    into[at++] = 0x80 | index
    return at
  }

  #insert(field: HeaderField, into: Buffer, at: number): number {
    const table = this.#table
    if (field.size > table.capacity * INSERTED_PART) return this.#literal(field, LITERAL, LITERAL_MOST, into, at)
    at = this.#literal(field, INCREMENTAL, INCREMENTAL_MOST, into, at)
    table.add(field)
    return at
  }

  #literal(field: HeaderField, pattern: number, most: number, into: Buffer, at: number): number {
    const name = field.key
    const index = name.staticIndex === 0 ? this.#table.indexOfName(name) : name.staticIndex
    at = writeInteger(into, at, pattern, most, index)
    if (index === 0) at = writeText(name, name.text, into, at)
    return writeText(field, field.value, into, at)
  }

  /**
   * §4.2: "the smallest maximum table size that occurs in that interval MUST be signaled in a dynamic
   * table size update. The final maximum size is always signaled, resulting in at most two dynamic
   * table size updates."
   */
  #sizeUpdates(into: Buffer, at: number): number {
    if (this.#smallest < this.#capacity && this.#smallest < this.#table.capacity) {
      at = writeInteger(into, at, 0x20, 0x1f, this.#smallest)
      this.#table.resize(this.#smallest)
    }
    if (this.#capacity !== this.#table.capacity) {
      at = writeInteger(into, at, 0x20, 0x1f, this.#capacity)
      this.#table.resize(this.#capacity)
    }
    this.#smallest = this.#capacity
    return at
  }
}

/** The owner of the string that is written; `wire` is its octets once they are kept. */
interface Encoded {
  wire: Uint8Array
}

/** Writes the kept octets, or encodes anew; the second time the octets are kept. */
function writeText(owner: Encoded, text: string, into: Buffer, at: number): number {
  const wire = owner.wire
  if (wire.length > 0) return writeOctets(wire, into, at)
  if (wire === PLAIN) return writePlain(text, into, at)
  const end = writeString(text, into, at)
  if (wire === NEVER_ENCODED) owner.wire = ENCODED_ONCE
  else if (end - at <= CACHED_OCTETS_MAX) owner.wire = Uint8Array.prototype.slice.call(into, at, end)
  return end
}

function fieldsOf(block: readonly HeaderFieldLike[]): HeaderField[] {
  return block.map(field =>
    field instanceof HeaderField ? field : fieldOf(field.name, field.value, field.neverIndexed),
  )
}
