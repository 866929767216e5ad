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
import { roundRobin } from './balance/round-robin.ts'
import { SharedStreams, type Ticket, type Waiter } from './client-share.ts'
import { Endpoint, type EndpointOptions, type EndpointOwner } from './endpoint.ts'
import { EndpointSet } from './endpoint-set.ts'
import { type EndpointSink, type EndpointSource, type EndpointSpec, StaticSource } from './endpoint-source.ts'
import type { PoolContext } from './session-pool.ts'
import { hasItsTurn, type QueueOptions, WaitingCalls } from './waiting-calls.ts'

export type { Unavailable, Waiter } from './client-share.ts'
export type { Lease } from './lease.ts'

export interface BackendSettings extends EndpointOptions {
  readonly name: string
  readonly endpoints: readonly DialAddress[]
  /** Says which endpoints there are, instead of the list. */
  readonly source?: EndpointSource
  readonly queue: QueueOptions
}

export interface BackendContext extends PoolContext {
  readonly wheel: TimerWheel
  readonly turn: Turn
  /** Bytes of responses that may wait for a client before it gets sessions apart. */
  readonly clientHeldBytes: number
}

/** One client may have this part of the resets that a shared session bears; who has more gets sessions apart. */
const CLIENT_PART = 1 / 4

export class Backend implements EndpointOwner, EndpointSink, TurnTask {
  readonly name: string
  /** What its clients have of it together. */
  readonly shared: SharedStreams
  readonly #settings: BackendSettings
  readonly #context: BackendContext
  readonly #source: EndpointSource
  readonly #set: EndpointSet
  readonly #waiting: WaitingCalls
  #hasList = false
  /** Why the source has no list yet. */
  #sourceError: string | undefined
  #closed = false
  /** Calls that came in this turn. */
  #arrivals: Waiter[] = []
  #spare: Waiter[] = []
  #asked = false

  constructor(settings: BackendSettings, context: BackendContext) {
    this.name = settings.name
    this.#settings = settings
    this.#context = context
    const { burst, perSecond } = settings.resets
    const resets = { burst: burst * CLIENT_PART, perSecond: perSecond * CLIENT_PART }
    this.shared = new SharedStreams({ resets, heldBytes: context.clientHeldBytes }, context.clock, this.#onShareFree)
    this.#waiting = new WaitingCalls(settings.queue, context.clock, context.wheel, () => this.#ask())
    const open = (spec: EndpointSpec) => new Endpoint(spec, this.#settings, this.#context, this)
    this.#set = new EndpointSet(open, roundRobin, context.random)
    this.#source = settings.source ?? new StaticSource(settings.endpoints)
    this.#source.start(this)
  }

  /** Those that take calls. */
  get endpoints(): readonly Endpoint[] {
    return this.#set.all
  }

  /** Calls in the queue now. */
  get waiting(): number {
    return this.#waiting.size
  }

  onEndpoints(all: readonly EndpointSpec[]): void {
    this.#hasList = true
    this.#set.replace(all)
    for (const endpoint of this.#set.all) endpoint.keepReady()
    this.#waiting.reassign(ticket => !hasItsTurn(ticket))
  }

  onError(reason: string): void {
    if (this.#hasList) return
    this.#sourceError = reason
    this.#waiting.reassign(() => true)
  }

  /** The source has not said which endpoints there are: calls wait for that. */
  get #isUnknown(): boolean {
    return !this.#hasList && this.#sourceError === undefined
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
    this.#waiting.remove(waiter)
  }

  #ask(): void {
    if (this.#asked) return
    this.#asked = true
    this.#context.turn.atEnd(this)
  }

  /** First who waits, then who came. */
  atTurnEnd(): void {
    this.#asked = false
    this.#waiting.work(this.#placeAgain)
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

  readonly #placeAgain = (waiter: Waiter, expiresMs: number): void => this.#place(waiter, expiresMs)

  /** @param expiresMs when it stops waiting; by default the queue's timeout from now */
  #place(waiter: Waiter, expiresMs: number | undefined): void {
    const before = waiter.share.lastWaiting
    // A call of the same client waits for room anywhere already: so there is none.
    if (before !== undefined && before.endpoint === undefined) return this.#enqueue(waiter, undefined, true, expiresMs)
    const { balancer } = this.#set
    let hope: Endpoint | undefined
    let full = false
    for (let endpoint = balancer.first(waiter); endpoint !== undefined; endpoint = balancer.next()) {
      if (endpoint.failing) {
        endpoint.connect()
        continue
      }
      const lease = endpoint.room(waiter.share)
      if (lease !== undefined) return waiter.onLease(lease)
      if (endpoint.state === 'ready') {
        // All its streams are taken. Another endpoint may have one; meanwhile it may open a session.
        full = true
        endpoint.connect()
      } else if (endpoint.promising) {
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
      if (hope === undefined && !this.#isUnknown) return waiter.onUnavailable('unreachable', this.#whyUnreachable)
    }
    this.#waiting.push(waiter, hope, expiresMs)
  }

  get #whyUnreachable(): string {
    if (this.endpoints.length > 0) return this.#set.lastErrors
    return this.#sourceError ?? 'the backend has no endpoints'
  }

  /** A session tells of room only where it had none; who waits for its share of what there is waits for this. */
  readonly #onShareFree = (): void => {
    if (this.waiting > 0) for (const endpoint of this.endpoints) this.onRoom(endpoint)
  }

  onRoom(endpoint: Endpoint): void {
    this.#waiting.onRoom(endpoint)
  }

  onConnectFailed(endpoint: Endpoint): void {
    this.#source.refresh()
    this.#waiting.reassign(ticket => ticket.endpoint === endpoint || this.#isHopeless(ticket))
  }

  /** Waits for any endpoint, and there is none left that has a session or may get one. */
  #isHopeless(ticket: Ticket): boolean {
    return ticket.endpoint === undefined && !this.#set.hopeful
  }

  onConnectSlow(endpoint: Endpoint): void {
    if (this.endpoints.some(other => other.state === 'ready'))
      this.#waiting.reassign(ticket => ticket.endpoint === endpoint)
  }

  onSessionGone(endpoint: Endpoint): void {
    if (this.#closed) return
    this.#source.refresh()
    this.#waiting.reassign(ticket => ticket.endpoint === endpoint || !hasItsTurn(ticket))
  }

  /** The waiting are told; resolves when the last session is gone. */
  close(): Promise<void> {
    this.#closed = true
    const closed = Promise.all(this.endpoints.map(endpoint => endpoint.close()))
    this.#waiting.end('closed', 'the proxy is shutting down')
    return closed.then(() => {})
  }
}
