/**
 * Header blocks to header lists (RFC 7541), one decoder for each direction of a session.
 *
 * The dynamic table holds the field objects themselves, so that an indexed field is an array look-up.
 * A literal that came before is found again by its octets (raw-cache.ts). Only what is new becomes a
 * string.
 */
import { BlockCache, CACHED_BLOCK_BYTES, type CachedBlock } from './block-cache.ts'
import { BlockInPieces, type PieceOwner } from './block-in-pieces.ts'
import { DEFAULT_TABLE_BYTES, DynamicTable } from './dynamic-table.ts'
import { HeaderField, type HeaderName, Mode } from './header-field.ts'
import { hpackError } from './hpack-error.ts'
import { decodedBound, decodeHuffman } from './huffman.ts'
import { MAX_INTEGER_BYTES } from './integer.ts'
import { internField, nameOf } from './interning.ts'
import { readLatin1 } from './latin1.ts'
import { RawCache } from './raw-cache.ts'
import { STATIC_COUNT, STATIC_FIELDS } from './static-table.ts'

/** Bytes of a header list, each field counted as name + value + 32. */
export const DEFAULT_MAX_LIST_BYTES = 65_536
/** Fields of a header list; each crumb of a cookie counts (RFC 9113 §8.2.3). */
export const DEFAULT_MAX_FIELDS = 128

/**
 * Values and names known by their octets, for the whole process. With RAW_BYTES_MAX this is 1 MiB and 256 KiB of keys.
 */
const VALUES_MAX = 1024
const NAMES_MAX = 256
const values = new RawCache<HeaderField>(VALUES_MAX)
const names = new RawCache<HeaderName>(NAMES_MAX)

/** From here on a new value keeps its octets, which costs less than to code it again on its way out. */
const KEPT_OCTETS_MIN = 128

/** The buffer for decoded Huffman strings. A string that needs more room gets a buffer of its own. */
const scratch = Buffer.allocUnsafeSlow(16_384)

export interface DecoderOptions {
  /** Bytes of a header list, each field counted as name + value + 32. Default 65,536. */
  readonly maxListBytes?: number
  /** Fields of a header list. Default 128. */
  readonly maxFields?: number
}

export class HpackDecoder {
  readonly maxListBytes: number
  readonly maxFields: number
  /**
   * Whether the block decoded last went over a limit: its list then ends before the field that did.
   * The dynamic table is still in step, and the session goes on.
   */
  tooLarge = false
  /** Bytes of the list decoded last, whole, as SETTINGS_MAX_HEADER_LIST_SIZE counts them. */
  listBytes = 0

  readonly #table = new DynamicTable(DEFAULT_TABLE_BYTES)
  #limit = DEFAULT_TABLE_BYTES
  /** A limit that was lowered below the table's size, and that no size update has met yet; or −1. */
  #owed = -1
  /** Where the integer or the string that was read last ends. */
  #at = 0

  /** The block of several frames that is coming. */
  #pieces: BlockInPieces | undefined
  #owner: PieceOwner | undefined

  readonly #blocks = new BlockCache()
  /** Whether a never-indexed field was in the block. Nothing of a secret is kept. */
  #hadSecret = false
  /** The last block, if it is remembered. Its `note` is for the layer above. */
  known: CachedBlock | undefined

  constructor(options: DecoderOptions = {}) {
    this.maxListBytes = options.maxListBytes ?? DEFAULT_MAX_LIST_BYTES
    this.maxFields = options.maxFields ?? DEFAULT_MAX_FIELDS
  }

  /** Entries and bytes of the dynamic table now, and its maximum size. */
  get table(): { readonly count: number; readonly size: number; readonly capacity: number } {
    return this.#table
  }

  /**
   * Our SETTINGS_HEADER_TABLE_SIZE, once the peer acknowledged it. A peer may use a raised limit as
   * soon as it knows of it, and acknowledges before it does.
   */
  setLimit(bytes: number): void {
    this.#limit = bytes
    // RFC 9113 §4.3.1: "Once an endpoint acknowledges a change to SETTINGS_HEADER_TABLE_SIZE that
    // reduces the maximum below the current size of the dynamic table, its HPACK encoder MUST start
    // the next field block with a Dynamic Table Size Update instruction that sets the dynamic table
    // to a size that is less than or equal to the reduced maximum".
    if (bytes < this.#table.capacity) this.#owed = this.#owed < 0 ? bytes : Math.min(this.#owed, bytes)
  }

  /**
   * Decodes one whole header block, `bytes[start..end)`, whose frames were joined before. Blocks must
   * come in the order of the wire, each exactly once. It keeps nothing of `bytes`.
   *
   * @returns the fields in their order; fewer than the block has where `tooLarge` is set
   * @throws ConnectionError COMPRESSION_ERROR with a token of `HPACK_TOKENS`; the decoder cannot be used afterwards
   */
  decode(bytes: Buffer, start: number, end: number): readonly HeaderField[] {
    const table = this.#table
    const { changes } = table
    const short = end - start <= CACHED_BLOCK_BYTES && start < end && this.#owed < 0
    if (short) {
      const known = this.#blocks.find(bytes, start, end, changes)
      this.known = known
      if (known !== undefined) {
        this.tooLarge = false
        this.listBytes = known.listBytes
        return known.fields
      }
    } else this.known = undefined
    const fields = this.#fieldsOf(bytes, start, end)
    if (short && table.changes === changes && !this.tooLarge && !this.#hadSecret)
      this.known = this.#blocks.keep(bytes, start, end, changes, fields, this.listBytes)
    return fields
  }

  /**
   * Decodes the next octets of a block that comes in several frames; `finish` ends it. No other block may come between.
   * It keeps nothing of `bytes`, and at most `heldBytes` of the block.
   *
   * @throws as `decode`
   */
  push(bytes: Buffer, start: number, end: number): void {
    this.#pieces ??= this.#newPieces()
    this.#pieces.push(bytes, start, end)
  }

  /** The block in pieces is complete. @returns as `decode` @throws as `decode` */
  finish(): readonly HeaderField[] {
    const pieces = this.#pieces ?? this.#newPieces()
    this.#pieces = undefined
    this.known = undefined
    pieces.end()
    this.tooLarge = pieces.tooLarge
    this.listBytes = pieces.listBytes
    return pieces.fields
  }

  /**
   * Bytes held of an incomplete block in pieces: its fields and a string, at most `maxListBytes` and the size of a
   * piece.
   */
  get heldBytes(): number {
    return this.#pieces?.heldBytes ?? 0
  }

  #newPieces(): BlockInPieces {
    this.#owner ??= this.#ownerOfPieces()
    return new BlockInPieces(this.#owner)
  }

  #ownerOfPieces(): PieceOwner {
    const table = this.#table
    const { maxListBytes, maxFields } = this
    return {
      maxListBytes,
      maxFields,
      get capacity() {
        return table.capacity
      },
      entry: index => this.#entry(index, table),
      add: field => table.add(field),
      emptied: () => table.clear(),
      sizeUpdate: size => this.#sizeUpdate(size),
      updatesOver: () => this.#updatesOver(),
    }
  }

  #fieldsOf(bytes: Buffer, start: number, end: number): HeaderField[] {
    const fields: HeaderField[] = []
    const table = this.#table
    this.#hadSecret = false
    const { maxListBytes, maxFields } = this
    let listBytes = 0
    this.tooLarge = false
    let at = start
    if (this.#owed >= 0 || (at < end && (bytes[at]! & 0xe0) === 0x20)) at = this.#sizeUpdates(bytes, at, end)
    while (at < end) {
      const first = bytes[at]!
      let field: HeaderField | undefined
      if (first >= 0x80) {
        // §6.1: "The index value of 0 is not used. It MUST be treated as a decoding error if found in
        // an indexed header field representation."
        let index = first & 0x7f
        at++
        if (index === 0x7f) {
          index = this.#integer(bytes, at - 1, end, 0x7f)
          at = this.#at
        }
        field = this.#entry(index, table)
      } else {
        field = this.#literal(bytes, at, end, first)
        at = this.#at
        if (field === undefined) continue
      }
      listBytes += field.size
      if (listBytes <= maxListBytes && fields.length < maxFields) fields.push(field)
      else this.tooLarge = true
    }
    this.listBytes = listBytes
    return fields
  }

  /**
   * §2.3.3: "Indices strictly greater than the sum of the lengths of both tables MUST be treated as a decoding error."
   */
  #entry(index: number, table: DynamicTable): HeaderField {
    if (index <= STATIC_COUNT) {
      if (index === 0) throw hpackError('hpack-bad-index')
      return STATIC_FIELDS[index]!
    }
    const field = table.get(index)
    if (field === undefined) throw hpackError('hpack-bad-index')
    return field
  }

  /** @returns undefined for a field that nobody will see: a literal beyond the limits */
  #literal(bytes: Buffer, at: number, end: number, first: number): HeaderField | undefined {
    let mode: Mode = Mode.LITERAL
    let most = 0x0f
    if (first >= 0x40) {
      mode = Mode.INDEXED
      most = 0x3f
    } else if (first >= 0x20) {
      // §4.2: "This dynamic table size update MUST occur at the beginning of the first header block
      // following the change to the dynamic table size."
      throw hpackError('hpack-size-update-late')
    } else if (first >= 0x10) {
      mode = Mode.NEVER
    }
    let index = first & most
    this.#at = at + 1
    if (index === most) index = this.#integer(bytes, at, end, most)
    if (this.tooLarge && mode !== Mode.INDEXED) {
      if (index === 0) this.#skipString(bytes, end)
      else this.#entry(index, this.#table)
      this.#skipString(bytes, end)
      return undefined
    }
    const key = index === 0 ? this.#name(bytes, end) : this.#entry(index, this.#table).key
    if (mode === Mode.NEVER) this.#hadSecret = true
    const field = mode === Mode.NEVER ? this.#secret(key, bytes, end) : this.#value(key, mode, bytes, end)
    if (mode === Mode.INDEXED) this.#table.add(field)
    return field
  }

  #name(bytes: Buffer, end: number): HeaderName {
    const start = this.#at
    const body = this.#stringBody(bytes, end)
    const stop = this.#at
    const known = names.find(names, 0, bytes, start, stop)
    if (known !== undefined) return known
    const name = nameOf(text(bytes, body, stop, bytes[start]! >= 0x80))
    names.offer(names, bytes, start, stop, name)
    return name
  }

  #value(key: HeaderName, mode: Mode, bytes: Buffer, end: number): HeaderField {
    const start = this.#at
    const body = this.#stringBody(bytes, end)
    const stop = this.#at
    const tag = (key.serial << 2) | mode
    const known = values.find(key, tag, bytes, start, stop)
    if (known !== undefined) return known
    const value = text(bytes, body, stop, bytes[start]! >= 0x80)
    const field = mode === Mode.INDEXED ? internField(key, value) : new HeaderField(key, value, mode)
    const kept = values.offer(key, bytes, start, stop, field)
    if (field.wire.length === 0) keepOctets(field, kept, bytes, start, stop)
    return field
  }

  /**
   * A never-indexed value. §7.1.3 protects it from being guessed through what is kept of it, so it is never stored
   * where sessions share it.
   */
  #secret(key: HeaderName, bytes: Buffer, end: number): HeaderField {
    const start = this.#at
    const body = this.#stringBody(bytes, end)
    const field = new HeaderField(key, text(bytes, body, this.#at, bytes[start]! >= 0x80), Mode.NEVER)
    keepOctets(field, undefined, bytes, start, this.#at)
    return field
  }

  /** Checks a string and drops it. */
  #skipString(bytes: Buffer, end: number): void {
    const start = this.#at
    const body = this.#stringBody(bytes, end)
    if (bytes[start]! >= 0x80) decodeHuffman(bytes, body, this.#at, roomFor(this.#at - body))
  }

  /** Reads a string's length. @returns where its octets start; they end at `#at` */
  #stringBody(bytes: Buffer, end: number): number {
    const at = this.#at
    if (at >= end) throw hpackError('hpack-truncated')
    let length = bytes[at]! & 0x7f
    let body = at + 1
    if (length === 0x7f) {
      length = this.#integer(bytes, at, end, 0x7f)
      body = this.#at
    }
    if (length > end - body) throw hpackError('hpack-string-overrun')
    this.#at = body + length
    return body
  }

  /** Reads the integer whose prefix is in `bytes[at]`; it ends at `#at`. */
  #integer(bytes: Buffer, at: number, end: number, most: number): number {
    let value = bytes[at]! & most
    at++
    if (value === most) {
      // §5.1: "Integer encodings that exceed implementation limits -- in value or octet length --
      // MUST be treated as decoding errors."
      const last = at + MAX_INTEGER_BYTES - 1
      for (let factor = 1; ; factor *= 128) {
        if (at >= end) throw hpackError('hpack-truncated')
        if (at >= last) throw hpackError('hpack-integer-overflow')
        const octet = bytes[at++]!
        value += (octet & 0x7f) * factor
        if (octet < 0x80) break
      }
      if (value >= 2 ** 31) throw hpackError('hpack-integer-overflow')
    }
    this.#at = at
    return value
  }

  /** Applies the size updates that a block starts with. @returns where its fields start */
  #sizeUpdates(bytes: Buffer, at: number, end: number): number {
    while (at < end && (bytes[at]! & 0xe0) === 0x20) {
      const size = this.#integer(bytes, at, end, 0x1f)
      at = this.#at
      this.#sizeUpdate(size)
    }
    this.#updatesOver()
    return at
  }

  #sizeUpdate(size: number): void {
    // §6.3: "The new maximum size MUST be lower than or equal to the limit determined by the
    // protocol using HPACK. A value that exceeds this limit MUST be treated as a decoding error."
    if (size > this.#limit) throw hpackError('hpack-size-update-too-large')
    if (this.#owed >= 0 && size <= this.#owed) this.#owed = -1
    this.#updatesOver()
    this.#table.resize(size)
  }

  #updatesOver(): void {
    // RFC 9113 §4.3.1: "An endpoint MUST treat a field block that follows an acknowledgment of the
    // reduction to the maximum dynamic table size as a connection error (Section 5.4.1) of type
    // COMPRESSION_ERROR if it does not start with a conformant Dynamic Table Size Update instruction."
    if (this.#owed >= 0) throw hpackError('hpack-size-update-missing')
  }
}

function text(bytes: Buffer, start: number, end: number, huffman: boolean): string {
  if (!huffman) return readLatin1(bytes, start, end)
  const into = roomFor(end - start)
  return readLatin1(into, 0, decodeHuffman(bytes, start, end, into))
}

function roomFor(codedLength: number): Buffer {
  const bound = decodedBound(codedLength)
  return bound <= scratch.length ? scratch : Buffer.allocUnsafeSlow(bound)
}

/** Gives a new field the octets of its value, where that helps and they are not needlessly long. */
function keepOctets(field: HeaderField, kept: Buffer | undefined, bytes: Buffer, start: number, end: number): void {
  const length = end - start
  // The bound that the encoder promises (`maxEncodedBytes`).
  if (length > field.value.length + MAX_INTEGER_BYTES) return
  if (kept !== undefined) field.wire = kept
  else if (length >= KEPT_OCTETS_MIN) field.wire = Buffer.from(bytes.subarray(start, end))
}

/** What the process-wide caches hold now, for tests and for monitoring. */
export function rawCached(): { readonly entries: number; readonly bytes: number } {
  return { entries: values.size.entries + names.size.entries, bytes: values.size.bytes + names.size.bytes }
}
