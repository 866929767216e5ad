/** Sorts numbers of 32 bits: hashes, by which endpoints have their places. */

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
