/** So many at once, and so many a second for long. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

export class TokenBucket {
  #rate: Rate
  #left: number
  #atMs: number

  /** Full. */
  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate
    this.#left = rate.burst
    this.#atMs = nowMs
  }

  /** What was taken stays taken. */
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

  /** @returns false: there is none */
  take(nowMs: number): boolean {
    this.#refill(nowMs)
    if (this.#left < 1) return false
    this.#left--
    return true
  }

  /** Until there is one. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs)
    return this.#left >= 1 ? 0 : ((1 - this.#left) / this.#rate.perSecond) * 1_000
  }

  isFull(nowMs: number): boolean {
    this.#refill(nowMs)
    return this.#left >= this.#rate.burst
  }
}
