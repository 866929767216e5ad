/**
 * What a client session has of a backend: its streams there, and its calls that wait for one. Clients share a backend's
 * sessions, and where there is too little for all, what counts is how much each has already.
 */
import type { Clock } from '../transport/clock.ts'
import type { Lease } from './lease.ts'
import { type Rate, TokenBucket } from './token-bucket.ts'

/** Why a backend has no session for a call. */
export type Unavailable = 'unreachable' | 'queue-full' | 'client-share' | 'queue-timeout' | 'closed'

/** A call that waits. Exactly one of the two is called, unless `cancel` comes first. */
export interface Waiter {
  /** Its client's share of the backend. */
  readonly share: ClientShare
  /** Its place in the queue; the backend's. */
  ticket: Ticket | undefined
  /** It came in this turn and was not looked at yet; the backend's. */
  arriving: boolean
  onLease(lease: Lease): void
  onUnavailable(why: Unavailable, detail: string): void
}

/** An endpoint, as far as those that wait for it know it. */
export interface AwaitedEndpoint {
  readonly state: string
  readonly failing: boolean
}

/** A place in the queue; the links are the queue's. */
export class Ticket {
  readonly waiter: Waiter
  /** Waits for this endpoint's first session; undefined waits for any endpoint's room. */
  readonly endpoint: AwaitedEndpoint | undefined
  /** Of the clock; stays when the call is moved to another endpoint. */
  readonly expiresMs: number
  /** Among all. */
  previous: Ticket | undefined
  next: Ticket | undefined
  /** Among those of its client. */
  previousOwn: Ticket | undefined
  nextOwn: Ticket | undefined

  constructor(waiter: Waiter, endpoint: AwaitedEndpoint | undefined, expiresMs: number) {
    this.waiter = waiter
    this.endpoint = endpoint
    this.expiresMs = expiresMs
  }
}

/** What a client may do on sessions that it shares; who does more gets a session apart. */
export interface ShareLimits {
  /** Calls of its that are reset: it cancelled them, their deadline passed, or it took too little of the response. */
  readonly resets: Rate
  /** Bytes of responses that wait for it. */
  readonly heldBytes: number
}

/**
 * In how many parts a client's part of the reserve is cut, of which it may have one. Of 3 clients, 4, and so on, one
 * after the other until they are 20, each then has its own, and a quarter of all is left for who comes next.
 */
const PARTS_KEPT = 4

/** Of all clients of one backend together. */
export class SharedStreams {
  limits: ShareLimits
  readonly clock: Clock
  /** A client has less than it had, or shares with fewer: one that waits may have what it could not have before. */
  readonly onShareFree: () => void
  /** Streams open now. */
  streams = 0
  /** Clients that have one or more. */
  clients = 0

  constructor(limits: ShareLimits, clock: Clock, onShareFree: () => void) {
    this.limits = limits
    this.clock = clock
    this.onShareFree = onShareFree
  }
}

export class ClientShare {
  /** Streams open now, on all sessions of the backend. */
  streams = 0
  /** Of these, on sessions in reserve. */
  #reserved = 0
  /** Its calls that wait, in their order; the links are the queue's. */
  firstWaiting: Ticket | undefined
  lastWaiting: Ticket | undefined
  waiting = 0
  /** Neighbours in the ring of clients that wait; the queue's. */
  previous: ClientShare | undefined
  next: ClientShare | undefined
  readonly #all: SharedStreams
  /** Bytes of responses that wait for the client. */
  #heldBytes = 0
  #resets: TokenBucket | undefined
  #apart = false

  constructor(all: SharedStreams) {
    this.#all = all
  }

  streamOpened({ inReserve }: Lease): void {
    this.#all.streams++
    if (inReserve) this.#reserved++
    if (this.streams++ === 0) this.#all.clients++
  }

  streamEnded({ inReserve }: Lease): void {
    this.#all.streams--
    if (inReserve) this.#reserved--
    if (--this.streams === 0) this.#all.clients--
    else if (this.waiting === 0) return
    this.#all.onShareFree()
  }

  /** Streams, and calls that wait for one. */
  get calls(): number {
    return this.streams + this.waiting
  }

  /** A call of its had to be reset. */
  resetCaused(): void {
    const { clock, limits } = this.#all
    this.#resets ??= new TokenBucket(limits.resets, clock.now())
    this.#resets.setRate(limits.resets, clock.now())
    if (!this.#resets.take(clock.now())) this.#apart = true
  }

  /** Of a response, so many bytes wait for it; negative: do not any more. */
  held(bytes: number): void {
    this.#heldBytes += bytes
    if (this.#heldBytes > this.#all.limits.heldBytes) this.#apart = true
  }

  /** It is not to share a session with others: until it has not been reset for as long as it takes to forget that. */
  get apart(): boolean {
    if (!this.#apart) return false
    const { clock, limits } = this.#all
    this.#resets?.setRate(limits.resets, clock.now())
    if (this.#heldBytes * 2 < limits.heldBytes && this.#resets?.isFull(clock.now()) !== false) this.#apart = false
    return this.#apart
  }

  /**
   * It may have one more of so many streams in reserve, now that of the shared ones all are taken, or kept for a while
   * because they were reset. It has fewer than its part of those: what others hold it has not caused. And a quarter of
   * its part of the reserve at most: clients that come one after the other, each with little at first, would take all of
   * it, and the next would find nothing.
   */
  mayHaveOfReserve(size: number, shared: number): boolean {
    const { clients } = this.#all
    if (this.streams * clients >= shared) return false
    return this.#reserved === 0 || this.#reserved * clients * PARTS_KEPT <= size
  }
}

/** A client session, as backends know it. */
export class Client {
  /** Of more backends than one. Those that were removed are not kept for a session that lasts. */
  #shares: WeakMap<object, ClientShare> | undefined
  #lastBackend: object | undefined
  #lastShare: ClientShare | undefined

  /** Its share of a backend; most clients call one. */
  shareOf(backend: { readonly shared: SharedStreams }): ClientShare {
    if (this.#lastBackend === backend) return this.#lastShare!
    let share = this.#shares?.get(backend)
    if (share === undefined) {
      share = new ClientShare(backend.shared)
      this.#keep(backend, share)
    }
    this.#lastBackend = backend
    this.#lastShare = share
    return share
  }

  #keep(backend: object, share: ClientShare): void {
    if (this.#lastBackend === undefined) return
    this.#shares ??= new WeakMap([[this.#lastBackend, this.#lastShare!]])
    this.#shares.set(backend, share)
  }
}
