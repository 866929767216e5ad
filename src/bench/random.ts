/** Numbers that look random, and are always the same from the same seed. */

/** splitmix32: uniform in [0, 1), in steps of 2⁻³². */
export function seededRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let bits = state ^ (state >>> 16)
    bits = Math.imul(bits, 0x21f0aaad)
    bits ^= bits >>> 15
    bits = Math.imul(bits, 0x735a2d97)
    return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32
  }
}

/** Times between calls of many clients that know nothing of each other: exponentially distributed, in milliseconds. */
export function exponentialGapMs(random: () => number, ratePerSecond: number): number {
  return (-Math.log(1 - random()) / ratePerSecond) * 1_000
}
