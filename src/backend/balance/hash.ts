/**
 * The hash of consistent hashing: MurmurHash3 for 32 bits (Austin Appleby, public domain), of a text in UTF-16.
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

const DIGIT_BITS = 11
const DIGITS = 1 << DIGIT_BITS

/** Numbers, and something that belongs to each of them. */
export interface Numbered {
  readonly numbers: Uint32Array
  readonly owners: Uint32Array
}

/**
 * In the order of the numbers, least first; equal ones stay as they were. What was given is overwritten. A radix sort: a
 * ring has some hundred thousand places, and is made while calls wait.
 */
export function sorted(given: Numbered): Numbered {
  let from = given
  let to: Numbered = { numbers: from.numbers.slice(), owners: from.owners.slice() }
  const starts = new Uint32Array(DIGITS)
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    pass(from, to, shift, starts)
    ;[from, to] = [to, from]
  }
  return from
}

/** Sorts by the digit at `shift`. */
function pass({ numbers, owners }: Numbered, to: Numbered, shift: number, starts: Uint32Array): void {
  starts.fill(0)
  for (let i = 0; i < numbers.length; i++) starts[(numbers[i]! >>> shift) & (DIGITS - 1)]!++
  for (let digit = 0, sum = 0; digit < DIGITS; digit++) {
    const count = starts[digit]!
    starts[digit] = sum
    sum += count
  }
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]!
    const at = starts[(number >>> shift) & (DIGITS - 1)]!++
    to.numbers[at] = number
    to.owners[at] = owners[i]!
  }
}
