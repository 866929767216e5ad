/**
 * One address of a backend, and the sessions to it, in three pools:
 *
 * | pool      | for                                                                                         |
 * |-----------|---------------------------------------------------------------------------------------------|
 * | `shared`  | everybody                                                                                   |
 * | `reserve` | clients that have few calls, while others take all streams of the shared sessions           |
 * | `apart`   | one client each: those whose resets or unread responses would harm a shared session         |
 *
 * The last two are opened when they are needed, and closed when they have been idle for a while.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Timer } from '../transport/clock.ts'
import type { DialAddress } from '../transport/transport.ts'
import type { Known } from './balance/known.ts'
import type { ClientShare } from './client-share.ts'
import type { EndpointLimit } from './endpoint-limit.ts'
import { apartPool, type EndpointOptions, type PoolOptions, reservePool, sharedPool } from './endpoint-options.ts'
import type { EndpointOwner } from './endpoint-owner.ts'
import type { EndpointSpec } from './endpoint-source.ts'
import { type LastEnd, Totals } from './endpoint-totals.ts'
import { KeepalivePace } from './keepalive-pace.ts'
import type { Lease, StreamCounter } from './lease.ts'
import type { Outcomes } from './outcome.ts'
import { type PoolContext, type PoolOwner, type PoolState, SessionPool } from './session-pool.ts'

export type PoolName = 'shared' | 'reserve' | 'apart'

/** Who may say that an endpoint should get no calls, although it can be reached. */
export type BarKind = 'health' | 'outlier'

/** Why an endpoint is barred that has just come and has not been asked how it is. It is no loss to the others. */
export const UNCHECKED = 'it has not been checked yet'

/** Shared by all that have never been barred. */
const NO_BARS: ReadonlyMap<BarKind, string> = new Map()

export class Endpoint implements StreamCounter {
  readonly address: DialAddress
  /** What its source says of it now. The key never changes. */
  spec: EndpointSpec
  /** Calls that have a stream here now, on any of its sessions. */
  inFlight = 0
  readonly totals = new Totals()
  /** Calls that wait for its first session; the queue counts them. */
  awaited = 0
  /** Calls go to it now: the set says so each time that it makes a balancer. */
  inUse = false
  /** Its part of the calls beside the others, with everything that changes it for a while. Balancers read this one. */
  weight: number
  /** The part of its weight that it has while it warms up: slow start says so. Then `weigh` has to be called. */
  warmth = 1
  /** Who listens to the attempts here. Undefined: nobody, and no clock is read for them. */
  outcomes: Outcomes | undefined
  /** What balancers know of it. */
  readonly known: Known = {}
  /** How many calls it may have at a time. Undefined: as many as its sessions take. */
  limit: EndpointLimit | undefined
  /** Why it should get no calls, by who says so. */
  bars: ReadonlyMap<BarKind, string> = NO_BARS
  #options: EndpointOptions
  readonly #context: PoolContext
  readonly #owner: EndpointOwner<Endpoint>
  readonly #shared: SessionPool
  #reserve: SessionPool | undefined
  #apart: SessionPool | undefined
  #redials = false
  /** What the sessions of all pools ask by. It keeps what the endpoint has said of it. */
  #pace: KeepalivePace | undefined
  #closed = false
  #retired: Promise<void> | undefined
  #graceTimer: Timer | undefined

  constructor(spec: EndpointSpec, options: EndpointOptions, context: PoolContext, owner: EndpointOwner<Endpoint>) {
    this.address = spec.address
    this.spec = spec
    this.weight = spec.weight
    this.#options = options
    this.#context = context
    this.#owner = owner
    this.#pace = options.keepalive && new KeepalivePace(options.keepalive)
    this.#shared = new SessionPool(this.address, this.#sharedOptions, context, this, {
      onConnected: () => owner.onConnected(this),
      onRoom: () => owner.onRoom(this),
      onConnectFailed: () => owner.onConnectFailed(this),
      onConnectSlow: () => owner.onConnectSlow(this),
      onSessionGone: () => owner.onSessionGone(this),
    })
  }

  get #sharedOptions(): PoolOptions {
    return sharedPool(this.#options, this.#pace, this.#redials ? 1 : 0)
  }

  get state(): PoolState {
    return this.#shared.state
  }

  /** It has no session, and the last attempt failed, or the first connect takes unusually long. */
  get failing(): boolean {
    return this.#shared.failing
  }

  /** Whether a session is dialled although no call asks for it. */
  set redials(redials: boolean) {
    if (this.#redials === redials) return
    this.#redials = redials
    this.#shared.update(this.#sharedOptions)
  }

  /** A call that waits here could get a session: one is being dialled, or may be, and its limit leaves room for everybody. */
  get promising(): boolean {
    return this.#shared.promising && this.limit?.isTightAt(this.inFlight) !== true
  }

  /** Works out its weight from all that it depends on. */
  weigh(): void {
    this.weight = this.spec.weight * this.warmth
  }

  /** It should get no calls. */
  get barred(): boolean {
    return this.bars.size > 0
  }

  /** It gets no new calls until `unbar`, unless there are too few others. @param why for the log and the state */
  bar(by: BarKind, why: string): void {
    const before = this.barred && this.bars.get('health') !== UNCHECKED
    this.bars = new Map(this.bars).set(by, why)
    if (!before) this.#owner.onBarsChanged(this)
  }

  unbar(by: BarKind): void {
    if (!this.bars.has(by)) return
    this.bars = new Map([...this.bars].filter(([other]) => other !== by))
    if (!this.barred) this.#owner.onBarsChanged(this)
  }

  /** Why the last session or attempt ended. */
  get lastError(): string {
    return this.lastEnd.reason
  }

  get lastEnd(): LastEnd {
    return this.#shared.lastEnd
  }

  /** It has left the backend. */
  get retiring(): boolean {
    return this.#retired !== undefined
  }

  get pools(): readonly (readonly [PoolName, SessionPool])[] {
    const pools: [PoolName, SessionPool][] = [['shared', this.#shared]]
    if (this.#reserve !== undefined) pools.push(['reserve', this.#reserve])
    if (this.#apart !== undefined) pools.push(['apart', this.#apart])
    return pools
  }

  get sessionCount(): number {
    return this.#shared.sessionCount + (this.#reserve?.sessionCount ?? 0) + (this.#apart?.sessionCount ?? 0)
  }

  get streamCount(): number {
    return this.#shared.streamCount + (this.#reserve?.streamCount ?? 0) + (this.#apart?.streamCount ?? 0)
  }

  /** Dials one more shared session, if more are allowed. */
  connect(): void {
    this.#shared.connect()
  }

  /** It is known to take connections: a wait after a connect that failed is over. */
  redial(): void {
    if (this.failing) this.#shared.connect(true)
  }

  /** Opens as many sessions as `sessions.ready` asks for. */
  keepReady(): void {
    this.#shared.keepReady()
  }

  /** A session that has room for a stream of this client now. If there is none, one may be dialled for it. */
  room(share: ClientShare): Lease | undefined {
    if (share.apart && this.#options.sessions.apart > 0) return this.#roomApart(share)
    return this.#shared.leases.room() ?? this.#roomInReserve(share)
  }

  /** A shared session that has room even after one more stream: calls of the proxy's own never take the last. */
  get roomToSpare(): Lease | undefined {
    return this.#shared.leases.room(hasRoomToSpare)
  }

  /** Some client could have room now, or have a session in reserve dialled. */
  get mayHaveRoom(): boolean {
    if (this.limit !== undefined && this.inFlight >= this.limit.maxCalls) return false
    if (this.#shared.leases.room() !== undefined) return true
    const reserve = this.#reserve
    return reserve === undefined
      ? this.#options.sessions.reserve > 0
      : reserve.leases.room() !== undefined || reserve.promising
  }

  /** Its limit is higher than before, or it has fewer calls. */
  onRoomier(): void {
    this.#owner.onRoom(this)
  }

  #roomInReserve(share: ClientShare): Lease | undefined {
    if (this.#closed || this.#options.sessions.reserve === 0) return undefined
    if (this.#shared.state !== 'ready' || this.#shared.promising) return undefined
    this.#reserve ??= this.#pool(reservePool(this.#options, this.#pace))
    if (!share.mayHaveOfReserve(this.#reserve.mostStreams, this.#shared.leases.streamLimit)) return undefined
    const lease = this.#reserve.leases.room()
    if (lease === undefined) this.#reserve.connect()
    else lease.inReserve = true
    return lease
  }

  #roomApart(share: ClientShare): Lease | undefined {
    if (this.#closed) return undefined
    this.#apart ??= this.#pool(apartPool(this.#options, this.#pace))
    const pool = this.#apart
    const own = pool.leases.of(share)
    if (own !== undefined) return own.free > 0 ? own : undefined
    const free = pool.leases.room(isNobodys)
    if (free !== undefined) {
      free.guest = share
      return free
    }
    if (pool.promising) {
      pool.connect()
      return undefined
    }
    // No more sessions apart are allowed, so clients that are apart share them. If there is none at all, a shared
    // session will do, as long as no reset waits there.
    if (pool.state === 'ready') return pool.leases.leastUsed()
    return this.#shared.leases.room(bearsResets)
  }

  #pool(options: PoolOptions): SessionPool {
    const changed = () => this.#owner.onRoom(this)
    const owner: PoolOwner = {
      onConnected: changed,
      onRoom: changed,
      onConnectFailed: changed,
      onSessionGone: changed,
    }
    return new SessionPool(this.address, options, this.#context, this, owner)
  }

  /** Replaces the options, also for open sessions. */
  update(options: EndpointOptions): void {
    if (!isDeepStrictEqual(options.keepalive, this.#options.keepalive))
      this.#pace = options.keepalive && new KeepalivePace(options.keepalive)
    this.#options = options
    this.#shared.update(this.#sharedOptions)
    this.#reserve?.update(reservePool(options, this.#pace))
    this.#apart?.update(apartPool(options, this.#pace))
  }

  /**
   * The endpoint has left the backend and gets no new calls. Each session ends with its last call, or when the grace
   * period is over. Resolves when the last session is gone.
   */
  retire(): Promise<void> {
    this.#retired ??= this.#retire()
    return this.#retired
  }

  async #retire(): Promise<void> {
    this.#closed = true
    const gone = this.pools.map(([, pool]) => pool.retire('the endpoint has left the backend'))
    if (this.sessionCount > 0)
      this.#graceTimer = this.#context.clock.after(this.#options.sessions.drainGraceMs, () => this.close())
    await Promise.all(gone)
    this.#graceTimer?.cancel()
  }

  /** Ends all sessions now. Resolves when the last one is gone. */
  async close(): Promise<void> {
    this.#closed = true
    this.#graceTimer?.cancel()
    await Promise.all(this.pools.map(([, pool]) => pool.close()))
  }
}

function hasRoomToSpare({ free }: Lease): boolean {
  return free > 1
}

/** A session apart that no client uses. */
function isNobodys({ guest, session }: Lease): boolean {
  return guest === undefined || session.streams === 0
}

/** A session on which no reset waits. */
function bearsResets({ waitingResets }: Lease): boolean {
  return waitingResets === 0
}
