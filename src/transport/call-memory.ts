/**
 * What the calls of all clients take in memory besides the DATA that windows bound: header lists, requests that are
 * kept to be sent again, header blocks that have not ended, frames that a client does not take, and a part for each
 * call.
 *
 * A client that holds as much as is left gets no more. One such client alone then has at most half of the memory, n of
 * them have 1/(n + 1) each, and there is always room for one that holds little: a client that fills the memory is in
 * nobody's way but its own.
 */

/** Its holder is a client session. */
export interface MemoryHolder {
  /** Only `CallMemory` writes it. */
  heldBytes: number
}

/**
 * Relay, two streams, their places in tables: 1.5 KiB of heap, measured on Node 26; the rest for deadline and record.
 */
export const CALL_BYTES = 2_048

export class CallMemory {
  /** It may change; what is held stays held. */
  limitBytes: number
  /** The sum over all holders. */
  heldBytes = 0

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  /** @returns false when the holder has its share already; then nothing was counted */
  take(holder: MemoryHolder, bytes: number): boolean {
    if (holder.heldBytes + bytes > this.limitBytes - this.heldBytes) return false
    this.hold(holder, bytes)
    return true
  }

  /** Counts memory that is in use already, whatever the limit says. */
  hold(holder: MemoryHolder, bytes: number): void {
    holder.heldBytes += bytes
    this.heldBytes += bytes
  }

  give(holder: MemoryHolder, bytes: number): void {
    holder.heldBytes -= bytes
    this.heldBytes -= bytes
  }
}
