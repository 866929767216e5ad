/**
 * The circle of consistent hashing: many places, each of which belongs to an endpoint. A key has one place, and the call
 * goes to its owner; where that one cannot take it, to the owners of the places behind.
 */

export interface Circle {
  /** For each place the number of the endpoint that it belongs to. Not empty. */
  readonly owners: Uint32Array
  /** @param hash 31 bits */
  placeOf(hash: number): number
}

/**
 * @param hashes of the endpoints, 32 bits, each one different
 * @param weights above 0
 */
export type MakeCircle = (hashes: Uint32Array, weights: Float64Array) => Circle
