/** A part of a long list of the state. */
export interface Page {
  readonly first: number
  readonly most: number
}

/** Of each backend, and of all together. With some 500 bytes each they are 5 MB of JSON. */
export const MOST_ENDPOINTS = 10_000
/** Of routes, sessions and calls. With at most 1.5 kB each (texts of strangers have a bound) they are 1.5 MB of JSON. */
export const MOST_ON_A_PAGE = 1_000

/**
 * @param of what is on it, as in `mostCalls`
 * @throws RangeError for numbers that are none
 */
export function pageOf(of: string, first: number, most: number, max: number): Page {
  for (const [option, value] of Object.entries({ [`first${of}`]: first, [`most${of}s`]: most })) {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${option} must be a whole number from 0`)
  }
  return { first, most: Math.min(most, max) }
}
