/**
 * The calls of a backend that wait for a stream, and what happened in this turn that concerns them: endpoints that got
 * room, endpoints that were lost. It is worked off at the end of the turn, when all of it is known.
 */
import type { Clock } from '../transport/clock.ts'
import { CallQueue } from './call-queue.ts'
import { Ticket, type Unavailable, type Waiter } from './client-share.ts'
import type { Endpoint, EndpointOwner } from './endpoint.ts'
import type { EndpointSet } from './endpoint-set.ts'
import type { PoolContext } from './session-pool.ts'

export interface QueueOptions {
  /** Most calls that wait for a session or a stream at a time. */
  readonly maxCalls: number
  /** Longest that one waits. */
  readonly timeoutMs: number
}

/** The first session of the endpoint whose turn it was is on its way, and not suspiciously long. */
function hasItsTurn({ endpoint }: Ticket): boolean {
  return endpoint !== undefined && endpoint.state === 'connecting' && !endpoint.failing
}

export class WaitingCalls implements EndpointOwner {
  #options: QueueOptions
  readonly #endpoints: EndpointSet
  readonly #clock: Clock
  readonly #queue: CallQueue
  readonly #askForTurn: () => void
  /** Endpoints that got room in this turn. */
  readonly #roomy = new Set<Endpoint>()
  /** One of these got a session. */
  #connected = false
  /** Which of those that wait should go elsewhere, by what happened in this turn. */
  #concerned: ((ticket: Ticket) => boolean)[] = []

  /** @param askForTurn there is something to do at the end of this turn: `work` */
  constructor(options: QueueOptions, endpoints: EndpointSet, { clock, wheel }: PoolContext, askForTurn: () => void) {
    this.#options = options
    this.#endpoints = endpoints
    this.#clock = clock
    this.#queue = new CallQueue(wheel, clock, this.#expired)
    this.#askForTurn = askForTurn
  }

  /** Those that wait already wait as long as those that come. */
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
   * Behind the other calls of its client. Where there is no room the waiter is told.
   * @param endpoint whose first session it waits for; undefined: any endpoint's room
   * @param expiresMs when it stops waiting; by default the queue's timeout from now
   */
  push(waiter: Waiter, endpoint: Endpoint | undefined, expiresMs: number | undefined): void {
    const { maxCalls, timeoutMs } = this.#options
    if (this.#queue.size >= maxCalls && !this.#makeRoom(waiter)) return
    this.#queue.push(new Ticket(waiter, endpoint, expiresMs ?? this.#clock.now() + timeoutMs))
  }

  /** The call is over; it waits no more, if it did. */
  remove(waiter: Waiter): void {
    if (waiter.ticket !== undefined) this.#queue.remove(waiter.ticket)
  }

  /**
   * The queue is full: of the clients in it the one that has most gives up the place of its last call, unless that would
   * be the new one's client itself. @returns whether there is room now; else the waiter was told
   */
  #makeRoom(waiter: Waiter): boolean {
    const { maxCalls } = this.#options
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

  readonly #expired = ({ waiter }: Ticket): void => {
    waiter.onUnavailable('queue-timeout', `no stream was free within ${this.#options.timeoutMs} ms`)
    this.#askForTurn()
  }

  onConnected(endpoint: Endpoint): void {
    if (this.#queue.size === 0) return
    this.#connected = true
    this.onRoom(endpoint)
  }

  onRoom(endpoint: Endpoint): void {
    if (this.#queue.size === 0) return
    this.#roomy.add(endpoint)
    this.#askForTurn()
  }

  /** Who waits for its share of what there is may have it now. */
  onRoomAnywhere(): void {
    if (this.#queue.size > 0) for (const endpoint of this.#endpoints.all) this.onRoom(endpoint)
  }

  onConnectFailed(endpoint: Endpoint): void {
    this.#endpoints.refresh()
    this.#reassign(ticket => ticket.endpoint === endpoint || this.#isHopeless(ticket))
  }

  /** Waits for any endpoint, and there is none left that has a session or may get one. */
  #isHopeless({ endpoint }: Ticket): boolean {
    return endpoint === undefined && !this.#endpoints.hopeful
  }

  onConnectSlow(endpoint: Endpoint): void {
    if (this.#endpoints.all.some(({ state }) => state === 'ready'))
      this.#reassign(ticket => ticket.endpoint === endpoint)
  }

  onSessionGone(endpoint: Endpoint): void {
    this.#endpoints.refresh()
    this.#reassign(ticket => ticket.endpoint === endpoint || !hasItsTurn(ticket))
  }

  /** There are others, or none. */
  onEndpointsChanged(): void {
    this.#reassign(ticket => !hasItsTurn(ticket))
  }

  /** Those of whom it is true when the turn ends are placed again. */
  #reassign(concerned: (ticket: Ticket) => boolean): void {
    if (this.#queue.size === 0) return
    this.#concerned.push(concerned)
    this.#askForTurn()
  }

  /**
   * The turn ends. Those to be placed again have not left the proxy: they are tried elsewhere (gRFC A6, transparent
   * retry), and keep their place in the queue.
   */
  work(place: (waiter: Waiter, expiresMs: number) => void): void {
    if (this.#concerned.length > 0)
      for (const concerned of this.#concerned.splice(0)) this.#placeAgain(concerned, place)
    if (this.#roomy.size === 0) return
    const roomy = [...this.#roomy]
    this.#roomy.clear()
    // Several at a time: first each those whose turn it was, so that they share as it was meant.
    if (roomy.length > 1) for (const endpoint of roomy) this.#serve(endpoint, true)
    for (const endpoint of roomy) this.#serve(endpoint, false)
    // Those for which the endpoint that they waited for has no room: another may have had some all along.
    const connected = this.#connected
    this.#connected = false
    if (connected)
      for (const endpoint of this.#endpoints.all) if (!roomy.includes(endpoint)) this.#serve(endpoint, false)
  }

  #placeAgain(concerned: (ticket: Ticket) => boolean, place: (waiter: Waiter, expiresMs: number) => void): void {
    for (const ticket of this.#queue.takeAll())
      if (concerned(ticket)) place(ticket.waiter, ticket.expiresMs)
      else this.#queue.push(ticket)
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

  /** Nobody waits any more. */
  end(why: Unavailable, detail: string): void {
    for (const { waiter } of this.#queue.takeAll()) waiter.onUnavailable(why, detail)
  }
}
