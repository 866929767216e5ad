/**
 * Sessions to one address: dialled when they are needed, and again with backoff when they fail.
 *
 *              a call comes                SETTINGS
 *      idle ─────────────────► connecting ──────────► ready ──┐ last session gone
 *       ▲                        │    ▲                       │
 *       └────────────────────────┼────┼───────────────────────┤
 *                        failure ▼    │ the wait is over      │ it was of no use, again
 *                              backoff ◄──────────────────────┘
 *
 * A session is of use if it answered a call, or lived. One that was not is a failure like a connect that fails, or an
 * endpoint that greets and hangs up would be dialled for each call. Only the first in a row costs no wait: an endpoint
 * that restarts just then is there again at once.
 *
 * `failing` (a failure since a session was of use) covers backoff and the attempts after it: calls go
 * to such an endpoint only when no other can take them.
 */
import type { Clock, Timer } from '../transport/clock.ts'
import type { TimerWheel } from '../transport/timer-wheel.ts'
import type { ClientSession, ClientSessionOwner, ClientTransport, DialAddress } from '../transport/transport.ts'
import { type BackoffOptions, backoffDelayMs } from './backoff.ts'
import { Lease } from './lease.ts'
import { PacedResets } from './paced-resets.ts'
import type { Rate } from './token-bucket.ts'

export interface PoolOptions {
  /** Most sessions open at a time; more than one only when the peer's stream limit is reached. */
  readonly max: number
  /**
   * Most of those that take no new calls (GOAWAY came) and still have some. They do not count in `max`: calls may be
   * on them for as long as they like, and new ones need a session all the same. Beyond it the oldest is ended.
   */
  readonly maxDraining: number
  /** Kept open without calls; 0 connects on demand. */
  readonly ready: number
  /** From dialling to the peer's SETTINGS. */
  readonly connectTimeoutMs: number
  readonly backoff: BackoffOptions
  /** RST_STREAM that a session bears; undefined: as many as come. */
  readonly resets: Rate | undefined
  /** A session without streams is closed after this time; undefined: it stays. */
  readonly idleMs: number | undefined
}

/** What a pool tells its endpoint. */
export interface PoolOwner {
  /** A session has room for a stream. */
  onRoom(): void
  /** Connecting failed; the calls that wait for this pool had better go elsewhere. */
  onConnectFailed(): void
  /** Connecting takes long; the calls that wait had better go elsewhere if there is a live elsewhere. */
  onConnectSlow(): void
  /** A session takes no more streams: the calls that wait for one of its streams wait in vain. */
  onSessionGone(): void
}

/** Injected: time and chance. */
export interface PoolContext {
  readonly transport: ClientTransport
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly random: () => number
  readonly log?: (
    event: 'connected' | 'connect-failed' | 'draining' | 'closed',
    endpoint: string,
    detail: string,
  ) => void
}

export type PoolState = 'idle' | 'connecting' | 'ready' | 'backoff' | 'closed'

/**
 * A connect within one region takes a few round trips; what takes longer than this is probably a
 * black hole, and a call need not wait for it while another endpoint lives. The same number as
 * "Happy Eyeballs" uses for the same question (RFC 8305 §5, Connection Attempt Delay).
 */
const SLOW_CONNECT_MS = 250

export class SessionPool implements ClientSessionOwner {
  readonly address: DialAddress
  readonly #options: PoolOptions
  readonly #context: PoolContext
  readonly #owner: PoolOwner
  /** Open and not draining. */
  readonly #sessions: ClientSession[] = []
  /** Of these and of the draining ones. */
  readonly #leases = new Map<ClientSession, Lease>()
  /** GOAWAY came, or their stream numbers are used up; their streams run on. */
  readonly #draining = new Set<ClientSession>()
  /** The one that had room last: where all others are full it is found at once. */
  #lastUsed: Lease | undefined
  #connecting: ClientSession | undefined
  #connectTimer: Timer | undefined
  #backoffTimer: Timer | undefined
  #redialTimer: Timer | undefined
  #idleTimer: Timer | undefined
  /** In a row, without a session that was of use. */
  #failures = 0
  #failedMs = Number.NEGATIVE_INFINITY
  /** When sessions became ready, of the clock. */
  readonly #readyMs = new WeakMap<ClientSession, number>()
  #slow = false
  #closed = false
  #onEmpty: (() => void) | undefined
  /** Why the last session or attempt ended. */
  lastError = 'never connected'

  constructor(address: DialAddress, options: PoolOptions, context: PoolContext, owner: PoolOwner) {
    this.address = address
    this.#options = options
    this.#context = context
    this.#owner = owner
  }

  get state(): PoolState {
    if (this.#closed) return 'closed'
    if (this.#sessions.length > 0) return 'ready'
    if (this.#connecting !== undefined) return 'connecting'
    return this.#backoffTimer === undefined ? 'idle' : 'backoff'
  }

  /** No session, and: a failure without a session of use since, or a first connect that takes suspiciously long. */
  get failing(): boolean {
    return this.#sessions.length === 0 && (this.#failures > 0 || this.#slow)
  }

  get sessionCount(): number {
    return this.#sessions.length + this.#draining.size + (this.#connecting === undefined ? 0 : 1)
  }

  get streamCount(): number {
    let count = 0
    for (const session of this.#sessions) count += session.streams
    for (const session of this.#draining) count += session.streams
    return count
  }

  /** Streams that its sessions may have, all together. */
  get streamLimit(): number {
    let limit = 0
    for (const session of this.#sessions) limit += session.streams + session.free
    return limit
  }

  /** The same of all that it may have, if those that are not open yet are as large as those that are. */
  get mostStreams(): number {
    return this.#sessions.length === 0 ? 0 : (this.streamLimit / this.#sessions.length) * this.#options.max
  }

  /** A session with room for a stream now; `fits`: and that is one for this call. */
  room(fits?: (lease: Lease) => boolean): Lease | undefined {
    const last = this.#lastUsed
    if (fits === undefined && last !== undefined && last.free > 0) return last
    for (let i = 0; i < this.#sessions.length; i++) {
      const lease = this.#leases.get(this.#sessions[i]!)!
      if (lease.free <= 0) continue
      if (fits === undefined || fits(lease)) return this.#use(lease)
    }
    return undefined
  }

  #use(lease: Lease): Lease {
    this.#lastUsed = lease
    return lease
  }

  /** Of the sessions that are not draining. */
  get leases(): Iterable<Lease> {
    return this.#sessions.map(session => this.#leases.get(session)!)
  }

  /** Could a call that waits here get a session: one is on its way, or may be dialled. */
  get promising(): boolean {
    if (this.#closed) return false
    return this.#connecting !== undefined || this.#mayConnect()
  }

  #mayConnect(): boolean {
    return !this.#closed && this.#backoffTimer === undefined && this.#sessions.length < this.#options.max
  }

  /** Dials one more session, unless one is being dialled, the wait of a failure runs, or there are enough. */
  connect(): void {
    if (this.#connecting !== undefined || !this.#mayConnect()) return
    const { clock, transport } = this.#context
    const session = transport.connect(this.address, this)
    this.#connecting = session
    const { connectTimeoutMs } = this.#options
    const giveUp = () => {
      this.lastError = `no HTTP/2 SETTINGS within ${connectTimeoutMs} ms`
      this.#failed(session, this.lastError)
      session.destroy()
    }
    this.#connectTimer = clock.after(Math.min(SLOW_CONNECT_MS, connectTimeoutMs), () => {
      if (connectTimeoutMs <= SLOW_CONNECT_MS) return giveUp()
      this.#connectTimer = clock.after(connectTimeoutMs - SLOW_CONNECT_MS, giveUp)
      this.#slow = this.#sessions.length === 0
      this.#owner.onConnectSlow()
    })
  }

  /** Opens what `sessions.ready` asks for. */
  keepReady(): void {
    if (this.#sessions.length < Math.min(this.#options.ready, this.#options.max)) this.connect()
  }

  #settle(): void {
    this.#connecting = undefined
    this.#slow = false
    this.#connectTimer?.cancel()
    this.#connectTimer = undefined
  }

  #failed(session: ClientSession, reason: string): void {
    if (session !== this.#connecting) return
    this.#settle()
    this.lastError = reason
    if (this.#sessions.some(other => this.#wasOfUse(other))) this.#failures = 0
    this.#countFailure()
    this.#context.log?.('connect-failed', this.address.name, reason)
    if (!this.#closed) this.#backOff()
    this.#owner.onConnectFailed()
  }

  #countFailure(): void {
    this.#failures++
    this.#failedMs = this.#context.clock.now()
  }

  #backOff(): void {
    const delayMs = backoffDelayMs(this.#options.backoff, this.#failures, this.#context.random)
    this.#backoffTimer?.cancel()
    this.#backoffTimer = this.#context.clock.after(delayMs, () => {
      this.#backoffTimer = undefined
      this.keepReady()
    })
  }

  /** What lives as long as the first wait is not dialled more often than it is after a failure. */
  #wasOfUse(session: ClientSession): boolean {
    const livedMs = this.#context.clock.now() - this.#readyMs.get(session)!
    return session.answered || livedMs >= this.#options.backoff.initialMs
  }

  /** It is not in the pool any more. */
  #judge(session: ClientSession, reason: string): void {
    if (this.#wasOfUse(session)) this.#failures = 0
    // One that was there before the last failure tells nothing new: all sessions of an endpoint that dies are one.
    else if (this.#readyMs.get(session)! >= this.#failedMs) {
      this.#countFailure()
      if (this.#failures === 1) return
      this.#context.log?.('connect-failed', this.address.name, `of no use: ${reason}`)
      this.#backOff()
    }
  }

  /**
   * Opens again what `sessions.ready` asks for; not at once, as endpoints that restart are not there at once. A call
   * that comes meanwhile dials without waiting for it.
   */
  #redialLater(): void {
    if (this.#closed || this.#options.ready === 0) return
    if (this.#redialTimer !== undefined || this.#backoffTimer !== undefined) return
    this.#redialTimer = this.#context.clock.after(
      backoffDelayMs(this.#options.backoff, 1, this.#context.random),
      () => {
        this.#redialTimer = undefined
        this.keepReady()
      },
    )
  }

  onReady(session: ClientSession): void {
    if (session !== this.#connecting) return
    this.#settle()
    this.#readyMs.set(session, this.#context.clock.now())
    const { clock, wheel } = this.#context
    const { resets } = this.#options
    const onSettled = () => this.#owner.onRoom()
    const paced = resets === undefined ? undefined : new PacedResets(resets, clock, wheel, onSettled)
    this.#leases.set(session, new Lease(this.address, session, paced, this.#onCrowded))
    this.#sessions.push(session)
    this.#watchIdle()
    this.#context.log?.('connected', this.address.name, '')
    this.#owner.onRoom()
    this.keepReady()
  }

  onFree(_session: ClientSession): void {
    this.#owner.onRoom()
  }

  onDraining(session: ClientSession, code: number, debug: string): void {
    const reason = `GOAWAY ${code} ${JSON.stringify(debug)}`
    if (!this.#drain(session, reason)) return
    this.#judge(session, reason)
    this.#gone()
  }

  onSpent(session: ClientSession): void {
    this.#retire(session, 'all stream numbers are used')
  }

  /** It takes no new calls. @returns whether it did until now */
  #drain(session: ClientSession, reason: string): boolean {
    this.#context.log?.('draining', this.address.name, reason)
    const at = this.#sessions.indexOf(session)
    if (at < 0) return false
    this.#sessions.splice(at, 1)
    this.#lastUsed = undefined
    this.#draining.add(session)
    this.#leases.get(session)!.drain()
    this.lastError = reason
    return true
  }

  /** Our own wish: it says nothing of the endpoint, of whatever use the session was. */
  #retire(session: ClientSession, reason: string): void {
    if (!this.#drain(session, reason)) return
    session.retire()
    this.#gone()
  }

  #gone(): void {
    this.#endOldest()
    this.#redialLater()
    this.#owner.onSessionGone()
  }

  /** So many streams wait to be reset that it had better be replaced: what is left on it ends with it. */
  readonly #onCrowded = ({ session }: Lease): void => {
    this.#retire(session, 'many of its streams wait to be reset')
  }

  /** Sessions that are for a while only. */
  #watchIdle(): void {
    const { idleMs } = this.#options
    if (idleMs === undefined || this.#idleTimer !== undefined || this.#closed) return
    this.#idleTimer = this.#context.clock.after(idleMs, () => {
      this.#idleTimer = undefined
      for (const session of [...this.#sessions]) {
        const lease = this.#leases.get(session)!
        const idle = session.streams === 0 && !lease.used
        lease.used = false
        if (!idle) continue
        this.#retire(session, 'idle')
      }
      if (this.#sessions.length > 0) this.#watchIdle()
    })
  }

  #endOldest(): void {
    let over = this.#draining.size - this.#options.maxDraining
    for (const session of this.#draining) {
      if (over-- <= 0) return
      session.destroy()
    }
  }

  onSessionClosed(session: ClientSession, reason: string): void {
    if (session === this.#connecting) return this.#failed(session, reason)
    this.#draining.delete(session)
    this.#leases.get(session)?.gone()
    this.#leases.delete(session)
    if (this.#draining.size === 0) this.#onEmpty?.()
    const at = this.#sessions.indexOf(session)
    if (at < 0) return
    this.#sessions.splice(at, 1)
    this.#lastUsed = undefined
    this.lastError = reason
    this.#context.log?.('closed', this.address.name, reason)
    this.#judge(session, reason)
    this.#redialLater()
    this.#owner.onSessionGone()
  }

  /** Resolves when the last session is gone. */
  close(): Promise<void> {
    this.#closed = true
    this.#backoffTimer?.cancel()
    this.#redialTimer?.cancel()
    this.#idleTimer?.cancel()
    this.#backoffTimer = this.#redialTimer = this.#idleTimer = undefined
    const connecting = this.#connecting
    this.#settle()
    connecting?.destroy()
    for (const session of this.#sessions.splice(0)) this.#draining.add(session)
    for (const session of this.#draining) session.destroy()
    if (this.#draining.size === 0) return Promise.resolve()
    return new Promise(resolve => {
      this.#onEmpty = resolve
    })
  }
}
