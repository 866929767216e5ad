/** Which bytes of a file are asked for (RFC 9110 §14): all, or one range. */

export interface ByteRange {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/** One range. Of a list none is taken: §14.2 lets a server ignore the field, and many small ones are an old attack. */
const ONE = /^bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))$/i

/**
 * @param range the field's value
 * @param bytes of the file
 * @returns undefined: all of it. `unsatisfiable`: none of the file's bytes are in it (416)
 */
export function byteRange(range: string | undefined, bytes: number): ByteRange | 'unsatisfiable' | undefined {
  const parts = ONE.exec(range ?? '')
  // No range is within an empty file, which is sent as well without one.
  if (parts === null || bytes === 0) return undefined
  const [, first, last, suffix] = parts
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), bytes)
    return length === 0 ? 'unsatisfiable' : { start: bytes - length, end: bytes }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  if (start >= bytes) return 'unsatisfiable'
  return { start, end: last === '' ? bytes : Math.min(Number(last) + 1, bytes) }
}
