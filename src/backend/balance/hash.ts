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
/** They make up 32 bits. */
const PASSES = 3

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
  const starts = startsOf(given.numbers)
  let from = given
  let to: Numbered = { numbers: new Uint32Array(from.numbers.length), owners: new Uint32Array(from.numbers.length) }
  for (let pass = 0; pass < PASSES; pass++) {
    sortByDigit(from, to, pass * DIGIT_BITS, starts.subarray(pass * DIGITS, (pass + 1) * DIGITS))
    ;[from, to] = [to, from]
  }
  return from
}

/** For each digit of each pass: where the first number that has it comes. */
function startsOf(numbers: Uint32Array): Uint32Array {
  const starts = new Uint32Array(PASSES * DIGITS)
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]!
    starts[number & (DIGITS - 1)]!++
    starts[DIGITS + ((number >>> DIGIT_BITS) & (DIGITS - 1))]!++
    starts[2 * DIGITS + (number >>> (2 * DIGIT_BITS))]!++
  }
  for (let pass = 0; pass < PASSES; pass++) {
    for (let at = pass * DIGITS, sum = 0; at < (pass + 1) * DIGITS; at++) {
      const count = starts[at]!
      starts[at] = sum
      sum += count
    }
  }
  return starts
}

function sortByDigit({ numbers, owners }: Numbered, to: Numbered, shift: number, starts: Uint32Array): void {
  const { numbers: sortedNumbers, owners: sortedOwners } = to
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]!
    const at = starts[(number >>> shift) & (DIGITS - 1)]!++
    sortedNumbers[at] = number
    sortedOwners[at] = owners[i]!
  }
}
