/**
 * The DATA frame that a stream's owner is just being given, in place: this is how a frame is forwarded without being
 * copied. An owner that hands `bytes[start..end)` on to another stream within its `onData` need not know about it:
 * that stream finds the frame here, writes its own stream id over the head, and sends frame and head in place.
 *
 * There is one for the process, because only one owner is called at a time. Only long frames without padding are
 * offered, if they are whole in one chunk that its receiver allows to be changed (`Connection.receive`).
 */
let bytesInHand: Buffer | undefined
let headAtInHand = -1
let startInHand = -1
let endInHand = -1
/** The chunk from which a frame was taken by reference since `framesTaken` was last called. */
let taken = false

/** Call it before `onData`. */
export function offerFrame(bytes: Buffer, headAt: number, start: number, end: number): void {
  bytesInHand = bytes
  headAtInHand = headAt
  startInHand = start
  endInHand = end
}

/** Call it after `onData`. */
export function withdrawFrame(): void {
  bytesInHand = undefined
}

/**
 * Where the head of the frame with exactly this payload is, or −1. A frame can be taken once: its head is the
 * taker's now, and the bytes must stay as they are until the taker's socket has sent them.
 */
export function takeFrame(bytes: Buffer, start: number, end: number): number {
  if (bytesInHand !== bytes || startInHand !== start || endInHand !== end) return -1
  bytesInHand = undefined
  taken = true
  return headAtInHand
}

/** Whether frames were taken since the last call of this: then the chunk may not be written again yet. */
export function framesTaken(): boolean {
  const were = taken
  taken = false
  return were
}
