/** The standard normal distribution. */

const TERMS = 200

/** The share above `z` ≥ 0, by a power series near the middle and a continued fraction in the tail. */
export function normalTail(z: number): number {
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)
  if (z < 3) {
    let [term, sum] = [z, z]
    for (let i = 3; i < TERMS; i += 2) {
      term *= (z * z) / i
      sum += term
    }
    return 0.5 - density * sum
  }
  let fraction = z
  for (let i = TERMS; i > 0; i--) fraction = z + i / fraction
  return density / fraction
}
