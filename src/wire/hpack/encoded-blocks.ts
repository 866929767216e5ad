/**
 * Header lists that are sent again, by identity: with the octets that they were encoded to, as long as nothing
 * changed in the dynamic table since. The counterpart of block-cache.ts, which makes equal blocks the same list.
 */
import type { HeaderFieldLike } from './header-field.ts'

/** The longest block kept. */
export const KEPT_OCTETS = 64
/** Lists kept: an endpoint's session sends the calls of many clients, each with lists of its own. */
const LISTS = 16

export class EncodedBlock {
  readonly octets = new Uint8Array(KEPT_OCTETS)
  list: readonly HeaderFieldLike[] | undefined
  changes = -1
  length = 0
}

export class EncodedBlocks {
  readonly #blocks: EncodedBlock[] = []
  #last: EncodedBlock | undefined
  #next = 0

  /** `changes`: the count of the table now. */
  find(list: readonly HeaderFieldLike[], changes: number): EncodedBlock | undefined {
    const last = this.#last
    if (last !== undefined && last.list === list) return last.changes === changes ? last : undefined
    const blocks = this.#blocks
    for (let i = 0; i < blocks.length; i++) {
      const block = blocks[i]!
      if (block.list !== list) continue
      this.#last = block
      return block.changes === changes ? block : undefined
    }
    return undefined
  }

  keep(list: readonly HeaderFieldLike[], changes: number, from: Buffer, start: number, end: number): void {
    const block = this.#place(list)
    for (let i = start; i < end; i++) block.octets[i - start] = from[i]!
    block.length = end - start
    block.list = list
    block.changes = changes
    this.#last = block
  }

  /** The list's own place, if it has one, or the oldest place. */
  #place(list: readonly HeaderFieldLike[]): EncodedBlock {
    for (const block of this.#blocks) if (block.list === list) return block
    if (this.#blocks.length < LISTS) {
      const block = new EncodedBlock()
      this.#blocks.push(block)
      return block
    }
    this.#next = (this.#next + 1) % LISTS
    return this.#blocks[this.#next]!
  }
}
