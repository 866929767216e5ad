/**
 * A named group of interchangeable endpoints: gives each call a session in turn, and keeps the
 * calls for which there is none yet in a queue with a bound and a deadline.
 *
 * All of it happens at the end of a turn of the loop: what came in the turn is known then, and a call that its client
 * gave up meanwhile is never sent.
 */
import type { TurnTask } from '../transport/turn.ts'
import { roundRobin } from './balance/round-robin.ts'
import { SharedStreams, type Unavailable, type Waiter } from './client-share.ts'
import { Endpoint } from './endpoint.ts'
import { EndpointSet, type EndpointSetOwner, type OpenAtEndpoints } from './endpoint-set.ts'
import type { EndpointSpec } from './endpoint-source.ts'
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
  /** What its clients have of it together. */
  readonly shared: SharedStreams
  #settings: BackendSettings
  readonly #context: BackendContext
  readonly #set: EndpointSet
  readonly #waiting: WaitingCalls
  /** Calls that came in this turn. */
  #arrivals: Waiter[] = []
  #spare: Waiter[] = []
  #asked = false
  /** Resolves when it has served what it had. */
  #retired: Promise<void> | undefined
  #onNoCalls: (() => void) | undefined
  /** What calls are told that come too late. */
  #refusal: Refusal | undefined

  constructor(settings: BackendSettings, context: BackendContext) {
    this.name = settings.name
    this.#settings = settings
    this.#context = context
    this.shared = new SharedStreams(shareLimits(settings, context.clientHeldBytes), context.clock, this.#onShareFree)
    this.#set = new EndpointSet(roundRobin, context.random, this)
    this.#waiting = new WaitingCalls(settings.queue, this.#set, context, () => this.#ask())
    this.#set.follow(sourceOf(settings))
  }

  /** Those that take calls. */
  get endpoints(): readonly Endpoint[] {
    return this.#set.all
  }

  /** Calls in the queue now. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Calls that it has: they came in this turn, wait, or have a stream. */
  get calls(): number {
    return this.#arrivals.filter(({ arriving }) => arriving).length + this.waiting + this.shared.streams
  }

  /** Sessions and streams that are open, at endpoints that have left too. */
  get open(): OpenAtEndpoints {
    return this.#set.open
  }

  /**
   * These are its endpoints from now on, until its source tells others. One whose key was on the list before keeps its
   * sessions; one that is not on it any more gets no new calls and finishes those that it has; calls that wait are placed
   * again. With none at all calls fail at once, with UNAVAILABLE, until there are some.
   */
  setEndpoints(all: readonly EndpointSpec[]): void {
    if (this.#retired === undefined && this.#refusal === undefined) this.#set.replace(all)
  }

  /** These settings hold from now on, for what waits and for open sessions too; the list of endpoints is one of them. */
  update(settings: BackendSettings): void {
    if (this.#retired !== undefined || this.#refusal !== undefined) return
    this.#settings = settings
    this.shared.limits = shareLimits(settings, this.#context.clientHeldBytes)
    this.#waiting.update(settings.queue)
    this.#set.follow(sourceOf(settings))
    this.#set.update(settings)
    this.#waiting.onEndpointsChanged()
  }

  makeEndpoint(spec: EndpointSpec): Endpoint {
    return new Endpoint(spec, this.#settings, this.#context, this.#waiting)
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
    if (this.#retired !== undefined) this.#ask()
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
    if (this.#retired !== undefined && this.calls === 0) this.#onNoCalls?.()
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
    if (this.#refusal !== undefined) return waiter.onUnavailable(...this.#refusal)
    const endpoint = hope ?? (full ? undefined : this.endpoints.find(({ promising }) => promising))
    if (endpoint !== undefined || full || this.#set.isUnknown) this.#waiting.push(waiter, endpoint, expiresMs)
    else waiter.onUnavailable('unreachable', this.#set.whyUnreachable)
  }

  /** A session tells of room only where it had none; who waits for its share of what there is waits for this. */
  readonly #onShareFree = (): void => {
    this.#waiting.onRoomAnywhere()
    if (this.#retired !== undefined) this.#ask()
  }

  onEndpointsChanged(): void {
    this.#waiting.onEndpointsChanged()
  }

  /**
   * Serves the calls that it has, and those that come while it has some; then it is gone, at the latest when the grace is
   * over. Resolves when the last session is gone.
   */
  retire(): Promise<void> {
    this.#retired ??= this.#retire()
    this.#ask()
    return this.#retired
  }

  #retire(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { drainGraceMs } = this.#settings.sessions
    const timer = this.#context.clock.after(drainGraceMs, () => this.#end(REMOVED))
    this.#onNoCalls = () => {
      this.#onNoCalls = undefined
      timer.cancel()
      this.#refusal ??= REMOVED
      resolve(this.#set.retire())
    }
    this.#set.unfollow()
    return promise
  }

  /** The waiting are told; resolves when the last session is gone. */
  close(): Promise<void> {
    return this.#end(SHUTTING_DOWN)
  }

  #end(refusal: Refusal): Promise<void> {
    this.#refusal = refusal
    this.#set.unfollow()
    const closed = this.#set.close()
    this.#waiting.end(...refusal)
    this.#onNoCalls?.()
    return closed
  }
}
