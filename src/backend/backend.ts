/**
 * A named group of interchangeable endpoints. It gives each call a session, by turns, and keeps the
 * calls for which there is no session yet in a queue with a bound and a deadline.
 *
 * All of this happens at the end of a turn of the event loop. By then everything that came in the turn is known, and a
 * call that its client has given up is never sent.
 */

import type { CallHash } from '../routing/hash-key.ts'
import type { TurnTask } from '../transport/turn.ts'
import { hashFor } from './balance/kinds.ts'
import { SessionCount } from './breaker.ts'
import { SharedStreams, type Unavailable, type Waiter } from './client-share.ts'
import { Endpoint } from './endpoint.ts'
import { EndpointSet, type EndpointSetOwner, type OpenAtEndpoints } from './endpoint-set.ts'
import type { EndpointSpec } from './endpoint-source.ts'
import { Placement } from './placement.ts'
import { type BackendContext, type BackendSettings, shareLimits, sourceOf } from './settings.ts'
import { WaitingCalls } from './waiting-calls.ts'

export type { Unavailable, Waiter } from './client-share.ts'
export type { Lease } from './lease.ts'
export type { BackendContext, BackendSettings } from './settings.ts'

type Refusal = readonly [why: Unavailable, detail: string]

const SHUTTING_DOWN: Refusal = ['closed', 'the proxy is shutting down']
const REMOVED: Refusal = ['unreachable', 'the backend has been removed']

export class Backend implements EndpointSetOwner, TurnTask {
  readonly name: string
  /** What all its clients use of it together. */
  readonly shared: SharedStreams
  settings: BackendSettings
  readonly #context: BackendContext
  readonly #sessions: SessionCount
  readonly set: EndpointSet
  readonly #placement: Placement
  readonly #waiting: WaitingCalls
  /** What places a call on the circle of its balancer, 31 bits; undefined: the balancer has none. */
  hash: CallHash | undefined
  /** Calls that came in this turn of the loop. */
  #arrivals: Waiter[] = []
  #spare: Waiter[] = []
  #asked = false
  /** Set once it is being retired; resolves when it is gone. */
  retired: Promise<void> | undefined
  #onNoCalls: (() => void) | undefined
  /** What a call is told that comes too late. */
  #refusal: Refusal | undefined

  constructor(settings: BackendSettings, context: BackendContext) {
    this.name = settings.name
    this.settings = settings
    this.#sessions = new SessionCount(settings.breaker?.maxSessions, () => this.#waiting.onPlaceFree())
    this.shared = new SharedStreams(shareLimits(settings, context), context.clock, this.#onShareFree)
    const counted = { ...context, ...this.shared.measures.within(context) }
    this.#context = { ...counted, sessions: this.#sessions }
    this.hash = hashFor(settings.balancer, context.random)
    this.set = new EndpointSet(settings, counted, this)
    this.#placement = new Placement(this.set)
    this.#waiting = new WaitingCalls(settings.queue, this.set, this.#placement, counted, () => this.askForTurn())
    this.set.follow(sourceOf(settings, context))
  }

  /** The endpoints that take calls. */
  get endpoints(): readonly Endpoint[] {
    return this.set.all
  }

  /** Calls that are in the queue now. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Calls that are here: they came in this turn, or they wait, or they have a stream. */
  get calls(): number {
    return this.#arrivals.filter(({ arriving }) => arriving).length + this.waiting + this.shared.streams
  }

  /** Sessions that take calls or are dialled. */
  get sessions(): number {
    return this.#sessions.open
  }

  /** Open sessions and streams, also those of endpoints that have left. */
  get open(): OpenAtEndpoints {
    return this.set.open
  }

  /**
   * Replaces the list of endpoints, until the source tells another list. An endpoint whose key was on the list before
   * keeps its sessions. An endpoint that is not on the list any more gets no new calls and finishes the calls that it
   * has. Calls that wait are placed again. If the list is empty, calls fail at once with UNAVAILABLE.
   */
  setEndpoints(all: readonly EndpointSpec[]): void {
    if (this.retired === undefined && this.#refusal === undefined) this.set.override(all)
  }

  /** Replaces the settings, the list of endpoints with them. They also hold for waiting calls and open sessions. */
  update(settings: BackendSettings): void {
    if (this.retired !== undefined || this.#refusal !== undefined) return
    this.settings = settings
    this.shared.limits = shareLimits(settings, this.#context)
    this.#sessions.max = settings.breaker?.maxSessions
    this.#waiting.update(settings.queue)
    this.hash = hashFor(settings.balancer, this.#context.random)
    this.set.update(settings)
    this.#waiting.onEndpointsChanged()
  }

  makeEndpoint(spec: EndpointSpec): Endpoint {
    return new Endpoint(spec, this.settings, this.#context, this.#waiting)
  }

  /** At the end of the turn the waiter gets a session, or is told that there is none, or is put in the queue. */
  acquire(waiter: Waiter): void {
    waiter.arriving = true
    this.#arrivals.push(waiter)
    this.askForTurn()
  }

  /** The call is over, and does not wait any more. */
  cancel(waiter: Waiter): void {
    waiter.arriving = false
    this.#waiting.remove(waiter)
    if (this.retired !== undefined) this.askForTurn()
  }

  /** Asks for `atTurnEnd` at the end of this turn. */
  askForTurn(): void {
    if (this.#asked) return
    this.#asked = true
    this.#context.turn.atEnd(this)
  }

  /** First come the calls that wait, then those that came in this turn. */
  atTurnEnd(): void {
    this.#asked = false
    this.set.settle()
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
    // A call that waits for its next attempt has neither a stream nor a place in the queue.
    if (this.retired !== undefined && this.calls + this.shared.retries === 0) this.#onNoCalls?.()
  }

  readonly #placeAgain = (waiter: Waiter, expiresMs: number): void => this.#place(waiter, expiresMs)

  /** @param expiresMs when the call stops waiting; by default after the queue's timeout */
  #place(waiter: Waiter, expiresMs: number | undefined): void {
    if (this.#refusal !== undefined) return waiter.onUnavailable(...this.#refusal)
    const before = waiter.share.lastWaiting
    // A call of the same client already waits for room at any endpoint, so there is none.
    const waits = before !== undefined && before.endpoint === undefined
    if (waits || !waiter.share.mayOpen()) return this.#waiting.push(waiter, undefined, expiresMs)
    const lease = this.#placement.find(waiter)
    if (lease !== undefined) waiter.onLease(lease)
    else if (this.#placement.hopeful) this.#waiting.push(waiter, this.#placement.hope, expiresMs)
    else waiter.onUnavailable('unreachable', this.set.whyUnreachable)
  }

  /** A session tells of room only if it had none before. A client that waits for its share waits for this. */
  readonly #onShareFree = (): void => {
    if (this.shared.limits.maxCalls === undefined) this.#waiting.onRoomAnywhere()
    else this.#waiting.onPlaceFree()
    if (this.retired !== undefined) this.askForTurn()
  }

  onEndpointsChanged(): void {
    this.#waiting.onEndpointsChanged()
  }

  /**
   * Serves the calls that are here, and those that come in the meantime. When there are none left, or when the grace
   * period is over, it ends. Resolves when the last session is gone.
   */
  retire(): Promise<void> {
    this.retired ??= this.#retire()
    this.askForTurn()
    return this.retired
  }

  #retire(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { drainGraceMs } = this.settings.sessions
    const timer = this.#context.clock.after(drainGraceMs, () => this.#end(REMOVED))
    this.#onNoCalls = () => {
      this.#onNoCalls = undefined
      timer.cancel()
      this.#refusal ??= REMOVED
      resolve(this.set.retire())
    }
    this.set.unfollow()
    return promise
  }

  /** Ends everything now. Calls that wait are told. Resolves when the last session is gone. */
  close(): Promise<void> {
    return this.#end(SHUTTING_DOWN)
  }

  #end(refusal: Refusal): Promise<void> {
    this.#refusal = refusal
    this.set.unfollow()
    const closed = this.set.close()
    this.#waiting.end(...refusal)
    this.#onNoCalls?.()
    return closed
  }
}
