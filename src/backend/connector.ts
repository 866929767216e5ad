/**
 * Dials one address, a session at a time, and says when it may be dialled again. `session-pool.ts` has the states.
 *
 * A session is of use if it answered a call, or lived. One that was not is a failure like a connect that fails, or an
 * endpoint that greets and hangs up would be dialled for each call. Only the first in a row costs no wait: an endpoint
 * that restarts just then is there again at once.
 */
import type { Clock, Timer } from '../transport/clock.ts'
import type { ClientSession, ClientSessionOwner, ClientTransport, DialAddress } from '../transport/transport.ts'
import { type BackoffOptions, backoffDelayMs } from './backoff.ts'
import type { Lease } from './lease.ts'

export interface ConnectorOptions {
  /** From dialling to the peer's SETTINGS. */
  readonly connectTimeoutMs: number
  readonly backoff: BackoffOptions
}

/** Injected: the network, time and chance. */
export interface ConnectorContext {
  readonly transport: ClientTransport
  readonly clock: Clock
  /** From 0 up to 1. */
  readonly random: () => number
}

export interface ConnectorOwner extends ClientSessionOwner {
  /** It has taken too long; it is to be given up. */
  onOverdue(session: ClientSession, reason: string): void
  /** It takes suspiciously long. */
  onSlow(): void
  /** A wait is over: what should be open may be dialled. */
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
  /** On its way. */
  session: ClientSession | undefined
  #connectTimer: Timer | undefined
  #backoffTimer: Timer | undefined
  #redialTimer: Timer | undefined
  /** Of sessions and attempts in a row, without a session that was of use. */
  failures = 0
  #failedMs = Number.NEGATIVE_INFINITY
  /** What its owner makes of `onSlow`, for as long as the session is on its way. */
  slow = false

  constructor(address: DialAddress, options: ConnectorOptions, context: ConnectorContext, owner: ConnectorOwner) {
    this.#address = address
    this.options = options
    this.#context = context
    this.#owner = owner
  }

  /** The wait of a failure runs. */
  get waits(): boolean {
    return this.#backoffTimer !== undefined
  }

  /** Dials: none is on its way, and no wait runs. */
  connect(): void {
    const { clock, transport } = this.#context
    const session = transport.connect(this.#address, this.#owner)
    this.session = session
    const { connectTimeoutMs } = this.options
    const giveUp = () => this.#owner.onOverdue(session, `no HTTP/2 SETTINGS within ${connectTimeoutMs} ms`)
    this.#connectTimer = clock.after(Math.min(SLOW_CONNECT_MS, connectTimeoutMs), () => {
      if (connectTimeoutMs <= SLOW_CONNECT_MS) return giveUp()
      this.#connectTimer = clock.after(connectTimeoutMs - SLOW_CONNECT_MS, giveUp)
      this.#owner.onSlow()
    })
  }

  /** The session is ready, or is not to be had. */
  settle(): void {
    this.session = undefined
    this.slow = false
    this.#connectTimer?.cancel()
    this.#connectTimer = undefined
  }

  /** An attempt failed; the next one waits. */
  failed(): void {
    this.#countFailure()
    this.#backOff()
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

  /** What lives as long as the first wait is not dialled more often than it is after a failure. */
  wasOfUse({ session, readyMs }: Lease): boolean {
    return session.answered || this.#context.clock.now() - readyMs >= this.options.backoff.initialMs
  }

  /** The session is lost. @returns whether it was of so little use that the next one waits */
  judge(lease: Lease): boolean {
    if (this.wasOfUse(lease)) {
      this.failures = 0
      return false
    }
    // One that was there before the last failure tells nothing new: all sessions of an endpoint that dies are one.
    if (lease.readyMs < this.#failedMs) return false
    this.#countFailure()
    if (this.failures === 1) return false
    this.#backOff()
    return true
  }

  /** After the first wait, as endpoints that restart are not there at once. A call that comes meanwhile dials at once. */
  redialLater(): void {
    if (this.#redialTimer !== undefined || this.#backoffTimer !== undefined) return
    const delayMs = backoffDelayMs(this.options.backoff, 1, this.#context.random)
    this.#redialTimer = this.#context.clock.after(delayMs, () => {
      this.#redialTimer = undefined
      this.#owner.keepReady()
    })
  }

  /** Dials no more, and gives up what is on its way. */
  stop(): void {
    this.#backoffTimer?.cancel()
    this.#redialTimer?.cancel()
    this.#backoffTimer = this.#redialTimer = undefined
    const { session } = this
    this.settle()
    session?.destroy()
  }
}
