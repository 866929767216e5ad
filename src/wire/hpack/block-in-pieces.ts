/**
 * A header block of several frames, decoded as they come.
 *
 * Nothing waits for the end of the block: its octets are not kept, neither is a field above the limits, and only the
 * length is kept of a string that is too long. It holds the list within its limits, and one string. The dynamic
 * table still follows (RFC 9113 §4.3): an entry that is too long to be kept is longer than the table, and empties
 * it (RFC 7541 §4.4).
 *
 * ```
 *   FIELD ──index──▶ INDEX ──▶ NAME_LENGTH ─▶ NAME ─▶ VALUE_LENGTH ─▶ VALUE ──▶ FIELD
 *     └─────────────── indexed, or a size update ──────────────────────────────▶ FIELD
 * ```
 */
import { ENTRY_OVERHEAD, HeaderField, type HeaderName, Mode } from './header-field.ts'
import { hpackError } from './hpack-error.ts'
import { MAX_INTEGER_BYTES } from './integer.ts'
import { internField, nameOf } from './interning.ts'
import { TextInPieces } from './text-in-pieces.ts'

const At = { FIELD: 0, INDEX: 1, NAME_LENGTH: 2, NAME: 3, VALUE_LENGTH: 4, VALUE: 5 } as const

/** What a representation is (RFC 7541 §6), beside the modes of literals. */
const INDEXED_FIELD = 3
const SIZE_UPDATE = 4

/** What a block in pieces needs of its decoder. */
export interface PieceOwner {
  readonly maxListBytes: number
  readonly maxFields: number
  /** Of the dynamic table. */
  readonly capacity: number
  /** @throws ConnectionError for an index that does not exist */
  entry(index: number): HeaderField
  add(field: HeaderField): void
  /** An entry came that is larger than the table. */
  emptied(): void
  sizeUpdate(size: number): void
  /** The first field comes. */
  updatesOver(): void
}

export class BlockInPieces {
  readonly fields: HeaderField[] = []
  listBytes = 0
  tooLarge = false
  readonly #owner: PieceOwner
  #at: number = At.FIELD
  #updates = true
  /** The octets read so far of the current integer, or 0. */
  #octets = 0
  #value = 0
  #factor = 1
  #kind = 0
  #huffman = false
  #key: HeaderName | undefined
  #nameBytes = 0
  #text = new TextInPieces()

  constructor(owner: PieceOwner) {
    this.#owner = owner
  }

  /** Bytes held by the list and by an incomplete string. */
  get heldBytes(): number {
    return Math.min(this.listBytes, this.#owner.maxListBytes) + this.#text.heldBytes
  }

  /** @throws ConnectionError COMPRESSION_ERROR, as `HpackDecoder.decode` */
  push(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at < end; ) {
      if (this.#at === At.NAME || this.#at === At.VALUE) {
        at = this.#text.take(bytes, at, end)
        if (this.#text.left === 0) this.#afterText()
      } else if (this.#octets > 0) this.#more(bytes[at++]!)
      else if (this.#at === At.FIELD) this.#first(bytes[at++]!)
      else this.#length(bytes[at++]!)
    }
  }

  /** Ends the block. */
  end(): void {
    if (this.#at !== At.FIELD || this.#octets > 0) throw hpackError('hpack-truncated')
    if (this.#updates) this.#owner.updatesOver()
  }

  /** The first octet of a representation. */
  #first(octet: number): void {
    if (octet >= 0x80) this.#begin(INDEXED_FIELD, octet, 0x7f)
    else if (octet >= 0x40) this.#begin(Mode.INDEXED, octet, 0x3f)
    else if (octet >= 0x20) {
      if (!this.#updates) throw hpackError('hpack-size-update-late')
      this.#begin(SIZE_UPDATE, octet, 0x1f)
    } else this.#begin(octet >= 0x10 ? Mode.NEVER : Mode.LITERAL, octet, 0x0f)
  }

  #begin(kind: number, octet: number, most: number): void {
    if (this.#updates && kind !== SIZE_UPDATE) {
      this.#updates = false
      this.#owner.updatesOver()
    }
    this.#kind = kind
    this.#at = At.INDEX
    this.#prefix(octet & most, most)
  }

  /** The first octet of a string. */
  #length(octet: number): void {
    this.#huffman = octet >= 0x80
    this.#prefix(octet & 0x7f, 0x7f)
  }

  #prefix(value: number, most: number): void {
    this.#value = value
    this.#factor = 1
    if (value === most) this.#octets = 1
    else this.#afterInteger()
  }

  /** §5.1: "Integer encodings that exceed implementation limits … MUST be treated as decoding errors." */
  #more(octet: number): void {
    if (++this.#octets > MAX_INTEGER_BYTES) throw hpackError('hpack-integer-overflow')
    this.#value += (octet & 0x7f) * this.#factor
    this.#factor *= 128
    if (octet >= 0x80) return
    this.#octets = 0
    if (this.#value >= 2 ** 31) throw hpackError('hpack-integer-overflow')
    this.#afterInteger()
  }

  #afterInteger(): void {
    const value = this.#value
    if (this.#at !== At.INDEX) {
      this.#text.begin(value, this.#huffman, this.#room)
      this.#at++
      if (value === 0) this.#afterText()
      return
    }
    this.#at = At.FIELD
    if (this.#kind === SIZE_UPDATE) return this.#owner.sizeUpdate(value)
    if (this.#kind === INDEXED_FIELD) return this.#list(this.#owner.entry(value))
    this.#nameBytes = 0
    this.#key = value === 0 ? undefined : this.#owner.entry(value).key
    if (this.#key !== undefined) this.#nameBytes = this.#key.text.length
    this.#at = this.#key === undefined ? At.NAME_LENGTH : At.VALUE_LENGTH
  }

  /** How long the next string may be and still be needed, in the list or in the table. */
  get #room(): number {
    // The name was already too long.
    if (this.#at === At.VALUE_LENGTH && this.#key === undefined) return -1
    const list = this.tooLarge ? 0 : this.#owner.maxListBytes - this.listBytes
    const most = this.#kind === Mode.INDEXED ? Math.max(list, this.#owner.capacity) : list
    return most - ENTRY_OVERHEAD - this.#nameBytes
  }

  #afterText(): void {
    const text = this.#text
    if (this.#at === At.NAME) {
      this.#nameBytes = text.length
      this.#key = text.dropped ? undefined : nameOf(text.text())
      this.#at = At.VALUE_LENGTH
      return
    }
    this.#at = At.FIELD
    const key = this.#key
    if (key === undefined || text.dropped) return this.#drop()
    const value = text.text()
    const mode = this.#kind as Mode
    const field = mode === Mode.INDEXED ? internField(key, value) : new HeaderField(key, value, mode)
    if (mode === Mode.INDEXED) this.#owner.add(field)
    this.#list(field)
  }

  #list(field: HeaderField): void {
    this.listBytes += field.size
    if (this.listBytes <= this.#owner.maxListBytes && this.fields.length < this.#owner.maxFields)
      this.fields.push(field)
    else this.tooLarge = true
  }

  /** The field was larger than the rest of the list and than the table. */
  #drop(): void {
    this.listBytes += this.#nameBytes + this.#text.length + ENTRY_OVERHEAD
    this.tooLarge = true
    if (this.#kind === Mode.INDEXED) this.#owner.emptied()
  }
}
