/**
 * How long streams could not be served because the other side takes nothing: for want of their own window, of that of their
 * session, or because the socket is full. A stream that waits for a second counts a second, so that any number of them adds
 * up, and what is asked for twice tells how many waited in between.
 */
import type { Connection } from '../../wire/connection.ts'
import type { Clock } from '../clock.ts'

export const STALL_REASONS = ['stream-window', 'session-window', 'socket'] as const
export type StallReason = (typeof STALL_REASONS)[number]

/** How many streams of a session wait, for each reason in its order. */
export type Stalled = [ofStream: number, ofSession: number, ofSocket: number]

/** Of all sessions of one side together. */
export class Stalls {
  readonly #clock: Clock
  readonly #streams: Stalled = [0, 0, 0]
  readonly #ms: Stalled = [0, 0, 0]
  #sinceMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sinceMs = clock.now()
  }

  /** The streams of a session that wait are others now. `before` becomes what `now` is. */
  change(before: Stalled, now: Readonly<Stalled>): void {
    if (before[0] === now[0] && before[1] === now[1] && before[2] === now[2]) return
    this.#settle()
    for (let i = 0; i < now.length; i++) {
      this.#streams[i]! += now[i]! - before[i]!
      before[i] = now[i]!
    }
  }

  #settle(): void {
    const now = this.#clock.now()
    const passedMs = now - this.#sinceMs
    this.#sinceMs = now
    for (let i = 0; i < STALL_REASONS.length; i++) this.#ms[i]! += this.#streams[i]! * passedMs
  }

  /** By reason: how many streams wait now, and how long all of them have waited together. */
  read(): { readonly reason: StallReason; readonly streams: number; readonly seconds: number }[] {
    this.#settle()
    return STALL_REASONS.map((reason, i) => ({ reason, streams: this.#streams[i]!, seconds: this.#ms[i]! / 1_000 }))
  }
}

/** What of one session is counted there. */
export class HeldBack {
  readonly #stalls: Stalls
  /** Undefined: nothing. */
  #streams: Stalled | undefined

  constructor(stalls: Stalls) {
    this.#stalls = stalls
  }

  /** To be called after each flush: between two of them nothing of it changes but what follows by a flush. */
  look(connection: Connection): void {
    if (connection.queuedBytes === 0 && this.#streams === undefined) return
    const { own, shared, byWindow } = connection.heldBack
    this.#streams ??= [0, 0, 0]
    this.#stalls.change(this.#streams, [own, byWindow ? shared : 0, byWindow ? 0 : shared])
    if (own + shared === 0) this.#streams = undefined
  }
}
