/** Ids of traces and spans: random, and never only zeros. */

/** Two digits for each octet. */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'))
const NO_SPAN = '0000000000000000'

/** @param random at least 0 and less than 1 */
export function newSpanId(random: () => number): string {
  const id = eightDigits(random) + eightDigits(random)
  return id === NO_SPAN ? '0000000000000001' : id
}

/** @param random at least 0 and less than 1 */
export function newTraceId(random: () => number): string {
  return newSpanId(random) + newSpanId(random)
}

function eightDigits(random: () => number): string {
  const bits = (random() * 2 ** 32) >>> 0
  return HEX[bits >>> 24]! + HEX[(bits >>> 16) & 0xff]! + HEX[(bits >>> 8) & 0xff]! + HEX[bits & 0xff]!
}
