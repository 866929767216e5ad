/**
 * Integers with a prefix (RFC 7541 §5.1), writing. The decoder reads them, because it has the cursor.
 */

/** Octets of the longest integer that is ever written: a prefix octet and 31 bits in groups of seven. */
export const MAX_INTEGER_BYTES = 6

/**
 * Writes `value` behind the pattern of a representation.
 * @param pattern the bits above the prefix, in place
 * @param most the prefix with all bits set: 2^N − 1
 * @returns where the next octet goes
 */
export function writeInteger(into: Uint8Array, at: number, pattern: number, most: number, value: number): number {
  // §5.1: "If the integer value is small enough, i.e., strictly less than 2^N-1, it is encoded
  // within the N-bit prefix."
  if (value < most) {
    into[at] = pattern | value
    return at + 1
  }
  into[at++] = pattern | most
  let rest = value - most
  while (rest >= 128) {
    into[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  into[at] = rest
  return at + 1
}
