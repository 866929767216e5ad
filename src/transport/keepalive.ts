/**
 * Asks a silent peer for a sign of life, by PING (RFC 9113 §6.7), and says when there was none. Without it a call at a
 * program that stands still hangs until somebody's deadline, because its kernel goes on to answer TCP.
 *
 * ```
 *   something came ──▶ listening ── nothing for the interval ──▶ PING ── nothing for the timeout ──▶ silent
 *         ▲                                                       │
 *         └──────────── whatever comes is a sign of life ─────────┘
 * ```
 *
 * It is judged lazily: some looks in each interval compare what the session has received. So it costs a frame nothing,
 * and a PING goes out up to one look after the interval and never before. Between two PINGs there is more than the
 * interval, so a server that counts them and allows this interval is content (grpc-go's `MinTime`).
 *
 * Looks are counted instead of milliseconds. If this process stands still, timers come before the bytes that arrived
 * meanwhile, and a peer that has answered must not be lost for that: a pause of any length is one look.
 */
import type { Clock, Timer } from './clock.ts'
import type { Audible } from './transport.ts'

export interface KeepaliveOptions {
  /** A session from which nothing came for this long is asked. */
  readonly intervalMs: number
  /** How long it has to answer. */
  readonly timeoutMs: number
  /** Whether sessions without calls are asked too. */
  readonly withoutCalls: boolean
}

/** In each interval, and in each timeout. */
const LOOKS = 8

export class Keepalive {
  readonly #session: Audible
  readonly #options: KeepaliveOptions
  readonly #clock: Clock
  readonly #onSilent: (reason: string) => void
  #timer: Timer
  /** The interval of the looks that are counted. */
  #intervalMs = 0
  /** What had come when it was looked at last. */
  #received: number
  /** How many looks in a row found nothing new. */
  #silent = 0
  /** A PING waits for its answer. */
  #asked = false
  /** The interval after which it was asked last; 0: it never was. */
  askedAfterMs = 0

  /**
   * @param options they are read at each look, so that they may change
   * @param onSilent called once; nothing is asked after it
   */
  constructor(session: Audible, options: KeepaliveOptions, clock: Clock, onSilent: (reason: string) => void) {
    this.#session = session
    this.#options = options
    this.#clock = clock
    this.#onSilent = onSilent
    this.#received = session.received
    this.#timer = this.#untilNextLook()
  }

  #untilNextLook(): Timer {
    const { intervalMs, timeoutMs } = this.#options
    if (intervalMs !== this.#intervalMs) this.#silent = 0
    this.#intervalMs = intervalMs
    return this.#clock.after((this.#asked ? timeoutMs : intervalMs) / LOOKS, this.#look)
  }

  readonly #look = (): void => {
    const { received } = this.#session
    if (received === this.#received) this.#silent++
    else {
      this.#received = received
      this.#silent = 0
      this.#asked = false
    }
    if (this.#silent >= LOOKS) {
      if (this.#asked) return this.#onSilent(`no answer to a PING within ${this.#options.timeoutMs} ms`)
      if (this.#options.withoutCalls || this.#session.streams > 0) this.#ask()
    }
    this.#timer = this.#untilNextLook()
  }

  #ask(): void {
    this.#asked = true
    this.#silent = 0
    this.askedAfterMs = this.#options.intervalMs
    this.#session.ping()
  }

  stop(): void {
    this.#timer.cancel()
  }
}
