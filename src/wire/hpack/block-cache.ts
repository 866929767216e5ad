/**
 * Header blocks that come again octet by octet, as those of a client that repeats a call do: remembered with what
 * they decode to, so that the next is compared and not decoded.
 *
 * A block is valid only for the table that it was decoded with. Only blocks that changed nothing in it are kept, and
 * they are found only while nothing else changed it (`DynamicTable.changes`). Fields are immutable, and so is the list
 * of them.
 */
import type { HeaderField } from './header-field.ts'

/** The longest block kept: about 60 indexed fields, or fewer with some short literals. */
export const CACHED_BLOCK_BYTES = 64
/** A power of two: some kinds of calls, responses and trailers of one connection. */
const PLACES = 8

export class CachedBlock {
  readonly octets = new Uint8Array(CACHED_BLOCK_BYTES)
  length = 0
  changes = -1
  listBytes = 0
  fields: HeaderField[] = []
  /** The same as `HeaderField.note`, for what the layer above found out about the whole list; 0 means nothing yet. */
  note = 0
}

export class BlockCache {
  readonly #places: (CachedBlock | undefined)[] = new Array(PLACES).fill(undefined)

  find(bytes: Buffer, start: number, end: number, changes: number): CachedBlock | undefined {
    const length = end - start
    const block = this.#places[placeOf(bytes, end, length)]
    if (block === undefined || block.length !== length || block.changes !== changes) return undefined
    const { octets } = block
    for (let i = 0; i < length; i++) if (octets[i] !== bytes[start + i]) return undefined
    return block
  }

  /** `start < end`, and not more than `CACHED_BLOCK_BYTES`. */
  keep(
    bytes: Buffer,
    start: number,
    end: number,
    changes: number,
    fields: HeaderField[],
    listBytes: number,
  ): CachedBlock {
    const length = end - start
    const place = placeOf(bytes, end, length)
    let block = this.#places[place]
    if (block === undefined) this.#places[place] = block = new CachedBlock()
    for (let i = 0; i < length; i++) block.octets[i] = bytes[start + i]!
    block.length = length
    block.changes = changes
    block.listBytes = listBytes
    block.fields = fields
    block.note = 0
    return block
  }
}

function placeOf(bytes: Buffer, end: number, length: number): number {
  return (length + bytes[end - 1]!) & (PLACES - 1)
}
