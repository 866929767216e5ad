/** A session of a pool, as calls use it: its streams, and how they are given up. */
import type { ClientSession, DialAddress, Stream, StreamOwner } from '../transport/transport.ts'
import { ErrorCode } from '../wire/errors.ts'
import type { PacedResets, Resettable } from './paced-resets.ts'
import type { Rate } from './token-bucket.ts'

/**
 * A client that leaves a thousand calls behind must not keep their streams for as long as it takes to reset them at the
 * pace that the backend bears: from here on a new session costs less.
 */
const MAX_WAITING_RESETS = 64

/** Counts the streams of all its sessions. */
export interface StreamCounter {
  /** Streams open now. */
  inFlight: number
}

export class Lease {
  readonly address: DialAddress
  readonly session: ClientSession
  /** The client's share whose it is, of a session apart. */
  guest: object | undefined
  /** It is of the pool `reserve`. */
  inReserve = false
  /** Something was asked of it since who watches for idle ones last looked. */
  used = true
  /** It takes no new calls. */
  #draining = false
  /** Undefined for a session apart: how many resets it bears is the business of the client that causes them. */
  readonly #resets: PacedResets | undefined

  readonly #counter: StreamCounter
  readonly #onCrowded: (lease: Lease) => void
  /** When the session was ready for calls, of the clock. */
  readonly readyMs: number

  /** @param onCrowded so many streams wait to be reset that it should be replaced; once */
  constructor(
    address: DialAddress,
    session: ClientSession,
    resets: PacedResets | undefined,
    readyMs: number,
    counter: StreamCounter,
    onCrowded: (lease: Lease) => void,
  ) {
    this.address = address
    this.session = session
    this.#resets = resets
    this.readyMs = readyMs
    this.#counter = counter
    this.#onCrowded = onCrowded
  }

  /** Streams that were opened on it so far; the number of the last one. */
  opened = 0
  /** The highest of these numbers on whose stream something came: a program takes streams in their order. */
  seen = 0

  /** Streams that may be opened now: not in the place of those that were reset just before. */
  get free(): number {
    const { free } = this.session
    return this.#resets === undefined ? free : this.#resets.settling.of(free)
  }

  /** The backend answered a call. */
  heard(): void {
    this.#resets?.settling.heard()
  }

  /** The session is gone. */
  gone(): void {
    this.#resets?.settling.stop()
  }

  /** Opens a stream on it. */
  open(owner: StreamOwner): Stream {
    this.used = true
    this.opened++
    const stream = this.session.open(owner)
    this.#counter.inFlight++
    return stream
  }

  /** Streams that wait to be reset: too many say that the session should be replaced. */
  get waitingResets(): number {
    return this.#resets?.waiting ?? 0
  }

  /** Nobody wants anything more of the stream. */
  reset(what: Resettable, code: ErrorCode = ErrorCode.CANCEL): void {
    const resets = this.#resets
    if (resets === undefined) return what.stream.reset(code)
    resets.reset(what, code)
    if (resets.waiting === 0) return
    if (this.#draining) this.#endIfUnwanted()
    else if (resets.waiting > MAX_WAITING_RESETS) this.#onCrowded(this)
  }

  /** It bears another rate from now on. */
  setResets(rate: Rate): void {
    this.#resets?.setRate(rate)
  }

  /** It takes no new calls; those that it has run on. */
  drain(): void {
    this.#draining = true
    this.#endIfUnwanted()
  }

  /** The stream has ended. */
  ended(what: Resettable): void {
    this.#counter.inFlight--
    if (this.#resets === undefined || this.#resets.waiting === 0) return
    this.#resets.ended(what)
    if (this.#draining) this.#endIfUnwanted()
  }

  /** Only streams are left that wait to be reset: the end of the session ends them all. */
  #endIfUnwanted(): void {
    if (this.waitingResets > 0 && this.session.streams <= this.waitingResets) this.session.destroy()
  }
}
