/**
 * Sessions to one address: dialled when they are needed, and again with backoff when they fail (`connector.ts`).
 *
 *              a call comes                SETTINGS
 *      idle ─────────────────► connecting ──────────► ready ──┐ last session gone
 *       ▲                        │    ▲                       │
 *       └────────────────────────┼────┼───────────────────────┤
 *                        failure ▼    │ the wait is over      │ it was of no use, again
 *                              backoff ◄──────────────────────┘
 *
 * An endpoint is `failing` after a failure, until a session was of use again. Calls go to such an endpoint only
 * when no other can take them.
 */
import type { TimerWheel } from '../transport/timer-wheel.ts'
import type { ClientSession, DialAddress } from '../transport/transport.ts'
import { Connector, type ConnectorContext, type ConnectorOwner } from './connector.ts'
import type { EndpointEvent, PoolOptions } from './endpoint-options.ts'
import type { LastEnd } from './endpoint-totals.ts'
import { Lease, type StreamCounter } from './lease.ts'
import { Leases } from './leases.ts'
import { Lifetimes, type LifetimesOwner } from './lifetimes.ts'
import type { BackendMeasures } from './measures.ts'
import { PacedResets } from './paced-resets.ts'

/** What a pool tells its endpoint. */
export interface PoolOwner {
  /** A session is ready. */
  onConnected(): void
  /** A session has room for a stream. */
  onRoom(): void
  /** A connect failed. Calls that wait for this pool should go to another. */
  onConnectFailed(): void
  /** A connect takes long. Calls that wait should go to another endpoint if one is ready. */
  onConnectSlow?(): void
  /** A session takes no more streams, so no call should wait for one of them. */
  onSessionGone(): void
}

export interface PoolContext extends ConnectorContext {
  readonly measures?: BackendMeasures
  readonly wheel: TimerWheel
  readonly log?: (event: EndpointEvent, endpoint: string, detail: string) => void
}

export type PoolState = 'idle' | 'connecting' | 'ready' | 'backoff' | 'closed'

const TOO_OLD = 'it is too old'

export class SessionPool implements ConnectorOwner, LifetimesOwner {
  readonly address: DialAddress
  #options: PoolOptions
  readonly #context: PoolContext
  readonly #owner: PoolOwner
  readonly #counter: StreamCounter
  readonly #connector: Connector
  readonly leases: Leases
  readonly #lifetimes: Lifetimes
  #closed = false
  readonly #empty = Promise.withResolvers<void>()
  /** Why and when the last session or attempt ended. */
  lastEnd: LastEnd = { reason: 'never connected', atMs: undefined }

  constructor(
    address: DialAddress,
    options: PoolOptions,
    context: PoolContext,
    counter: StreamCounter,
    owner: PoolOwner,
  ) {
    this.#counter = counter
    this.address = address
    this.#options = options
    this.#context = context
    this.#owner = owner
    this.leases = new Leases(context.sessions)
    this.#connector = new Connector(address, options, context, this)
    this.#lifetimes = new Lifetimes(options, this.leases, context, this)
  }

  get state(): PoolState {
    if (this.#closed) return 'closed'
    if (this.leases.open.length > 0) return 'ready'
    if (this.#connector.session !== undefined) return 'connecting'
    return this.#connector.waits ? 'backoff' : 'idle'
  }

  /** It has no session, and the last attempt failed, or the first connect takes unusually long. */
  get failing(): boolean {
    return this.leases.open.length === 0 && (this.#connector.failures > 0 || this.#connector.slow)
  }

  get sessionCount(): number {
    return this.leases.size + (this.#connector.session === undefined ? 0 : 1)
  }

  get streamCount(): number {
    return this.leases.streams
  }

  /** How many streams `max` sessions would have, if all were as large as those that are open. */
  get mostStreams(): number {
    const { open, streamLimit } = this.leases
    return open.length === 0 ? 0 : (streamLimit / open.length) * this.#options.max
  }

  /** A call that waits here could get a session: one is being dialled, or may be. */
  get promising(): boolean {
    return this.#connector.session !== undefined || this.#mayConnect()
  }

  /** One more than `max` may be opened while one is too old, so that there is another before it takes no more calls. */
  #mayConnect(): boolean {
    const { length } = this.leases.open
    const extra = this.leases.aged === undefined ? 0 : 1
    return !this.#closed && length < this.#options.max + extra && this.#connector.mayDial(length > 0 && extra === 0)
  }

  /** Dials one more session, unless one is being dialled, there are enough, or (if not `atOnce`) it waits after a failure. */
  connect(atOnce = false): void {
    if (atOnce) this.#connector.endWait()
    if (this.#connector.session === undefined && this.#mayConnect()) this.#connector.connect()
  }

  /** Opens as many sessions as `sessions.ready` asks for, and one for each that is too old. */
  keepReady(): void {
    const { ready, max } = this.#options
    if (this.leases.open.length < Math.min(ready, max) || this.leases.aged !== undefined) this.connect()
  }

  onSlow(): void {
    this.#connector.slow = this.leases.open.length === 0
    this.#owner.onConnectSlow?.()
  }

  onOverdue(session: ClientSession, reason: string): void {
    this.#failed(reason)
    session.destroy()
  }

  #failed(reason: string): void {
    this.#counter.totals.connectFailures++
    this.#connector.settle()
    this.lastEnd = { reason, atMs: this.#context.clock.now() }
    if (this.leases.open.some(other => this.#connector.wasOfUse(other))) this.#connector.failures = 0
    this.#connector.failed()
    this.#context.log?.('connect-failed', this.address.name, reason)
    this.#owner.onConnectFailed()
  }

  /** The session takes no more calls. If it was of no use, that is a failure. */
  #judge(lease: Lease, reason: string): void {
    if (this.#connector.judge(lease)) this.#context.log?.('connect-failed', this.address.name, `of no use: ${reason}`)
  }

  onReady(session: ClientSession): void {
    if (session !== this.#connector.session) return
    this.#connector.settle()
    const { clock, wheel } = this.#context
    const { resets } = this.#options
    const onSettled = () => this.#owner.onRoom()
    const paced = resets === undefined ? undefined : new PacedResets(resets, clock, wheel, onSettled)
    const lease = new Lease(this.address, session, paced, clock.now(), this.#counter, this.#onCrowded)
    this.leases.add(lease)
    this.#counter.totals.connects++
    this.#context.measures?.connectSeconds.add((lease.readyMs - this.#connector.begunMs) / 1_000)
    this.#lifetimes.begin(lease)
    this.#context.log?.('connected', this.address.name, '')
    this.#owner.onConnected()
    this.#replaceAged()
    this.keepReady()
  }

  onFree(_session: ClientSession): void {
    this.#owner.onRoom()
  }

  onDraining(session: ClientSession, code: number, debug: string): void {
    const reason = `GOAWAY ${code} ${JSON.stringify(debug)}`
    const lease = this.leases.find(session)
    const slower = lease && this.#lifetimes.onGoaway(lease, code, debug)
    if (slower !== undefined) this.#context.log?.('asked-too-often', this.address.name, slower)
    if (!this.#drain(lease, reason)) return
    this.#judge(lease!, reason)
    this.#gone()
  }

  onSpent(session: ClientSession): void {
    this.#retire(this.leases.find(session), 'all stream numbers are used')
  }

  /** The session takes no new calls. @returns whether it did before */
  #drain(lease: Lease | undefined, reason: string): lease is Lease {
    this.#context.log?.('draining', this.address.name, reason)
    if (lease === undefined || !this.leases.drain(lease)) return false
    lease.drain()
    this.#lifetimes.left(lease)
    this.lastEnd = { reason, atMs: this.#context.clock.now() }
    return true
  }

  /** This is our own decision, so it says nothing about the endpoint, even if the session was of no use. */
  #retire(lease: Lease | undefined, reason: string): void {
    if (!this.#drain(lease, reason)) return
    lease.session.retire()
    this.#gone()
  }

  #gone(): void {
    this.leases.endOldest(this.#options.maxDraining)
    this.#redialLater()
    this.#owner.onSessionGone()
  }

  #redialLater(): void {
    if (!this.#closed && this.#options.ready > 0) this.#connector.redialLater()
  }

  /** So many streams wait to be reset that the session should be replaced. They end with it. */
  readonly #onCrowded = (lease: Lease): void => {
    this.#retire(lease, 'many of its streams wait to be reset')
  }

  onIdle(lease: Lease): void {
    this.#retire(lease, 'idle')
  }

  onAged(lease: Lease, inUse: boolean): void {
    if (!inUse && this.leases.open.length > this.#options.ready) return this.#retire(lease, TOO_OLD)
    lease.aged = true
    this.keepReady()
  }

  #replaceAged(): void {
    const { aged } = this.leases
    if (aged === undefined) return
    this.#retire(aged, TOO_OLD)
    this.#lifetimes.replaced(aged)
  }

  onSilent(lease: Lease, reason: string): void {
    const tookCalls = this.#drain(lease, reason)
    // Its calls end now. They may have been processed.
    lease.session.destroy(reason)
    if (!tookCalls) return
    this.#judge(lease, reason)
    this.#gone()
  }

  onSessionClosed(session: ClientSession, reason: string): void {
    if (session === this.#connector.session) return this.#failed(reason)
    const lease = this.leases.find(session)
    if (lease === undefined) return
    lease.gone()
    const tookCalls = this.leases.remove(lease)
    this.#lifetimes.gone(lease)
    if (this.#closed) this.#resolveIfEmpty()
    if (!tookCalls) return
    this.lastEnd = { reason, atMs: this.#context.clock.now() }
    this.#context.log?.('closed', this.address.name, reason)
    this.#judge(lease, reason)
    this.#redialLater()
    this.#owner.onSessionGone()
  }

  /** Replaces the options. If there are more sessions than allowed, those with the fewest streams are retired. */
  update(options: PoolOptions): void {
    this.#options = this.#connector.options = options
    this.#lifetimes.update(options)
    const { open } = this.leases
    if (options.resets !== undefined) for (const lease of open) lease.setResets(options.resets)
    while (open.length > options.max) this.#retire(this.leases.quietest(), 'sessions.max was lowered')
    this.keepReady()
  }

  /** Opens no new sessions, and each ends with its last stream. Resolves when the last one is gone. */
  retire(reason: string): Promise<void> {
    this.#stop()
    for (const lease of [...this.leases.open]) if (this.#drain(lease, reason)) lease.session.retire()
    return this.#resolveIfEmpty()
  }

  /** Ends all sessions now. Resolves when the last one is gone. */
  close(): Promise<void> {
    this.#stop()
    for (const lease of [...this.leases.open]) this.leases.drain(lease)
    for (const { session } of this.leases.draining) session.destroy()
    return this.#resolveIfEmpty()
  }

  #stop(): void {
    this.#closed = true
    this.#lifetimes.stop()
    this.#connector.stop()
  }

  #resolveIfEmpty(): Promise<void> {
    if (this.leases.size === 0) this.#empty.resolve()
    return this.#empty.promise
  }
}
