/**
 * One address of a backend, and the sessions to it, in three pools:
 *
 * | pool      | for                                                                                         |
 * |-----------|---------------------------------------------------------------------------------------------|
 * | `shared`  | everybody                                                                                   |
 * | `reserve` | clients that have little, while others take all that the shared sessions have               |
 * | `apart`   | a client each: those whose resets, or whose unread responses, would harm a shared session   |
 *
 * The last two are opened when they are needed, and closed when they were idle for a while.
 */
import type { Timer } from '../transport/clock.ts'
import type { DialAddress } from '../transport/transport.ts'
import type { ClientShare } from './client-share.ts'
import type { EndpointSpec } from './endpoint-source.ts'
import type { Lease, StreamCounter } from './lease.ts'
import { type PoolContext, type PoolOptions, type PoolOwner, type PoolState, SessionPool } from './session-pool.ts'
import type { Rate } from './token-bucket.ts'

export interface EndpointOptions extends Pick<PoolOptions, 'connectTimeoutMs' | 'backoff'> {
  readonly sessions: Pick<PoolOptions, 'max' | 'maxDraining' | 'ready'> & {
    /** Most sessions of the pool `reserve`. */
    readonly reserve: number
    /** Most sessions of the pool `apart`. */
    readonly apart: number
    /** How long calls may go on at an endpoint that has left. */
    readonly drainGraceMs: number
  }
  /** RST_STREAM that a shared session bears. */
  readonly resets: Rate
}

/** What an endpoint tells its backend. */
export interface EndpointOwner {
  /** A session is ready. */
  onConnected(endpoint: Endpoint): void
  /** A session has room for a stream. */
  onRoom(endpoint: Endpoint): void
  /** Connecting failed; the calls that wait for this endpoint should go elsewhere. */
  onConnectFailed(endpoint: Endpoint): void
  /** Connecting takes long; the calls that wait should go elsewhere if there is a live elsewhere. */
  onConnectSlow(endpoint: Endpoint): void
  /** A session takes no more streams: the calls that wait for one of its streams wait in vain. */
  onSessionGone(endpoint: Endpoint): void
}

/** A session that is for a while only is closed after a minute without calls: whoever needed it may come back. */
const IDLE_MS = 60_000

export class Endpoint implements StreamCounter {
  readonly address: DialAddress
  /** As its source knows it now; the key stays. */
  spec: EndpointSpec
  /** Calls that have a stream here now, on whichever session. */
  inFlight = 0
  #options: EndpointOptions
  readonly #context: PoolContext
  readonly #owner: EndpointOwner
  readonly #shared: SessionPool
  #reserve: SessionPool | undefined
  #apart: SessionPool | undefined
  #closed = false
  #retired: Promise<void> | undefined
  #graceTimer: Timer | undefined

  constructor(spec: EndpointSpec, options: EndpointOptions, context: PoolContext, owner: EndpointOwner) {
    this.address = spec.address
    this.spec = spec
    this.#options = options
    this.#context = context
    this.#owner = owner
    this.#shared = new SessionPool(this.address, this.#sharedOptions, context, this, {
      onConnected: () => owner.onConnected(this),
      onRoom: () => owner.onRoom(this),
      onConnectFailed: () => owner.onConnectFailed(this),
      onConnectSlow: () => owner.onConnectSlow(this),
      onSessionGone: () => owner.onSessionGone(this),
    })
  }

  get #sharedOptions(): PoolOptions {
    const { max, maxDraining, ready } = this.#options.sessions
    return { ...this.#options, max, maxDraining, ready, idleMs: undefined }
  }

  get #reserveOptions(): PoolOptions {
    const { reserve, maxDraining } = this.#options.sessions
    return { ...this.#options, max: reserve, maxDraining, ready: 0, idleMs: IDLE_MS }
  }

  /** There each bears what its client causes. */
  get #apartOptions(): PoolOptions {
    const { apart, maxDraining } = this.#options.sessions
    return { ...this.#options, resets: undefined, max: apart, maxDraining, ready: 0, idleMs: IDLE_MS }
  }

  get state(): PoolState {
    return this.#shared.state
  }

  /** No session, and: a failure without a session of use since, or a first connect that takes suspiciously long. */
  get failing(): boolean {
    return this.#shared.failing
  }

  /** Could a call that waits here get a session: one is on its way, or may be dialled. */
  get promising(): boolean {
    return this.#shared.promising
  }

  /** Why the last session or attempt ended. */
  get lastError(): string {
    return this.#shared.lastError
  }

  get #pools(): SessionPool[] {
    return [this.#shared, this.#reserve, this.#apart].filter(pool => pool !== undefined)
  }

  get sessionCount(): number {
    return this.#pools.reduce((sum, pool) => sum + pool.sessionCount, 0)
  }

  get streamCount(): number {
    return this.#pools.reduce((sum, pool) => sum + pool.streamCount, 0)
  }

  /** Dials one more shared session, if there may be more. */
  connect(): void {
    this.#shared.connect()
  }

  /** Opens what `sessions.ready` asks for. */
  keepReady(): void {
    this.#shared.keepReady()
  }

  /** A session with room for a stream of this client now; if there is none, one is dialled where the client may have it. */
  room(share: ClientShare): Lease | undefined {
    if (share.apart && this.#options.sessions.apart > 0) return this.#roomApart(share)
    return this.#shared.leases.room() ?? this.#roomInReserve(share)
  }

  #roomInReserve(share: ClientShare): Lease | undefined {
    if (this.#closed || this.#options.sessions.reserve === 0) return undefined
    if (this.#shared.state !== 'ready' || this.#shared.promising) return undefined
    this.#reserve ??= this.#pool(this.#reserveOptions)
    if (!share.mayHaveOfReserve(this.#reserve.mostStreams, this.#shared.leases.streamLimit)) return undefined
    const lease = this.#reserve.leases.room()
    if (lease === undefined) this.#reserve.connect()
    else lease.inReserve = true
    return lease
  }

  #roomApart(share: ClientShare): Lease | undefined {
    if (this.#closed) return undefined
    this.#apart ??= this.#pool(this.#apartOptions)
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
    // There may be no more of them: who is apart shares with others who are. And where none can be had, the shared
    // ones do, as long as they are not short of resets.
    if (pool.state === 'ready') return pool.leases.leastUsed()
    return this.#shared.leases.room(bearsResets)
  }

  #pool(options: PoolOptions): SessionPool {
    const changed = () => this.#owner.onRoom(this)
    const owner: PoolOwner = {
      onConnected: changed,
      onRoom: changed,
      onConnectFailed: changed,
      onConnectSlow() {},
      onSessionGone: changed,
    }
    return new SessionPool(this.address, options, this.#context, this, owner)
  }

  /** From now on. */
  update(options: EndpointOptions): void {
    this.#options = options
    this.#shared.update(this.#sharedOptions)
    this.#reserve?.update(this.#reserveOptions)
    this.#apart?.update(this.#apartOptions)
  }

  /**
   * It has left the backend: no new calls. Its sessions end with their last call, or when the grace is over. Resolves
   * when the last is gone.
   */
  retire(): Promise<void> {
    this.#retired ??= this.#retire()
    return this.#retired
  }

  async #retire(): Promise<void> {
    this.#closed = true
    const gone = this.#pools.map(pool => pool.retire('the endpoint has left the backend'))
    if (this.sessionCount > 0)
      this.#graceTimer = this.#context.clock.after(this.#options.sessions.drainGraceMs, () => this.close())
    await Promise.all(gone)
    this.#graceTimer?.cancel()
  }

  /** Ends all sessions. Resolves when the last is gone. */
  async close(): Promise<void> {
    this.#closed = true
    this.#graceTimer?.cancel()
    await Promise.all(this.#pools.map(pool => pool.close()))
  }
}

/** A session apart that has no guest, or whose guest has left. */
function isNobodys({ guest, session }: Lease): boolean {
  return guest === undefined || session.streams === 0
}

/** No reset waits on it. */
function bearsResets({ waitingResets }: Lease): boolean {
  return waitingResets === 0
}
