/**
 * Dials one address, one session at a time, and decides when to dial again. `session-pool.ts` shows the states.
 *
 * A session is of use if it answered a call or lived for some time. A session that was not of use counts as a failure,
 * like a connect that fails. Otherwise an endpoint that accepts and closes each connection would be dialled for every
 * call. The first such failure in a row costs no wait: the endpoint may just have restarted.
 */
import type { Clock, Timer } from '../transport/clock.ts'
import type { ClientSession, ClientSessionOwner, ClientTransport, DialAddress } from '../transport/transport.ts'
import { type BackoffOptions, backoffDelayMs } from './backoff.ts'
import type { SessionCount } from './breaker.ts'
import type { Lease } from './lease.ts'

export interface ConnectorOptions {
  /** Longest time from dialling to the peer's SETTINGS. */
  readonly connectTimeoutMs: number
  readonly backoff: BackoffOptions
}

/** The network, time and chance, so that tests can bring their own. */
export interface ConnectorContext {
  readonly transport: ClientTransport
  readonly clock: Clock
  /** A number from 0 up to 1. */
  readonly random: () => number
  /** Counts the sessions of all pools of a backend. */
  readonly sessions?: SessionCount
}

export interface ConnectorOwner extends ClientSessionOwner {
  /** Connecting took too long. The owner gives the session up. */
  onOverdue(session: ClientSession, reason: string): void
  /** Connecting takes unusually long. */
  onSlow(): void
  /** A wait is over. The owner may dial what should be open. */
  keepReady(): void
}

/**
 * A connect within one region takes a few round trips; what takes longer than this is probably a
 * black hole, and a call need not wait for it while another endpoint lives. The same number as
 * "Happy Eyeballs" uses for the same question (RFC 8305 §5, Connection Attempt Delay).
 */
const SLOW_CONNECT_MS = 250

export class Connector {
  readonly #address: DialAddress
  options: ConnectorOptions
  readonly #context: ConnectorContext
  readonly #owner: ConnectorOwner
  /** The session that is being dialled. */
  session: ClientSession | undefined
  /** When the last connect began. */
  begunMs = 0
  #connectTimer: Timer | undefined
  #backoffTimer: Timer | undefined
  #redialTimer: Timer | undefined
  /** Failures in a row, without a session that was of use. */
  failures = 0
  #failedMs = Number.NEGATIVE_INFINITY
  /** Set by the owner at `onSlow`; cleared when the session is ready or has failed. */
  slow = false

  constructor(address: DialAddress, options: ConnectorOptions, context: ConnectorContext, owner: ConnectorOwner) {
    this.#address = address
    this.options = options
    this.#context = context
    this.#owner = owner
  }

  /** It waits after a failure. */
  get waits(): boolean {
    return this.#backoffTimer !== undefined
  }

  /** @param more there are sessions already */
  mayDial(more: boolean): boolean {
    return !this.waits && (!more || this.#context.sessions?.mayGrow !== false)
  }

  /** Dials. Only if no session is being dialled and it does not wait. */
  connect(): void {
    const { clock, transport } = this.#context
    this.begunMs = clock.now()
    const session = transport.connect(this.#address, this.#owner)
    this.session = session
    if (this.#context.sessions !== undefined) this.#context.sessions.open++
    const { connectTimeoutMs } = this.options
    const giveUp = () =>
      this.#owner.onOverdue(session, `no ${session.awaited ?? 'HTTP/2 SETTINGS'} within ${connectTimeoutMs} ms`)
    this.#connectTimer = clock.after(Math.min(SLOW_CONNECT_MS, connectTimeoutMs), () => {
      if (connectTimeoutMs <= SLOW_CONNECT_MS) return giveUp()
      this.#connectTimer = clock.after(connectTimeoutMs - SLOW_CONNECT_MS, giveUp)
      this.#owner.onSlow()
    })
  }

  /** The session is ready or has failed. */
  settle(): void {
    this.session = undefined
    this.slow = false
    this.#connectTimer?.cancel()
    this.#connectTimer = undefined
  }

  /** A connect failed. The next one has to wait. */
  failed(): void {
    this.#countFailure()
    this.#backOff()
    this.#context.sessions?.ended()
  }

  #countFailure(): void {
    this.failures++
    this.#failedMs = this.#context.clock.now()
  }

  #backOff(): void {
    const delayMs = backoffDelayMs(this.options.backoff, this.failures, this.#context.random)
    this.#backoffTimer?.cancel()
    this.#backoffTimer = this.#context.clock.after(delayMs, () => {
      this.#backoffTimer = undefined
      this.#owner.keepReady()
    })
  }

  /** The address is known to take connections again, by other means: there is nothing to wait for. */
  endWait(): void {
    this.#backoffTimer?.cancel()
    this.#backoffTimer = undefined
  }

  /** What lives as long as the first wait is dialled no more often than after a failure. */
  wasOfUse({ session, readyMs }: Lease): boolean {
    return session.answered || this.#context.clock.now() - readyMs >= this.options.backoff.initialMs
  }

  /** A session is lost. @returns whether it was of so little use that the next one has to wait */
  judge(lease: Lease): boolean {
    if (this.wasOfUse(lease)) {
      this.failures = 0
      return false
    }
    // If it was ready before the last failure, it is part of that failure: who dies loses all sessions.
    if (lease.readyMs < this.#failedMs) return false
    this.#countFailure()
    if (this.failures === 1) return false
    this.#backOff()
    return true
  }

  /** Dials after the first wait: an endpoint that restarts needs some time. A call that comes earlier dials at once. */
  redialLater(): void {
    if (this.#redialTimer !== undefined || this.#backoffTimer !== undefined) return
    const delayMs = backoffDelayMs(this.options.backoff, 1, this.#context.random)
    this.#redialTimer = this.#context.clock.after(delayMs, () => {
      this.#redialTimer = undefined
      this.#owner.keepReady()
    })
  }

  /** Does not dial any more, and gives up the session that is being dialled. */
  stop(): void {
    this.#backoffTimer?.cancel()
    this.#redialTimer?.cancel()
    this.#backoffTimer = this.#redialTimer = undefined
    const { session } = this
    this.settle()
    if (session === undefined) return
    this.#context.sessions?.ended()
    session.destroy()
  }
}
