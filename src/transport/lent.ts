/** Received bytes that outlive the call in which the owner got them. */
import { LENT, type LentBuffer } from '../wire/lent.ts'

/** The range as a buffer that stays as it is: the same memory where that is not lent, and a copy where it is. */
export function keep(bytes: Buffer, start: number, end: number): Buffer {
  if ((bytes as LentBuffer)[LENT] !== true) {
    return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end)
  }
  return copyOf(bytes, start, end)
}

/**
 * A copy in memory of its own, for what may be kept long: a small range of a buffer that was read
 * keeps all of that buffer, about 64 KiB, from being freed.
 */
export function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start)
  bytes.copy(copy, 0, start, end)
  return copy
}
