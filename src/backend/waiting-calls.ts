/**
 * The calls of a backend that wait for a stream, and what happened in this turn that matters to them: endpoints got
 * room, or were lost. This is worked off at the end of the turn, when all of it is known.
 */
import type { Clock } from '../transport/clock.ts'
import { CallQueue } from './call-queue.ts'
import { type ClientShare, Ticket, type Unavailable, type Waiter } from './client-share.ts'
import type { Endpoint } from './endpoint.ts'
import type { EndpointOwner } from './endpoint-owner.ts'
import type { EndpointSet } from './endpoint-set.ts'
import type { BackendMeasures } from './measures.ts'
import type { Placement } from './placement.ts'
import type { PoolContext } from './session-pool.ts'
import type { QueueOptions } from './settings.ts'
import { enqueue } from './shedding.ts'

/** The endpoint whose turn it was is being dialled, and that does not take unusually long. */
function hasItsTurn({ endpoint }: Ticket): boolean {
  return endpoint?.inUse === true && endpoint.state === 'connecting' && !endpoint.failing
}

/**
 * The first call of a client that may go to this endpoint, or (undefined) to any.
 * @param own only where it is this endpoint's turn
 */
function firstFor(share: ClientShare, endpoint: Endpoint | undefined, own: boolean): Ticket | undefined {
  let ticket = share.firstWaiting
  while (ticket !== undefined && ticket.endpoint !== endpoint && (own || hasItsTurn(ticket))) ticket = ticket.nextOwn
  return ticket
}

export class WaitingCalls implements EndpointOwner<Endpoint> {
  #options: QueueOptions
  readonly #endpoints: EndpointSet
  readonly #clock: Clock
  readonly #measures: BackendMeasures | undefined
  readonly #queue: CallQueue
  readonly #placement: Placement
  readonly #askForTurn: () => void
  /** Endpoints that got room in this turn of the loop. */
  readonly #roomy = new Set<Endpoint>()
  /** There is room, and it is the balancer's to say where. */
  #roomAnywhere = false
  /** One of them got a session. */
  #connected = false
  /** Which of the waiting calls should be placed again, by what happened in this turn. */
  #concerned: ((ticket: Ticket) => boolean)[] = []

  /** @param askForTurn asks for a call of `work` at the end of this turn */
  constructor(
    options: QueueOptions,
    endpoints: EndpointSet,
    placement: Placement,
    { clock, wheel, measures }: PoolContext,
    askForTurn: () => void,
  ) {
    this.#options = options
    this.#endpoints = endpoints
    this.#placement = placement
    this.#clock = clock
    this.#measures = measures
    this.#queue = new CallQueue(wheel, clock, this.#expired)
    this.#askForTurn = askForTurn
  }

  /** Replaces the options. Calls that wait already may wait as long as those that come later. */
  update(options: QueueOptions): void {
    const laterMs = options.timeoutMs - this.#options.timeoutMs
    this.#options = options
    if (laterMs === 0) return
    for (const { waiter, endpoint, expiresMs } of this.#queue.takeAll())
      this.#queue.push(new Ticket(waiter, endpoint, expiresMs + laterMs))
  }

  get size(): number {
    return this.#queue.size
  }

  /**
   * Puts the call behind the others of its client. If there is no room in the queue, the waiter is told.
   * @param endpoint it waits for the first session of this endpoint; undefined: for room at any endpoint
   * @param expiresMs when it stops waiting; by default after the queue's timeout
   */
  push(waiter: Waiter, endpoint: Endpoint | undefined, expiresMs: number | undefined): void {
    const { timeoutMs } = this.#options
    const ticket = new Ticket(waiter, endpoint, expiresMs ?? this.#clock.now() + timeoutMs)
    const isBroken = this.#measures !== undefined && !waiter.share.mayOpen()
    if (!enqueue(ticket, this.#queue, this.#options) && isBroken) this.#measures!.refusedByBreaker++
  }

  /** The call is over, and does not wait any more. */
  remove(waiter: Waiter): void {
    const { ticket } = waiter
    if (ticket === undefined) return
    this.#queue.remove(ticket)
    this.#over(ticket)
  }

  /** It waits no more. */
  #over({ expiresMs }: Ticket): void {
    if (this.#measures === undefined) return
    const sinceMs = expiresMs - this.#options.timeoutMs
    this.#measures.queueSeconds.add(Math.max(this.#clock.now() - sinceMs, 0) / 1_000)
  }

  readonly #expired = (ticket: Ticket): void => {
    const { waiter } = ticket
    this.#over(ticket)
    const mayOpen = waiter.share.mayOpen()
    if (!mayOpen && this.#measures !== undefined) this.#measures.refusedByBreaker++
    const what = mayOpen ? 'stream' : 'place within breaker.maxCalls'
    waiter.onUnavailable('queue-timeout', `no ${what} was free within ${this.#options.timeoutMs} ms`)
    this.#askForTurn()
  }

  onConnected(endpoint: Endpoint): void {
    this.#endpoints.onReachChanged(endpoint)
    if (this.#queue.size === 0) return
    this.#connected = true
    this.onRoom(endpoint)
  }

  onRoom(endpoint: Endpoint): void {
    if (this.#queue.size === 0 || !endpoint.inUse) return
    this.#roomy.add(endpoint)
    this.#askForTurn()
  }

  /** A client that waits until it may have its share may get it now, at any endpoint. */
  onRoomAnywhere(): void {
    if (this.#queue.size === 0) return
    // Where all is full there is nothing to give, and a fleet that is full has no time to find that out for each client.
    for (const endpoint of this.#endpoints.inUse) if (endpoint.mayHaveRoom) this.onRoom(endpoint)
  }

  onConnectFailed(endpoint: Endpoint): void {
    this.#endpoints.onConnectFailed(endpoint)
    this.#reassign(ticket => ticket.endpoint === endpoint || this.#isHopeless(ticket))
  }

  /** It waits for any endpoint, and none has a session or may get one. */
  #isHopeless({ endpoint }: Ticket): boolean {
    return endpoint === undefined && !this.#endpoints.hopeful
  }

  onConnectSlow(endpoint: Endpoint): void {
    this.#endpoints.onReachChanged(endpoint, true)
    if (this.#endpoints.inUse.some(({ state }) => state === 'ready'))
      this.#reassign(ticket => ticket.endpoint === endpoint)
  }

  onSessionGone(endpoint: Endpoint): void {
    this.#endpoints.onReachChanged(endpoint)
    this.#endpoints.refresh()
    this.#reassign(ticket => ticket.endpoint === endpoint || !hasItsTurn(ticket))
  }

  onBarsChanged(endpoint: Endpoint): void {
    this.#endpoints.onBarsChanged(endpoint)
  }

  /** There are other endpoints, or none. */
  onEndpointsChanged(): void {
    this.#reassign(ticket => !hasItsTurn(ticket))
  }

  /** The tickets for which `concerned` is true at the end of the turn are placed again. */
  #reassign(concerned: (ticket: Ticket) => boolean): void {
    if (this.#queue.size === 0) return
    this.#concerned.push(concerned)
    this.#askForTurn()
  }

  /**
   * The backend as a whole takes more: one of its calls has ended, or one of its sessions. Which endpoint a call goes to
   * then is the balancer's choice.
   */
  onPlaceFree(): void {
    if (this.#queue.size === 0) return
    this.#roomAnywhere = true
    this.#askForTurn()
  }

  /**
   * The turn ends. Calls that are placed again have not left the proxy, so they may be tried at another endpoint (gRFC
   * A6, transparent retry). They keep their place in the queue.
   */
  work(place: (waiter: Waiter, expiresMs: number) => void): void {
    if (this.#concerned.length > 0)
      for (const concerned of this.#concerned.splice(0)) this.#placeAgain(concerned, place)
    if (this.#roomAnywhere) this.#serveAnywhere()
    if (this.#roomy.size === 0) return
    // Who got room in this turn may have been barred in it, too.
    const roomy = [...this.#roomy].filter(({ inUse }) => inUse)
    this.#roomy.clear()
    // If there are several, each first gets the calls whose turn it was, so that they share as the balancer wanted.
    if (roomy.length > 1) for (const endpoint of roomy) this.#serve(endpoint, true)
    let short = false
    for (const endpoint of roomy) if (this.#serve(endpoint, false)) short = true
    const connected = this.#connected
    this.#connected = false
    // Calls that waited for an endpoint which has no room for all of them: another may have had room all along.
    if (!connected || !short) return
    for (const endpoint of this.#endpoints.inUse) if (!roomy.includes(endpoint)) this.#serve(endpoint, false)
  }

  #placeAgain(concerned: (ticket: Ticket) => boolean, place: (waiter: Waiter, expiresMs: number) => void): void {
    for (const ticket of this.#queue.takeAll())
      if (!concerned(ticket)) this.#queue.push(ticket)
      else {
        place(ticket.waiter, ticket.expiresMs)
        if (ticket.waiter.ticket === undefined) this.#over(ticket)
      }
  }

  /**
   * Gives the streams of the endpoint to waiting calls, one call of each client in turn.
   * @param own only to calls whose turn was this endpoint's
   * @returns whether there was a call for which it had no room
   */
  #serve(endpoint: Endpoint, own: boolean): boolean {
    const queue = this.#queue
    let short = false
    for (let passed = 0; passed < queue.clients; passed++) {
      const share = queue.nextClient()
      const ticket = firstFor(share, endpoint, own)
      if (ticket === undefined || !share.mayOpen()) continue
      if (endpoint.limit?.isFullFor(share, endpoint.inFlight)) {
        short = true
        continue
      }
      const lease = endpoint.room(share)
      if (lease === undefined) {
        short = true
        endpoint.connect()
        continue
      }
      passed = -1
      queue.remove(ticket)
      this.#over(ticket)
      ticket.waiter.onLease(lease)
    }
    return short
  }

  /** Lets the balancer choose a session for waiting calls, one call of each client in turn. */
  #serveAnywhere(): void {
    this.#roomAnywhere = false
    const queue = this.#queue
    for (let passed = 0; passed < queue.clients; passed++) {
      const share = queue.nextClient()
      const ticket = firstFor(share, undefined, false)
      if (ticket === undefined || !share.mayOpen()) continue
      const { waiter } = ticket
      const lease = this.#placement.find(waiter)
      const { hope, hopeful } = this.#placement
      if (lease === undefined && hopeful) {
        if (hope !== undefined) queue.redirect(ticket, hope)
        // The call behind it may have its turn elsewhere.
        if (hasItsTurn(ticket)) passed = -1
        continue
      }
      passed = -1
      queue.remove(ticket)
      this.#over(ticket)
      if (lease !== undefined) waiter.onLease(lease)
      else waiter.onUnavailable('unreachable', this.#endpoints.whyUnreachable)
    }
  }

  /** Tells all waiting calls that they wait in vain. */
  end(why: Unavailable, detail: string): void {
    for (const { waiter } of this.#queue.takeAll()) waiter.onUnavailable(why, detail)
  }
}
