/**
 * Streams that were reset, and that the backend may count for a while yet. Node's http2 counts a stream until its
 * program has let go of it, some turns of its loop after RST_STREAM came: a new one in its place is refused with
 * ENHANCE_YOUR_CALM, which no client may try again, and a hundred of them end the session with everybody's calls
 * (`maxSessionRejectedStreams`). So the place of such a stream is given out once the backend was heard of twice, some
 * time apart; or after a while, if it has nothing to say.
 */
import type { Clock } from '../transport/clock.ts'
import { type TimerWheel, WheelTimer } from '../transport/timer-wheel.ts'

/** Some turns of a loop that is not idle. */
const APART_MS = 20
/** Half of the longest that a place is kept. */
const SILENCE_MS = 100

export class SettlingStreams {
  /** Places that are kept. */
  #count = 0
  /** Of these, so many were kept already when the backend was last heard of. */
  #older = 0
  #sinceMs = 0
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #onSettled: () => void
  readonly #timer: WheelTimer = new WheelTimer(() => {
    this.#turnOver()
    this.#asked()
  })

  /** @param onSettled there may be a place now, where `of` said that there is none */
  constructor(clock: Clock, wheel: TimerWheel, onSettled: () => void) {
    this.#clock = clock
    this.#wheel = wheel
    this.#onSettled = onSettled
  }

  /** One was reset. */
  add(): void {
    if (this.#count++ === 0) this.#sinceMs = this.#clock.now()
  }

  /** The backend answered something. */
  heard(): void {
    if (this.#count === 0 || this.#clock.now() - this.#sinceMs < APART_MS) return
    this.#turnOver()
    if (this.#timer.armed) this.#asked()
  }

  /** Of so many places, those that may be given out. */
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
