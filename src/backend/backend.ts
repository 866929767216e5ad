/**
 * A named group of interchangeable endpoints: gives each call a session in turn, and keeps the
 * calls for which there is none yet in a queue with a bound and a deadline.
 */
import type { TimerWheel } from '../transport/timer-wheel.ts'
import { WheelTimer } from '../transport/timer-wheel.ts'
import type { ClientSession, DialTarget } from '../transport/transport.ts'
import { Endpoint, type EndpointContext, type EndpointOptions, type EndpointOwner } from './endpoint.ts'

export interface BackendOptions extends EndpointOptions {
  readonly name: string
  /** At least one. */
  readonly targets: readonly DialTarget[]
  readonly queue: {
    /** Most calls that wait for a session or a stream at a time. */
    readonly maxCalls: number
    /** Longest that one waits. */
    readonly timeoutMs: number
  }
}

export interface BackendContext extends EndpointContext {
  readonly wheel: TimerWheel
}

/** A session with room, and whose it is. */
export interface Lease {
  readonly endpoint: Endpoint
  readonly session: ClientSession
}

/** Why a backend has no session for a call. */
export type Unavailable = 'unreachable' | 'queue-full' | 'queue-timeout' | 'closed'

/** A call that waits. Exactly one of the two is called, unless `cancel` comes first. */
export interface Waiter {
  onLease(lease: Lease): void
  onUnavailable(why: Unavailable, detail: string): void
}

class Ticket {
  readonly waiter: Waiter
  readonly timer: WheelTimer
  /** Waits for this endpoint's first session; undefined waits for any endpoint's room. */
  readonly endpoint: Endpoint | undefined
  /** Of the clock; stays when the call is moved to another endpoint. */
  readonly expiresMs: number

  constructor(waiter: Waiter, endpoint: Endpoint | undefined, expiresMs: number, timedOut: (ticket: Ticket) => void) {
    this.waiter = waiter
    this.endpoint = endpoint
    this.expiresMs = expiresMs
    this.timer = new WheelTimer(() => timedOut(this))
  }
}

/** The first session of the endpoint whose turn it was is on its way, and not suspiciously long. */
function hasItsTurn({ endpoint }: Ticket): boolean {
  return endpoint !== undefined && endpoint.state === 'connecting' && !endpoint.failing
}

export class Backend implements EndpointOwner {
  readonly name: string
  readonly endpoints: readonly Endpoint[]
  readonly #options: BackendOptions
  readonly #context: BackendContext
  #next = 0
  #closed = false
  /** In order of arrival. */
  readonly #queue = new Map<Waiter, Ticket>()

  constructor(options: BackendOptions, context: BackendContext) {
    this.name = options.name
    this.#options = options
    this.#context = context
    this.endpoints = options.targets.map(target => new Endpoint(target, options, context, this))
    for (const endpoint of this.endpoints) endpoint.keepReady()
  }

  /** Calls in the queue now. */
  get waiting(): number {
    return this.#queue.size
  }

  /**
   * Gives a session now, or puts the call in the queue, or tells it that there is none.
   * @param expiresMs when it stops waiting; by default the queue's timeout from now
   * @returns the lease when there is room at once; else the waiter hears, now or later
   */
  acquire(waiter: Waiter, expiresMs?: number): Lease | undefined {
    const { endpoints } = this
    const count = endpoints.length
    let hope: Endpoint | undefined
    let full = false
    for (let i = 0; i < count; i++) {
      const at = (this.#next + i) % count
      const endpoint = endpoints[at]!
      if (endpoint.failing) {
        endpoint.connect()
        continue
      }
      const session = endpoint.room()
      if (session !== undefined) {
        this.#next = (at + 1) % count
        return { endpoint, session }
      }
      if (endpoint.state === 'ready') {
        // All its streams are taken. Another endpoint may have one; meanwhile it may open a session.
        full = true
        endpoint.connect()
      } else if (endpoint.promising) {
        this.#next = (at + 1) % count
        endpoint.connect()
        hope = endpoint
        break
      }
    }
    this.#enqueue(waiter, hope, full, expiresMs)
    return undefined
  }

  #enqueue(waiter: Waiter, hope: Endpoint | undefined, full: boolean, expiresMs: number | undefined): void {
    if (this.#closed) return waiter.onUnavailable('closed', 'the proxy is shutting down')
    if (hope === undefined && !full) {
      hope = this.endpoints.find(endpoint => endpoint.promising)
      if (hope === undefined) return waiter.onUnavailable('unreachable', this.#whyUnreachable())
    }
    const { maxCalls, timeoutMs } = this.#options.queue
    if (this.#queue.size >= maxCalls) {
      return waiter.onUnavailable('queue-full', `${maxCalls} calls wait already`)
    }
    const ticket = new Ticket(waiter, hope, expiresMs ?? this.#context.clock.now() + timeoutMs, this.#timedOut)
    this.#queue.set(waiter, ticket)
    this.#context.wheel.arm(ticket.timer, ticket.expiresMs)
  }

  #whyUnreachable(): string {
    return this.endpoints.map(endpoint => `${endpoint.target.name}: ${endpoint.lastError}`).join('; ')
  }

  /** The call is over; it waits no more. */
  cancel(waiter: Waiter): void {
    this.#take(waiter)
  }

  #take(waiter: Waiter): void {
    const ticket = this.#queue.get(waiter)
    if (ticket === undefined) return
    this.#queue.delete(waiter)
    this.#context.wheel.disarm(ticket.timer)
  }

  readonly #timedOut = (ticket: Ticket): void => {
    this.#take(ticket.waiter)
    ticket.waiter.onUnavailable('queue-timeout', `no stream was free within ${this.#options.queue.timeoutMs} ms`)
  }

  onRoom(endpoint: Endpoint): void {
    if (this.#queue.size === 0) return
    for (const [waiter, ticket] of this.#queue) {
      if (ticket.endpoint !== endpoint && hasItsTurn(ticket)) continue
      const session = endpoint.room()
      if (session === undefined) return endpoint.connect()
      this.#take(waiter)
      waiter.onLease({ endpoint, session })
    }
  }

  onConnectFailed(endpoint: Endpoint): void {
    this.#reassign(ticket => ticket.endpoint === endpoint || this.#hopeless(ticket))
  }

  onConnectSlow(endpoint: Endpoint): void {
    if (this.endpoints.some(other => other.state === 'ready')) this.#reassign(ticket => ticket.endpoint === endpoint)
  }

  /** Waits for any endpoint, and there is none left that has a session or may get one. */
  #hopeless(ticket: Ticket): boolean {
    return ticket.endpoint === undefined && !this.endpoints.some(other => other.state === 'ready' || other.promising)
  }

  onSessionGone(endpoint: Endpoint): void {
    if (this.#closed) return
    this.#reassign(ticket => ticket.endpoint === endpoint || !hasItsTurn(ticket))
  }

  /**
   * Their request has not left the proxy: they are tried again elsewhere (gRFC A6, transparent
   * retry). Everybody keeps the place in the queue.
   */
  #reassign(concerned: (ticket: Ticket) => boolean): void {
    const queue = [...this.#queue]
    this.#queue.clear()
    for (const [waiter, ticket] of queue) {
      if (!concerned(ticket)) {
        this.#queue.set(waiter, ticket)
        continue
      }
      this.#context.wheel.disarm(ticket.timer)
      const lease = this.acquire(waiter, ticket.expiresMs)
      if (lease !== undefined) waiter.onLease(lease)
    }
  }

  /** The waiting are told; resolves when the last session is gone. */
  close(): Promise<void> {
    this.#closed = true
    const closed = Promise.all(this.endpoints.map(endpoint => endpoint.close()))
    for (const waiter of [...this.#queue.keys()]) {
      this.#take(waiter)
      waiter.onUnavailable('closed', 'the proxy is shutting down')
    }
    return closed.then(() => {})
  }
}
