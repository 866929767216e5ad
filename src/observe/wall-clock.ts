/**
 * What a monotonic clock's times are in the world. A clock that is set meanwhile moves spans that end later, and makes none
 * of them longer or shorter.
 */
import type { Clock } from '../transport/clock.ts'

export class WallClock {
  readonly #clock: Clock
  readonly #date: () => number
  #epochMs: number

  /** @param date whole milliseconds since 1970 */
  constructor(clock: Clock, date: () => number = Date.now) {
    this.#clock = clock
    this.#date = date
    this.#epochMs = date() - clock.now()
  }

  /** What the clock's 0 is in milliseconds since 1970, as far as is known now. */
  get epochMs(): number {
    const date = this.#date()
    const now = this.#clock.now()
    // The date is cut to a whole millisecond: within it, the other clock knows better.
    const aheadMs = now + this.#epochMs - date
    if (aheadMs < 0 || aheadMs >= 1) this.#epochMs = date - now
    return this.#epochMs
  }
}
