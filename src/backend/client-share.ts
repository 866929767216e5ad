/**
 * What a client session has of a backend: its streams there, and its calls that wait for a stream. Clients share the
 * sessions of a backend. When there is not enough for all, a client that has little goes before one that has much.
 */
import type { Clock } from '../transport/clock.ts'
import type { DialAddress } from '../transport/transport.ts'
import { hasFew, hasPlace } from './breaker.ts'
import type { Lease } from './lease.ts'
import { BackendMeasures, type HedgeOutcome, type RetryDenial, type RetryReason } from './measures.ts'
import { MethodLatencies } from './method-latency.ts'
import { type BudgetSettings, type RetryBudget, RetryBudgets } from './retry-budget.ts'
import { type Rate, TokenBucket } from './token-bucket.ts'

/** Why a backend has no session for a call. */
export type Unavailable = 'unreachable' | 'queue-full' | 'shed' | 'client-share' | 'queue-timeout' | 'closed'

/** A call that waits. Either `onLease` or `onUnavailable` is called, once, unless `cancel` comes first. */
export interface Waiter {
  /** Its client's share of the backend. */
  readonly share: ClientShare
  /** Its place in the queue. Only the backend uses it. */
  ticket: Ticket | undefined
  /** It came in this turn and has not been looked at. Only the backend uses it. */
  arriving: boolean
  /** Calls of the same hash go to the same endpoint, where the backend's balancer hashes: 31 bits. Elsewhere it is 0. */
  readonly hash: number
  /** Which calls of the client give way first: the lower ones. */
  readonly priority: number
  /** Where it was tried before, which is asked last. Undefined: nowhere. */
  readonly tried?: readonly DialAddress[] | undefined
  onLease(lease: Lease): void
  onUnavailable(why: Unavailable, detail: string): void
}

/** What a ticket knows of the endpoint that it waits for. */
export interface AwaitedEndpoint {
  readonly state: string
  readonly failing: boolean
  /** Calls go to it now. */
  readonly inUse: boolean
  /** Calls that wait for its first session. */
  awaited: number
}

/** A place in the queue. Only the queue uses the links. */
export class Ticket {
  readonly waiter: Waiter
  /** It waits for the first session of this endpoint. Undefined: for room at any endpoint. */
  endpoint: AwaitedEndpoint | undefined
  /** A time of the clock. It stays the same when the call is moved to another endpoint. */
  readonly expiresMs: number
  /** Neighbours among all tickets. */
  previous: Ticket | undefined
  next: Ticket | undefined
  /** Neighbours among the tickets of its client. */
  previousOwn: Ticket | undefined
  nextOwn: Ticket | undefined

  constructor(waiter: Waiter, endpoint: AwaitedEndpoint | undefined, expiresMs: number) {
    this.waiter = waiter
    this.endpoint = endpoint
    this.expiresMs = expiresMs
  }
}

/** What clients may do at a backend. */
export interface ShareLimits {
  /** Most calls of all clients that have a stream at a time. Undefined: any number. */
  readonly maxCalls?: number | undefined
  /** Most calls of all clients that are sent again at a time. Undefined: any number. */
  readonly maxRetries?: number | undefined
  /** The name of the metadata in which clients say how important a call is. Undefined: they may not say it. */
  readonly priorityName?: string | undefined
  /** How many of its calls may be reset: cancelled, past their deadline, or with a response that it did not read. */
  readonly resets: Rate
  /** How many bytes of responses may wait for it. */
  readonly heldBytes: () => number
}

/** What all clients of one backend have together. */
export class SharedStreams {
  limits: ShareLimits
  readonly clock: Clock
  /** A client has less than before, or there are fewer clients: one that waits may now get what it could not have. */
  readonly onShareFree: () => void
  /** Streams open now. */
  streams = 0
  /** Clients that have at least one stream. */
  clients = 0
  /** Calls that are sent again, and that the backend has not answered. */
  retries = 0
  /** Attempts of calls that have another attempt already. */
  hedges = 0
  /** A call was told that no more may have a stream. It waits until one ends. */
  held = false
  readonly measures = new BackendMeasures()
  /** Of methods whose policy asks for it. */
  readonly latencies = new MethodLatencies()
  /** Undefined: no policy has tried anything again. */
  budgets: RetryBudgets | undefined

  constructor(limits: ShareLimits, clock: Clock, onShareFree: () => void) {
    this.limits = limits
    this.clock = clock
    this.onShareFree = onShareFree
  }
}

export class ClientShare {
  /** Streams open now, on all sessions of the backend. */
  streams = 0
  /** How many of them are on sessions in reserve. */
  #reserved = 0
  /** Its waiting calls, in their order. Only the queue uses the links. */
  firstWaiting: Ticket | undefined
  lastWaiting: Ticket | undefined
  waiting = 0
  #retries = 0
  #hedges = 0
  /** Neighbours in the ring of waiting clients. Only the queue uses them. */
  previous: ClientShare | undefined
  next: ClientShare | undefined
  readonly #all: SharedStreams
  /** The client's address, as its session has it. */
  readonly peer: string
  /** Bytes of responses that wait for the client. */
  #heldBytes = 0
  #resets: TokenBucket | undefined
  #apart = false

  constructor(all: SharedStreams, peer = '') {
    this.#all = all
    this.peer = peer
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
    else if (this.waiting === 0 && !this.#all.held) return
    this.#all.held = false
    this.#all.onShareFree()
  }

  /** It may have one more stream, as far as the backend as a whole is concerned. If not, an end of a stream is told. */
  mayOpen(): boolean {
    const { limits, streams, clients } = this.#all
    if (limits.maxCalls === undefined || hasPlace(limits.maxCalls, streams, this.streams, clients)) return true
    this.#all.held = true
    return false
  }

  /** It may have one more stream at an endpoint that has a limit, and has `inFlight` calls. There are so many endpoints. */
  mayOpenAt(maxCalls: number, inFlight: number, endpoints: number): boolean {
    return hasPlace(maxCalls, inFlight, this.streams, this.#all.clients, endpoints)
  }

  /** The backend did not process one of its calls. @returns whether that may be sent again; then it must be ended */
  beginRetry(): boolean {
    const { limits, retries, clients } = this.#all
    if (limits.maxRetries !== undefined && !hasPlace(limits.maxRetries, retries, this.#retries, clients)) {
      this.#all.measures.deniedRetries++
      return false
    }
    this.#all.retries++
    this.#retries++
    return true
  }

  /** It is sent again, after `beginRetry`, and perhaps not for the first time. */
  retried(reason: RetryReason): void {
    this.#all.measures.retried(reason)
  }

  /** It is not sent again, though its policy has its status. */
  notRetried(why: RetryDenial): void {
    this.#all.measures.notRetried(why)
  }

  /** Of the backend, for policies with these settings. */
  budgetOf(settings: BudgetSettings): RetryBudget {
    this.#all.budgets ??= new RetryBudgets()
    return this.#all.budgets.of(settings)
  }

  get latencies(): MethodLatencies {
    return this.#all.latencies
  }

  endRetry(): void {
    this.#retries--
    // A backend that is being retired waits for this.
    if (--this.#all.retries === 0) this.#all.onShareFree()
  }

  /**
   * One of its calls wants an attempt beside those that it has. So many may be in flight as may fail before nothing is tried
   * again: where all hang, none of them has failed yet.
   * @returns whether it may; then it must be ended
   */
  beginHedge({ settings }: RetryBudget): boolean {
    const { hedges, clients } = this.#all
    if (!hasPlace(Math.ceil(settings.maxTokens / 2), hedges, this.#hedges, clients)) {
      this.notRetried('hedges-in-flight')
      return false
    }
    if (!this.beginRetry()) return false
    this.#all.hedges++
    this.#hedges++
    return true
  }

  endHedge(outcome: HedgeOutcome): void {
    this.#all.measures.hedged(outcome)
    this.#all.hedges--
    this.#hedges--
    this.endRetry()
  }

  /** Streams and waiting calls. */
  get calls(): number {
    return this.streams + this.waiting
  }

  /** One of its calls had to be reset. */
  resetCaused(): void {
    const { clock, limits } = this.#all
    this.#resets ??= new TokenBucket(limits.resets, clock.now())
    this.#resets.setRate(limits.resets, clock.now())
    if (!this.#resets.take(clock.now())) this.#apart = true
  }

  /** So many bytes of a response wait for the client. If negative: they do not wait any more. */
  held(bytes: number): void {
    this.#heldBytes += bytes
    if (this.#heldBytes > this.#all.limits.heldBytes()) this.#apart = true
  }

  /** It must not share a session with others. This ends when there have been no resets for a while. */
  get apart(): boolean {
    if (!this.#apart) return false
    const { clock, limits } = this.#all
    this.#resets?.setRate(limits.resets, clock.now())
    if (this.#heldBytes * 2 < limits.heldBytes() && this.#resets?.isFull(clock.now()) !== false) this.#apart = false
    return this.#apart
  }

  /**
   * Whether it may have one more stream of the reserve, now that all shared streams are taken. It must have fewer
   * shared streams than its part, so that it has not caused the shortage itself. And it may have a quarter of its part
   * of the reserve at most: clients that come one after the other would otherwise take all of it.
   * @param size streams in reserve
   * @param shared streams that all share
   */
  mayHaveOfReserve(size: number, shared: number): boolean {
    const { clients } = this.#all
    if (this.streams * clients >= shared) return false
    return hasFew(this.#reserved, clients, size)
  }
}

/** A client session, as the backends see it. */
export class Client {
  readonly #peer: string
  /** Its shares, if it uses more than one backend. The map is weak, so that a long session keeps no removed backend. */
  #shares: WeakMap<object, ClientShare> | undefined
  #lastBackend: object | undefined
  #lastShare: ClientShare | undefined

  /** @param peer its address */
  constructor(peer = '') {
    this.#peer = peer
  }

  /** Its share of a backend. Most clients use one backend only. */
  shareOf(backend: { readonly shared: SharedStreams }): ClientShare {
    if (this.#lastBackend === backend) return this.#lastShare!
    let share = this.#shares?.get(backend)
    if (share === undefined) {
      share = new ClientShare(backend.shared, this.#peer)
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
