/**
 * Octets to strings and back, one character an octet. `Buffer` has these methods on every Node since
 * version 4 without documenting them; they save the look-up of the encoding by its name.
 */

interface Latin1Methods {
  latin1Slice(start: number, end: number): string
  latin1Write(text: string, at: number): number
}

const chars = String.fromCharCode

/**
 * `bytes[start..end)` as a string of its own. The shortest strings (a status, a timeout) are made without
 * leaving JavaScript, in a third of the time.
 */
export function readLatin1(bytes: Buffer, start: number, end: number): string {
  const at = start
  const b = bytes
  switch (end - start) {
    case 0:
      return ''
    case 1:
      return chars(b[at]!)
    case 2:
      return chars(b[at]!, b[at + 1]!)
    case 3:
      return chars(b[at]!, b[at + 1]!, b[at + 2]!)
    case 4:
      return chars(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!)
    case 5:
      return chars(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!)
    case 6:
      return chars(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!)
    case 7:
      return chars(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!)
    case 8:
      return chars(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!)
  }
  return (bytes as Buffer & Latin1Methods).latin1Slice(start, end)
}

/** Writes `text` at `at`. @returns octets written */
export function writeLatin1(text: string, into: Buffer, at: number): number {
  return (into as Buffer & Latin1Methods).latin1Write(text, at)
}
