/**
 * A named group of interchangeable endpoints: gives each call a session in turn, and keeps the
 * calls for which there is none yet in a queue with a bound and a deadline.
 */
import type { TimerWheel } from '../transport/timer-wheel.ts'
import type { DialTarget } from '../transport/transport.ts'
import { CallQueue, type Lease, Ticket, type Waiter } from './call-queue.ts'
import { Endpoint, type EndpointContext, type EndpointOptions, type EndpointOwner } from './endpoint.ts'

export type { Lease, Unavailable, Waiter } from './call-queue.ts'

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
  readonly #queue: CallQueue

  constructor(options: BackendOptions, context: BackendContext) {
    this.name = options.name
    this.#options = options
    this.#context = context
    this.#queue = new CallQueue(context.wheel, context.clock, this.#timedOut)
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
    this.#queue.push(new Ticket(waiter, hope, expiresMs ?? this.#context.clock.now() + timeoutMs))
  }

  #whyUnreachable(): string {
    return this.endpoints.map(endpoint => `${endpoint.target.name}: ${endpoint.lastError}`).join('; ')
  }

  /** The call is over; it waits no more. */
  cancel(waiter: Waiter): void {
    if (waiter.ticket !== undefined) this.#queue.remove(waiter.ticket)
  }

  readonly #timedOut = (ticket: Ticket): void => {
    ticket.waiter.onUnavailable('queue-timeout', `no stream was free within ${this.#options.queue.timeoutMs} ms`)
  }

  onRoom(endpoint: Endpoint): void {
    let ticket = this.#queue.first
    while (ticket !== undefined) {
      const { next } = ticket
      if (ticket.endpoint === endpoint || !hasItsTurn(ticket)) {
        const session = endpoint.room()
        if (session === undefined) return endpoint.connect()
        this.#queue.remove(ticket)
        ticket.waiter.onLease({ endpoint, session })
      }
      // What a lease causes may have taken the next out.
      ticket = next === undefined || next.waiter.ticket === next ? next : this.#queue.first
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
    for (const ticket of this.#queue.takeAll()) {
      if (!concerned(ticket)) {
        this.#queue.push(ticket)
        continue
      }
      const lease = this.acquire(ticket.waiter, ticket.expiresMs)
      if (lease !== undefined) ticket.waiter.onLease(lease)
    }
  }

  /** The waiting are told; resolves when the last session is gone. */
  close(): Promise<void> {
    this.#closed = true
    const closed = Promise.all(this.endpoints.map(endpoint => endpoint.close()))
    for (const { waiter } of this.#queue.takeAll()) {
      waiter.onUnavailable('closed', 'the proxy is shutting down')
    }
    return closed.then(() => {})
  }
}
