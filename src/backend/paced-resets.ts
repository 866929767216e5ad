/**
 * Sends RST_STREAM on a session that many clients share, no faster than the backend accepts. Servers count these frames
 * (CVE-2023-44487) and end the session, with the calls of all clients, when there are too many. So a reset may have to
 * wait. Nobody reads from such a stream any more and it gets no more window; most end by themselves before their turn.
 */
import type { Clock } from '../transport/clock.ts'
import { type TimerWheel, WheelTimer } from '../transport/timer-wheel.ts'
import type { Stream } from '../transport/transport.ts'
import type { ErrorCode } from '../wire/errors.ts'
import { SettlingStreams } from './settling-streams.ts'
import { type Rate, TokenBucket } from './token-bucket.ts'

/** A stream that is to be reset. */
export interface Resettable {
  readonly stream: Stream
  /** The program of the server knows of it, not only its HTTP/2 library. */
  readonly seen: boolean
}

/**
 * Rust's h2 ends a session when 20 streams were reset before the program took them
 * (`max_pending_accept_reset_streams`). A healthy program takes them within a fraction of a second.
 */
const UNSEEN: Rate = { burst: 10, perSecond: 20 }

export class PacedResets {
  /** Streams that were reset. */
  readonly settling: SettlingStreams
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #all: TokenBucket
  readonly #unseen: TokenBucket
  readonly #waiting = new Map<Resettable, ErrorCode>()
  readonly #timer: WheelTimer = new WheelTimer(() => this.#sendDue())

  /** @param onSettled the places of streams that were reset may be used again */
  constructor(rate: Rate, clock: Clock, wheel: TimerWheel, onSettled: () => void) {
    this.settling = new SettlingStreams(clock, wheel, onSettled)
    this.#clock = clock
    this.#wheel = wheel
    this.#all = new TokenBucket(rate, clock.now())
    this.#unseen = new TokenBucket(UNSEEN, clock.now())
  }

  setRate(rate: Rate): void {
    this.#all.setRate(rate, this.#clock.now())
    if (!this.#timer.armed) return
    this.#wheel.disarm(this.#timer)
    this.#armTimer()
  }

  /** Streams that wait to be reset. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Resets the stream now, or as soon as that harms no other client. Its owner does not need it any more. */
  reset(what: Resettable, code: ErrorCode): void {
    if (this.#waiting.size === 0 && this.#mayReset(what)) return this.#resetNow(what, code)
    this.#waiting.set(what, code)
    what.stream.mute()
    if (!this.#timer.armed) this.#armTimer()
  }

  /** The stream has ended. */
  ended(what: Resettable): void {
    if (this.#waiting.delete(what) && this.#waiting.size === 0) this.#wheel.disarm(this.#timer)
  }

  /** Its place is marked as kept first, since the end of the stream asks who may have it. */
  #resetNow({ stream }: Resettable, code: ErrorCode): void {
    this.settling.add()
    stream.reset(code)
  }

  #mayReset({ seen }: Resettable): boolean {
    const now = this.#clock.now()
    if (!seen && this.#unseen.waitMs(now) > 0) return false
    if (!this.#all.take(now)) return false
    if (!seen) this.#unseen.take(now)
    return true
  }

  #sendDue(): void {
    for (const [what, code] of this.#waiting) {
      if (!this.#mayReset(what)) {
        if (this.#all.waitMs(this.#clock.now()) > 0) break
        continue
      }
      this.#waiting.delete(what)
      this.#resetNow(what, code)
    }
    if (this.#waiting.size > 0) this.#armTimer()
  }

  #armTimer(): void {
    const now = this.#clock.now()
    this.#wheel.arm(this.#timer, now + Math.max(this.#all.waitMs(now), this.#unseen.waitMs(now)))
  }
}
