/**
 * Streams that were reset, and that the backend may still count for a while. Node's http2 counts a stream until its
 * program has let go of it, some turns of its loop after RST_STREAM came. It refuses a new stream in its place with
 * ENHANCE_YOUR_CALM, which no client may try again, and a hundred of those end the session with all its calls
 * (`maxSessionRejectedStreams`). So the place of such a stream is used again only after something came from the backend
 * twice, some time apart, or after a while if nothing comes.
 */
import type { Clock } from '../transport/clock.ts'
import { type TimerWheel, WheelTimer } from '../transport/timer-wheel.ts'

/** Some turns of a busy event loop. */
const APART_MS = 20
/** Half of the longest time that a place is kept. */
const SILENCE_MS = 100

export class SettlingStreams {
  /** Places that are kept. */
  #count = 0
  /** How many of them were kept already when something last came from the backend. */
  #older = 0
  #sinceMs = 0
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #onSettled: () => void
  readonly #timer: WheelTimer = new WheelTimer(() => {
    this.#turnOver()
    this.#asked()
  })

  /** @param onSettled there may be a place now, after `of` had said that there is none */
  constructor(clock: Clock, wheel: TimerWheel, onSettled: () => void) {
    this.#clock = clock
    this.#wheel = wheel
    this.#onSettled = onSettled
  }

  /** A stream was reset. */
  add(): void {
    if (this.#count++ === 0) this.#sinceMs = this.#clock.now()
  }

  /** The backend answered something. */
  heard(): void {
    if (this.#count === 0 || this.#clock.now() - this.#sinceMs < APART_MS) return
    this.#turnOver()
    if (this.#timer.armed) this.#asked()
  }

  /** How many of so many free places may be used. */
  of(free: number): number {
    if (this.#count === 0 || free <= 0) return free
    const now = this.#clock.now()
    if (now - this.#sinceMs >= 2 * SILENCE_MS) this.#count = this.#older = 0
    const left = free - this.#count
    if (left <= 0 && !this.#timer.armed) this.#wheel.arm(this.#timer, now + SILENCE_MS)
    return left
  }

  #turnOver(): void {
    this.#older = this.#count -= this.#older
    this.#sinceMs = this.#clock.now()
  }

  #asked(): void {
    this.#wheel.disarm(this.#timer)
    this.#onSettled()
  }

  /** The session is gone. */
  stop(): void {
    this.#wheel.disarm(this.#timer)
  }
}
