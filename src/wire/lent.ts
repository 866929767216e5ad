/**
 * The mark of a buffer that its owner will write again: a range of it given to a callback is valid only during
 * the call. The mark is on the buffer, so that nobody has to know where the bytes came from.
 */
export const LENT = Symbol('lent')

export type LentBuffer = Buffer & { [LENT]?: true }

/** A buffer of `bytes` with the mark, not cleared. */
export function lentBuffer(bytes: number): Buffer {
  const buffer: LentBuffer = Buffer.allocUnsafeSlow(bytes)
  buffer[LENT] = true
  return buffer
}
