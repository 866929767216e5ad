/**
 * Calls that wait for a session or a stream, in order of arrival, as a list through their tickets. All wait equally
 * long, so that the first is the first to expire, and one timer serves all.
 */
import type { Clock } from '../transport/clock.ts'
import { type TimerWheel, WheelTimer } from '../transport/timer-wheel.ts'
import type { ClientSession } from '../transport/transport.ts'
import type { Endpoint } from './endpoint.ts'

/** A session with room, and whose it is. */
export interface Lease {
  readonly endpoint: Endpoint
  readonly session: ClientSession
}

/** Why a backend has no session for a call. */
export type Unavailable = 'unreachable' | 'queue-full' | 'queue-timeout' | 'closed'

/** A call that waits. Exactly one of the two is called, unless `cancel` comes first. */
export interface Waiter {
  /** Its place in the queue; the backend's. */
  ticket: Ticket | undefined
  onLease(lease: Lease): void
  onUnavailable(why: Unavailable, detail: string): void
}

/** A place in the queue; the links are the queue's. */
export class Ticket {
  readonly waiter: Waiter
  /** Waits for this endpoint's first session; undefined waits for any endpoint's room. */
  readonly endpoint: Endpoint | undefined
  /** Of the clock; stays when the call is moved to another endpoint. */
  readonly expiresMs: number
  previous: Ticket | undefined
  next: Ticket | undefined

  constructor(waiter: Waiter, endpoint: Endpoint | undefined, expiresMs: number) {
    this.waiter = waiter
    this.endpoint = endpoint
    this.expiresMs = expiresMs
  }
}

export class CallQueue {
  readonly #wheel: TimerWheel
  readonly #clock: Clock
  readonly #onExpired: (ticket: Ticket) => void
  readonly #timer: WheelTimer = new WheelTimer(() => this.#expire())
  #last: Ticket | undefined
  first: Ticket | undefined
  size = 0

  /** `onExpired`: its time is over; it is out of the queue. */
  constructor(wheel: TimerWheel, clock: Clock, onExpired: (ticket: Ticket) => void) {
    this.#wheel = wheel
    this.#clock = clock
    this.#onExpired = onExpired
  }

  /** Behind all others. None of these expires later. */
  push(ticket: Ticket): void {
    ticket.waiter.ticket = ticket
    ticket.previous = this.#last
    ticket.next = undefined
    if (this.#last === undefined) this.first = ticket
    else this.#last.next = ticket
    this.#last = ticket
    this.size++
    if (!this.#timer.armed) this.#wheel.arm(this.#timer, ticket.expiresMs)
  }

  remove(ticket: Ticket): void {
    const { previous, next } = ticket
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    ticket.previous = ticket.next = ticket.waiter.ticket = undefined
    this.size--
    // Left armed for the next in the queue: it finds out when it fires.
    if (this.size === 0) this.#wheel.disarm(this.#timer)
  }

  /** Takes all out, in their order. */
  takeAll(): Ticket[] {
    const tickets: Ticket[] = []
    while (this.first !== undefined) {
      tickets.push(this.first)
      this.remove(this.first)
    }
    return tickets
  }

  #expire(): void {
    const now = this.#clock.now()
    while (this.first !== undefined && this.first.expiresMs <= now) {
      const ticket = this.first
      this.remove(ticket)
      this.#onExpired(ticket)
    }
    if (this.first !== undefined && !this.#timer.armed) this.#wheel.arm(this.#timer, this.first.expiresMs)
  }
}
