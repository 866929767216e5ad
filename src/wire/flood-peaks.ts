/**
 * Which part of its allowances (`allowance.ts`) any peer has used lately: how far honest peers are from the limits against
 * floods, and whether somebody is at one. Kept for the connections of one side together, those that have ended too.
 */

/** Two such times are told, the one that passes and the one before: whoever reads once a minute misses nothing. */
const PERIOD_MS = 60_000

export class FloodPeaks {
  readonly #names: readonly string[]
  #current: Float64Array
  #before: Float64Array
  #sinceMs = -1

  /** @param names of the allowances, in the order of their numbers */
  constructor(names: readonly string[]) {
    this.#names = names
    this.#current = new Float64Array(names.length)
    this.#before = new Float64Array(names.length)
  }

  /** @param part from 0 to 1, of the allowance with this number */
  used(flood: number, part: number): void {
    if (part > this.#current[flood]!) this.#current[flood] = part
  }

  /** Time passes, by any clock in milliseconds that does not go back. */
  tick(nowMs: number): void {
    if (this.#sinceMs < 0) this.#sinceMs = nowMs
    const passedMs = nowMs - this.#sinceMs
    if (passedMs < PERIOD_MS) return
    this.#before = passedMs < 2 * PERIOD_MS ? this.#current : new Float64Array(this.#names.length)
    this.#current = new Float64Array(this.#names.length)
    this.#sinceMs = nowMs
  }

  /** The greatest parts, by the names. */
  read(nowMs: number): (readonly [string, number])[] {
    this.tick(nowMs)
    return this.#names.map((name, i) => [name, Math.max(this.#current[i]!, this.#before[i]!)])
  }
}
