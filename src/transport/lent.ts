/** Received bytes that outlive the call in which they were told. */

/**
 * A transport that will write again into a buffer which it gave to `onData` marks it with this. The
 * mark is on the buffer, so that nobody else need know which transport the bytes came by.
 */
export const LENT = Symbol('lent')

export type LentBuffer = Buffer & { [LENT]?: true }

/** The range as a buffer that stays as it is: the same memory where it is not lent, else a copy. */
export function keep(bytes: Buffer, start: number, end: number): Buffer {
  if ((bytes as LentBuffer)[LENT] !== true) {
    return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end)
  }
  return copyOf(bytes, start, end)
}

/**
 * A copy in memory of its own. For what may be kept long: a small range of a buffer that was read
 * keeps all of that buffer, some 64 KiB, from being freed.
 */
export function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start)
  bytes.copy(copy, 0, start, end)
  return copy
}
