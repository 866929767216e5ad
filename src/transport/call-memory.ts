/**
 * What the calls of all clients take in memory beside the DATA that windows bound: header lists, requests that are kept
 * to be sent again, header blocks that have not ended, frames that a client does not take, and a part for each call.
 *
 * Who holds as much as is left gets no more. One client alone then has half of it at most, n such clients 1/(n + 1)
 * each, and there is always room for one that holds little: who fills the memory stands in nobody's way but its own.
 */

/** Who it is for: a client session. */
export interface MemoryHolder {
  /** Only `CallMemory` writes it. */
  heldBytes: number
}

/** Relay, two streams, their places in tables: 1.5 KiB of heap, measured on Node 26; the rest for deadline and record. */
export const CALL_BYTES = 2_048

export class CallMemory {
  /** May change: what is held stays held. */
  limitBytes: number
  /** Of all holders. */
  heldBytes = 0

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  /** @returns false: the holder has its share, and nothing was counted */
  take(holder: MemoryHolder, bytes: number): boolean {
    if (holder.heldBytes + bytes > this.limitBytes - this.heldBytes) return false
    this.hold(holder, bytes)
    return true
  }

  /** What is there whatever the limit says. */
  hold(holder: MemoryHolder, bytes: number): void {
    holder.heldBytes += bytes
    this.heldBytes += bytes
  }

  give(holder: MemoryHolder, bytes: number): void {
    holder.heldBytes -= bytes
    this.heldBytes -= bytes
  }
}
