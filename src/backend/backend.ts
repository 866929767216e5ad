/**
 * A named group of interchangeable endpoints: gives each call a session in turn, and keeps the
 * calls for which there is none yet in a queue with a bound and a deadline.
 *
 * All of it happens at the end of a turn of the loop: what came in the turn is known then, and a call that its client
 * gave up meanwhile is never sent.
 */
import type { TimerWheel } from '../transport/timer-wheel.ts'
import type { DialAddress } from '../transport/transport.ts'
import type { Turn, TurnTask } from '../transport/turn.ts'
import { CallQueue } from './call-queue.ts'
import { SharedStreams, Ticket, type Waiter } from './client-share.ts'
import { Endpoint, type EndpointOptions, type EndpointOwner } from './endpoint.ts'

import type { PoolContext } from './session-pool.ts'

export type { Unavailable, Waiter } from './client-share.ts'
export type { Lease } from './lease.ts'

export interface BackendSettings extends EndpointOptions {
  readonly name: string
  /** At least one. */
  readonly endpoints: readonly DialAddress[]
  readonly queue: {
    /** Most calls that wait for a session or a stream at a time. */
    readonly maxCalls: number
    /** Longest that one waits. */
    readonly timeoutMs: number
  }
}

export interface BackendContext extends PoolContext {
  readonly wheel: TimerWheel
  readonly turn: Turn
  /** Bytes of responses that may wait for a client before it gets sessions apart. */
  readonly clientHeldBytes: number
}

/** One client may have this part of the resets that a shared session bears; who has more gets sessions apart. */
const CLIENT_PART = 1 / 4

/** The first session of the endpoint whose turn it was is on its way, and not suspiciously long. */
function hasItsTurn({ endpoint }: Ticket): boolean {
  return endpoint !== undefined && endpoint.state === 'connecting' && !endpoint.failing
}

export class Backend implements EndpointOwner, TurnTask {
  readonly name: string
  readonly endpoints: readonly Endpoint[]
  /** What its clients have of it together. */
  readonly shared: SharedStreams
  readonly #settings: BackendSettings
  readonly #context: BackendContext
  #next = 0
  #closed = false
  readonly #queue: CallQueue
  /** Calls that came in this turn. */
  #arrivals: Waiter[] = []
  #spare: Waiter[] = []
  /** Endpoints that got room in this turn. */
  readonly #roomy = new Set<Endpoint>()
  /** Which of those that wait had better go elsewhere, by what happened in this turn. */
  #concerned: ((ticket: Ticket) => boolean)[] = []
  #asked = false

  constructor(settings: BackendSettings, context: BackendContext) {
    this.name = settings.name
    this.#settings = settings
    this.#context = context
    const { burst, perSecond } = settings.resets
    const resets = { burst: burst * CLIENT_PART, perSecond: perSecond * CLIENT_PART }
    this.shared = new SharedStreams({ resets, heldBytes: context.clientHeldBytes }, context.clock, this.#onShareFree)
    this.#queue = new CallQueue(context.wheel, context.clock, this.#timedOut)
    this.endpoints = settings.endpoints.map(address => new Endpoint(address, settings, context, this))
    for (const endpoint of this.endpoints) endpoint.keepReady()
  }

  /** Calls in the queue now. */
  get waiting(): number {
    return this.#queue.size
  }

  /** At the end of the turn the waiter hears of a session, or that there is none, or is put in the queue. */
  acquire(waiter: Waiter): void {
    waiter.arriving = true
    this.#arrivals.push(waiter)
    this.#ask()
  }

  /** The call is over; it waits no more. */
  cancel(waiter: Waiter): void {
    waiter.arriving = false
    if (waiter.ticket !== undefined) this.#queue.remove(waiter.ticket)
  }

  #ask(): void {
    if (this.#asked) return
    this.#asked = true
    this.#context.turn.atEnd(this)
  }

  /** First who waits, then who came. */
  atTurnEnd(): void {
    this.#asked = false
    if (this.#concerned.length > 0) for (const concerned of this.#concerned.splice(0)) this.#reassign(concerned)
    if (this.#roomy.size > 0) {
      const roomy = [...this.#roomy]
      this.#roomy.clear()
      // Several at a time: first each those whose turn it was, so that they share as it was meant.
      if (roomy.length > 1) for (const endpoint of roomy) this.#serve(endpoint, true)
      for (const endpoint of roomy) this.#serve(endpoint, false)
    }
    const arrivals = this.#arrivals
    this.#arrivals = this.#spare
    for (let i = 0; i < arrivals.length; i++) {
      const waiter = arrivals[i]!
      if (!waiter.arriving) continue
      waiter.arriving = false
      this.#place(waiter, undefined)
    }
    arrivals.length = 0
    this.#spare = arrivals
  }

  /** @param expiresMs when it stops waiting; by default the queue's timeout from now */
  #place(waiter: Waiter, expiresMs: number | undefined): void {
    const before = waiter.share.lastWaiting
    // A call of the same client waits for room anywhere already: so there is none.
    if (before !== undefined && before.endpoint === undefined) return this.#enqueue(waiter, undefined, true, expiresMs)
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
      const lease = endpoint.room(waiter.share)
      if (lease !== undefined) {
        this.#next = (at + 1) % count
        return waiter.onLease(lease)
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
  }

  #enqueue(waiter: Waiter, hope: Endpoint | undefined, full: boolean, expiresMs: number | undefined): void {
    if (this.#closed) return waiter.onUnavailable('closed', 'the proxy is shutting down')
    if (hope === undefined && !full) {
      hope = this.endpoints.find(endpoint => endpoint.promising)
      if (hope === undefined) return waiter.onUnavailable('unreachable', this.#whyUnreachable())
    }
    if (this.#queue.size >= this.#settings.queue.maxCalls && !this.#makeRoom(waiter)) return
    const { timeoutMs } = this.#settings.queue
    this.#queue.push(new Ticket(waiter, hope, expiresMs ?? this.#context.clock.now() + timeoutMs))
  }

  /**
   * The queue is full: of the clients in it the one that has most gives up the place of its last call, unless that would
   * be the new one's client itself. @returns whether there is room now; else the waiter was told
   */
  #makeRoom(waiter: Waiter): boolean {
    const { maxCalls } = this.#settings.queue
    const { loudest, clients } = this.#queue
    if (loudest !== undefined && loudest.calls > waiter.share.calls + 1) {
      const last = loudest.lastWaiting!
      this.#queue.remove(last)
      last.waiter.onUnavailable(
        'client-share',
        `${loudest.waiting + 1} of ${maxCalls} places in the queue were its own`,
      )
      return true
    }
    const own = waiter.share.waiting
    if (own > 0 && clients > 1)
      waiter.onUnavailable('client-share', `${own} of ${maxCalls} places in the queue are its own`)
    else waiter.onUnavailable('queue-full', `${maxCalls} calls wait already`)
    return false
  }

  #whyUnreachable(): string {
    return this.endpoints.map(endpoint => `${endpoint.address.name}: ${endpoint.lastError}`).join('; ')
  }

  readonly #timedOut = (ticket: Ticket): void => {
    ticket.waiter.onUnavailable('queue-timeout', `no stream was free within ${this.#settings.queue.timeoutMs} ms`)
  }

  /** A session tells of room only where it had none; who waits for its share of what there is waits for this. */
  readonly #onShareFree = (): void => {
    if (this.#queue.size > 0) for (const endpoint of this.endpoints) this.onRoom(endpoint)
  }

  onRoom(endpoint: Endpoint): void {
    if (this.#queue.size === 0) return
    this.#roomy.add(endpoint)
    this.#ask()
  }

  /**
   * Those that wait get the endpoint's streams, a call of each client in turn.
   * @param own only those whose turn is this endpoint's
   */
  #serve(endpoint: Endpoint, own: boolean): void {
    const queue = this.#queue
    for (let passed = 0; passed < queue.clients; ) {
      const share = queue.nextClient()
      let ticket = share.firstWaiting
      while (ticket !== undefined && ticket.endpoint !== endpoint && (own || hasItsTurn(ticket)))
        ticket = ticket.nextOwn
      const lease = ticket === undefined ? undefined : endpoint.room(share)
      if (lease === undefined) {
        if (ticket !== undefined) endpoint.connect()
        passed++
        continue
      }
      passed = 0
      queue.remove(ticket!)
      ticket!.waiter.onLease(lease)
    }
  }

  onConnectFailed(endpoint: Endpoint): void {
    this.#reassignLater(ticket => ticket.endpoint === endpoint || this.#hopeless(ticket))
  }

  onConnectSlow(endpoint: Endpoint): void {
    if (this.endpoints.some(other => other.state === 'ready'))
      this.#reassignLater(ticket => ticket.endpoint === endpoint)
  }

  /** Waits for any endpoint, and there is none left that has a session or may get one. */
  #hopeless(ticket: Ticket): boolean {
    return ticket.endpoint === undefined && !this.endpoints.some(other => other.state === 'ready' || other.promising)
  }

  onSessionGone(endpoint: Endpoint): void {
    if (this.#closed) return
    this.#reassignLater(ticket => ticket.endpoint === endpoint || !hasItsTurn(ticket))
  }

  #reassignLater(concerned: (ticket: Ticket) => boolean): void {
    if (this.#queue.size === 0) return
    this.#concerned.push(concerned)
    this.#ask()
  }

  /**
   * Their request has not left the proxy: they are tried again elsewhere (gRFC A6, transparent
   * retry). Everybody keeps the place in the queue.
   */
  #reassign(concerned: (ticket: Ticket) => boolean): void {
    for (const ticket of this.#queue.takeAll()) {
      if (concerned(ticket)) this.#place(ticket.waiter, ticket.expiresMs)
      else this.#queue.push(ticket)
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
