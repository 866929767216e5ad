/** A clock that a test turns by hand. */
import type { Clock, Timer } from '../../src/transport/clock.ts'

interface Waiting {
  readonly atMs: number
  readonly fire: () => void
}

export class FakeClock implements Clock {
  #nowMs: number
  /** In the order in which they were set. */
  readonly #waiting = new Set<Waiting>()

  /** @param startMs not 0, so that a moment taken for a duration shows */
  constructor(startMs = 1_000_003.25) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  after(delayMs: number, fire: () => void): Timer {
    if (!(delayMs >= 0)) throw new RangeError(`a timer of ${delayMs} ms`)
    const waiting: Waiting = { atMs: this.#nowMs + delayMs, fire }
    this.#waiting.add(waiting)
    return { cancel: () => this.#waiting.delete(waiting) }
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#waiting.size
  }

  /** How long until each of them fires, the next first. */
  get delays(): number[] {
    return [...this.#waiting].map(waiting => waiting.atMs - this.#nowMs).sort((a, b) => a - b)
  }

  /** Time passes; every timer fires at its own moment. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      this.#fire(next)
    }
    this.#nowMs = untilMs
  }

  /** The process stood still: all that was due meanwhile fires now, late. */
  pause(ms: number): void {
    this.#nowMs += ms
    for (let next = this.#next(this.#nowMs); next !== undefined; next = this.#next(this.#nowMs)) this.#fire(next)
  }

  #fire(waiting: Waiting): void {
    this.#waiting.delete(waiting)
    waiting.fire()
  }

  #next(untilMs: number): Waiting | undefined {
    let next: Waiting | undefined
    for (const waiting of this.#waiting) {
      if (waiting.atMs <= untilMs && (next === undefined || waiting.atMs < next.atMs)) next = waiting
    }
    return next
  }
}
