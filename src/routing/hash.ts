/**
 * The hash by which calls with the same key stay together: MurmurHash3 for 32 bits (Austin Appleby, public domain), of a
 * text in UTF-16.
 *
 * It is spread well over all its bits, and the same in each process, so that several proxies send a key to the same
 * endpoint. It keeps nobody from choosing keys: a client that may choose its key may choose the endpoint. Its loop fits
 * a screen, so it is here and not in a package; Node's own hashes take a microsecond or more for a short text.
 */

const C1 = 0xcc9e2d51
const C2 = 0x1b873593

/** @returns 32 bits */
export function hashText(text: string, seed = 0, start = 0, end = text.length): number {
  let hash = seed
  let at = start
  for (; at + 1 < end; at += 2) {
    hash ^= scrambled(text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16))
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  if (at < end) hash ^= scrambled(text.charCodeAt(at))
  // The length in bytes.
  return mix(hash ^ (2 * (end - start)))
}

function scrambled(block: number): number {
  const product = Math.imul(block, C1)
  return Math.imul((product << 15) | (product >>> 17), C2)
}

/** Each bit of the result depends on each bit of `bits`, and no two numbers have the same result. @returns 32 bits */
export function mix(bits: number): number {
  let hash = bits
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
