/**
 * Calls that wait for a session or a stream. Each client session has its own line, and the lines take turns, so that a
 * client with a thousand waiting calls makes no other client wait behind them. All calls may wait for the same time, so
 * the first that came is the first that expires, and one timer is enough.
 *
 * ```
 *   client A: a1 ─ a2 ─ a3 ─ a4        turns:     a1 b1 c1 a2 c2 a3 a4
 *   client B: b1                       expiry:    in the order in which they came
 *   client C: c1 ─ c2
 * ```
 */
import type { Clock } from '../transport/clock.ts'
import { type TimerWheel, WheelTimer } from '../transport/timer-wheel.ts'
import { DEFAULT } from './call-priority.ts'
import type { AwaitedEndpoint, ClientShare, Ticket } from './client-share.ts'

export class CallQueue {
  readonly #wheel: TimerWheel
  readonly #clock: Clock
  readonly #onExpired: (ticket: Ticket) => void
  readonly #timer: WheelTimer = new WheelTimer(() => this.#expire())
  #first: Ticket | undefined
  #last: Ticket | undefined
  /** The client whose turn it is, in a closed ring. */
  #turn: ClientShare | undefined
  size = 0
  /** Clients that wait. */
  clients = 0
  /** Calls that are not of the usual priority. */
  #unusual = 0

  /** @param onExpired the time of a ticket is over; it is not in the queue any more */
  constructor(wheel: TimerWheel, clock: Clock, onExpired: (ticket: Ticket) => void) {
    this.#wheel = wheel
    this.#clock = clock
    this.#onExpired = onExpired
  }

  /** Puts a ticket behind all others of its client. None that is in the queue may expire later. */
  push(ticket: Ticket): void {
    const { share } = ticket.waiter
    ticket.waiter.ticket = ticket
    if (ticket.endpoint !== undefined) ticket.endpoint.awaited++
    ticket.previous = this.#last
    ticket.next = undefined
    if (this.#last === undefined) this.#first = ticket
    else this.#last.next = ticket
    this.#last = ticket
    this.size++
    if (ticket.waiter.priority !== DEFAULT) this.#unusual++
    ticket.previousOwn = share.lastWaiting
    ticket.nextOwn = undefined
    if (share.lastWaiting === undefined) share.firstWaiting = ticket
    else share.lastWaiting.nextOwn = ticket
    share.lastWaiting = ticket
    if (share.waiting++ === 0) this.#join(share)
    if (!this.#timer.armed) this.#wheel.arm(this.#timer, ticket.expiresMs)
  }

  remove(ticket: Ticket): void {
    const { previous, next, previousOwn, nextOwn } = ticket
    const { share } = ticket.waiter
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    if (previousOwn === undefined) share.firstWaiting = nextOwn
    else previousOwn.nextOwn = nextOwn
    if (nextOwn === undefined) share.lastWaiting = previousOwn
    else nextOwn.previousOwn = previousOwn
    ticket.previous = ticket.next = ticket.previousOwn = ticket.nextOwn = ticket.waiter.ticket = undefined
    if (ticket.endpoint !== undefined) ticket.endpoint.awaited--
    this.size--
    if (ticket.waiter.priority !== DEFAULT) this.#unusual--
    if (--share.waiting === 0) this.#leave(share)
    // The timer stays armed for the next one in the queue: when it fires, it sees how long that one may wait.
    if (this.size === 0) this.#wheel.disarm(this.#timer)
  }

  /** It waits for the first session of this endpoint from now on, and keeps its place. */
  redirect(ticket: Ticket, endpoint: AwaitedEndpoint): void {
    if (ticket.endpoint !== undefined) ticket.endpoint.awaited--
    ticket.endpoint = endpoint
    endpoint.awaited++
  }

  /** The client whose turn it is; then it is the turn of the next one. Only while the queue is not empty. */
  nextClient(): ClientShare {
    const share = this.#turn!
    this.#turn = share.next
    return share
  }

  /** Of a client's waiting calls the one that gives way first: of the lowest priority the last one. */
  leastOf(share: ClientShare): Ticket | undefined {
    let least = share.lastWaiting
    if (this.#unusual === 0) return least
    for (let ticket = least; ticket !== undefined; ticket = ticket.previousOwn)
      if (ticket.waiter.priority < least!.waiter.priority) least = ticket
    return least
  }

  /** The waiting client that has the most streams and waiting calls together. */
  get loudest(): ClientShare | undefined {
    let loudest = this.#turn
    for (let i = 0, share = this.#turn; i < this.clients; i++, share = share!.next)
      if (share!.calls > loudest!.calls) loudest = share
    return loudest
  }

  /** Takes all tickets out, in the order in which they came. */
  takeAll(): Ticket[] {
    const tickets: Ticket[] = []
    while (this.#first !== undefined) {
      tickets.push(this.#first)
      this.remove(this.#first)
    }
    return tickets
  }

  /** Behind all other clients, which is before the one whose turn it is. */
  #join(share: ClientShare): void {
    this.clients++
    const turn = this.#turn
    if (turn === undefined) {
      this.#turn = share.previous = share.next = share
      return
    }
    const last = turn.previous!
    share.previous = last
    share.next = turn
    last.next = turn.previous = share
  }

  #leave(share: ClientShare): void {
    this.clients--
    const next = share.next!
    if (next === share) this.#turn = undefined
    else {
      share.previous!.next = next
      next.previous = share.previous
      if (this.#turn === share) this.#turn = next
    }
    share.previous = share.next = undefined
  }

  #expire(): void {
    const now = this.#clock.now()
    while (this.#first !== undefined && this.#first.expiresMs <= now) {
      const ticket = this.#first
      this.remove(ticket)
      this.#onExpired(ticket)
    }
    if (this.#first !== undefined && !this.#timer.armed) this.#wheel.arm(this.#timer, this.#first.expiresMs)
  }
}
