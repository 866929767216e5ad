/** So many at once, and so many a second in the long run. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

export class TokenBucket {
  #rate: Rate
  #left: number
  #atMs: number

  /** The bucket is full at first. */
  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate
    this.#left = rate.burst
    this.#atMs = nowMs
  }

  /** Changes the rate. Tokens that were taken stay taken. */
  setRate(rate: Rate, nowMs: number): void {
    if (rate === this.#rate) return
    this.#refill(nowMs)
    this.#left = Math.max(0, rate.burst - (this.#rate.burst - this.#left))
    this.#rate = rate
  }

  #refill(nowMs: number): void {
    const { burst, perSecond } = this.#rate
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#atMs) / 1_000) * perSecond)
    this.#atMs = nowMs
  }

  /** @returns false if there is no token */
  take(nowMs: number): boolean {
    this.#refill(nowMs)
    if (this.#left < 1) return false
    this.#left--
    return true
  }

  /** How long it takes until there is a token. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs)
    return this.#left >= 1 ? 0 : ((1 - this.#left) / this.#rate.perSecond) * 1_000
  }

  isFull(nowMs: number): boolean {
    this.#refill(nowMs)
    return this.#left >= this.#rate.burst
  }
}
