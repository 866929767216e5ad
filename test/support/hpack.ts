/**
 * A small HPACK (RFC 7541) for tests: plain to read, slow, and independent of src/wire/hpack.
 * Strings are latin1: one character is one octet.
 */
import { huffmanDecode } from './huffman.ts'

/**
 * How a field stands in a header block: §6.1 `indexed`, §6.2.1 `incremental`, §6.2.2 `literal`
 * (without indexing), §6.2.3 `never`.
 */
export type Representation = 'indexed' | 'incremental' | 'literal' | 'never'

export interface DecodedField {
  readonly name: string
  readonly value: string
  readonly neverIndexed: boolean
  readonly representation: Representation
}

/** What a test writes: `['name', 'value']`, or with a third word for its representation. */
export type Field = readonly [name: string, value: string, representation?: Representation]

// RFC 7541 Appendix A.
// biome-ignore format: a table
const STATIC: readonly (readonly [string, string])[] = [
  [':authority', ''], [':method', 'GET'], [':method', 'POST'], [':path', '/'], [':path', '/index.html'],
  [':scheme', 'http'], [':scheme', 'https'], [':status', '200'], [':status', '204'], [':status', '206'],
  [':status', '304'], [':status', '400'], [':status', '404'], [':status', '500'], ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'], ['accept-language', ''], ['accept-ranges', ''], ['accept', ''],
  ['access-control-allow-origin', ''], ['age', ''], ['allow', ''], ['authorization', ''], ['cache-control', ''],
  ['content-disposition', ''], ['content-encoding', ''], ['content-language', ''], ['content-length', ''],
  ['content-location', ''], ['content-range', ''], ['content-type', ''], ['cookie', ''], ['date', ''], ['etag', ''],
  ['expect', ''], ['expires', ''], ['from', ''], ['host', ''], ['if-match', ''], ['if-modified-since', ''],
  ['if-none-match', ''], ['if-range', ''], ['if-unmodified-since', ''], ['last-modified', ''], ['link', ''],
  ['location', ''], ['max-forwards', ''], ['proxy-authenticate', ''], ['proxy-authorization', ''], ['range', ''],
  ['referer', ''], ['refresh', ''], ['retry-after', ''], ['server', ''], ['set-cookie', ''],
  ['strict-transport-security', ''], ['transfer-encoding', ''], ['user-agent', ''], ['vary', ''], ['via', ''],
  ['www-authenticate', ''],
]

/** §2.3.2, §4: newest first. */
class DynamicTable {
  readonly entries: (readonly [string, string])[] = []
  size = 0
  capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  add(name: string, value: string): void {
    this.entries.unshift([name, value])
    this.size += name.length + value.length + 32
    this.#evict()
  }

  resize(capacity: number): void {
    this.capacity = capacity
    this.#evict()
  }

  /** By HPACK index: 1 to 61 the static table, from 62 this one. */
  get(index: number): readonly [string, string] {
    const entry = index <= STATIC.length ? STATIC[index - 1] : this.entries[index - STATIC.length - 1]
    if (entry === undefined) throw new Error(`HPACK: no entry at index ${index}`)
    return entry
  }

  /** HPACK index, or 0. */
  find(matches: (entry: readonly [string, string]) => boolean): number {
    const fixed = STATIC.findIndex(matches)
    if (fixed >= 0) return fixed + 1
    const dynamic = this.entries.findIndex(matches)
    return dynamic >= 0 ? STATIC.length + dynamic + 1 : 0
  }

  #evict(): void {
    while (this.size > this.capacity) {
      const [name, value] = this.entries.pop()!
      this.size -= name.length + value.length + 32
    }
  }
}

/** §5.1, with the first octet's high bits given. */
function integer(prefixBits: number, high: number, value: number): Buffer {
  const most = 2 ** prefixBits - 1
  if (value < most) return Buffer.from([high | value])
  const out = [high | most]
  let rest = value - most
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 0x80)
  out.push(rest)
  return Buffer.from(out)
}

function string(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  return Buffer.concat([integer(7, 0, bytes.length), bytes])
}

/** First octet's pattern and prefix of each literal. */
const LITERAL = {
  incremental: [0x40, 6],
  literal: [0x00, 4],
  never: [0x10, 4],
} as const

export class HpackEncoder {
  readonly #table: DynamicTable
  #updates: Buffer[] = []

  constructor(capacity = 4096) {
    this.#table = new DynamicTable(capacity)
  }

  /** The next block starts with a dynamic table size update (§6.3). */
  resize(capacity: number): void {
    this.#table.resize(capacity)
    this.#updates.push(integer(5, 0x20, capacity))
  }

  /** @param usual for fields that say nothing themselves. `indexed` falls back to `incremental`. */
  encode(fields: readonly Field[], usual: Representation = 'literal'): Buffer {
    const parts = this.#updates
    this.#updates = []
    for (const [name, value, its] of fields) parts.push(this.#field(name, value, its ?? usual))
    return Buffer.concat(parts)
  }

  #field(name: string, value: string, representation: Representation): Buffer {
    if (representation === 'indexed') {
      const index = this.#table.find(entry => entry[0] === name && entry[1] === value)
      if (index > 0) return integer(7, 0x80, index)
      representation = 'incremental'
    }
    const [pattern, prefixBits] = LITERAL[representation]
    const nameIndex = this.#table.find(entry => entry[0] === name)
    const head = integer(prefixBits, pattern, nameIndex)
    const bytes = nameIndex > 0 ? [head, string(value)] : [head, string(name), string(value)]
    if (representation === 'incremental') this.#table.add(name, value)
    return Buffer.concat(bytes)
  }
}

export class HpackDecoder {
  readonly #table: DynamicTable
  readonly #limit: number
  #block: Buffer = Buffer.alloc(0)
  #at = 0

  /** @param limit what our SETTINGS_HEADER_TABLE_SIZE allows the encoder */
  constructor(limit = 4096) {
    this.#limit = limit
    this.#table = new DynamicTable(limit)
  }

  /** @throws on anything that RFC 7541 calls a decoding error */
  decode(block: Buffer): DecodedField[] {
    this.#block = block
    this.#at = 0
    const fields: DecodedField[] = []
    while (this.#at < block.length) {
      const first = block[this.#at]!
      if (first & 0x80) fields.push(this.#indexed())
      else if (first & 0x40) fields.push(this.#literal('incremental'))
      else if (first & 0x20) this.#sizeUpdate(fields.length === 0)
      else fields.push(this.#literal(first & 0x10 ? 'never' : 'literal'))
    }
    return fields
  }

  /** The dynamic table, newest first, and its size as §4.1 counts it. */
  get table(): {
    readonly entries: readonly (readonly [string, string])[]
    readonly size: number
  } {
    return this.#table
  }

  #indexed(): DecodedField {
    const [name, value] = this.#table.get(this.#integer(7))
    return { name, value, neverIndexed: false, representation: 'indexed' }
  }

  #literal(representation: keyof typeof LITERAL): DecodedField {
    const nameIndex = this.#integer(LITERAL[representation][1])
    const name = nameIndex > 0 ? this.#table.get(nameIndex)[0] : this.#string()
    const value = this.#string()
    if (representation === 'incremental') this.#table.add(name, value)
    return {
      name,
      value,
      neverIndexed: representation === 'never',
      representation,
    }
  }

  #sizeUpdate(atStart: boolean): void {
    // §4.2: "This dynamic table size update MUST occur at the beginning of the first header block".
    if (!atStart) throw new Error('HPACK: size update after a field')
    const capacity = this.#integer(5)
    if (capacity > this.#limit) throw new Error(`HPACK: size update to ${capacity}, limit ${this.#limit}`)
    this.#table.resize(capacity)
  }

  #integer(prefixBits: number): number {
    const most = 2 ** prefixBits - 1
    let value = this.#byte() & most
    if (value < most) return value
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte()
      value += (byte & 0x7f) * factor
      if (value > 0xffffffff) throw new Error('HPACK: integer too large')
      if (byte < 0x80) return value
    }
  }

  #string(): string {
    const huffman = this.#block[this.#at]! & 0x80
    const length = this.#integer(7)
    const bytes = this.#block.subarray(this.#at, this.#at + length)
    if (bytes.length < length) throw new Error('HPACK: string past the end of the block')
    this.#at += length
    return huffman ? huffmanDecode(bytes) : bytes.toString('latin1')
  }

  #byte(): number {
    const byte = this.#block[this.#at++]
    if (byte === undefined) throw new Error('HPACK: block ends within a field')
    return byte
  }
}
