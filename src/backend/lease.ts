/** A session of a pool, as calls use it: how they open streams on it, and how they give them up. */
import type { Timer } from '../transport/clock.ts'
import type { Keepalive } from '../transport/keepalive.ts'
import type { ClientSession, DialAddress, Stream, StreamOwner } from '../transport/transport.ts'
import { ErrorCode } from '../wire/errors.ts'
import type { Totals } from './endpoint-totals.ts'
import type { Outcomes } from './outcome.ts'
import type { PacedResets, Resettable } from './paced-resets.ts'
import type { Rate } from './token-bucket.ts'

/**
 * If more streams than this wait to be reset, the session is replaced. A client that leaves a thousand calls behind
 * must not keep their streams for as long as it takes to reset them at a pace that the backend accepts.
 */
const MAX_WAITING_RESETS = 64

/** Counts the streams of several sessions. */
export interface StreamCounter {
  /** Streams open now. */
  inFlight: number
  readonly totals: Totals
  /** Who listens to what becomes of them, if anybody does. */
  readonly outcomes?: Outcomes | undefined
  /** Only so many may be open. */
  readonly limit?: object | undefined
  /** Told of each stream that ends, where there is a limit. */
  onRoomier?(): void
}

/** What waits for one session; see lifetimes.ts. */
export interface Life {
  keepalive: Keepalive | undefined
  timer: Timer | undefined
}

export class Lease {
  readonly address: DialAddress
  readonly session: ClientSession
  /** The share of the client that a session apart belongs to. */
  guest: object | undefined
  /** It belongs to the pool `reserve`. */
  inReserve = false
  /** A stream was opened on it since the last look for idle sessions. */
  used = true
  /** How many looks in a row found that it was not used. */
  idleLooks = 0
  /** Undefined where nothing bounds its life but idle time. */
  life: Life | undefined
  /** It is too old, and stays until another has taken its place. */
  aged = false
  /** It takes no new calls. */
  #draining = false
  #looksSoon = false
  /** Streams of calls that the proxy makes itself. */
  #own = 0
  /** Undefined for a session apart: there a client harms only itself with its resets. */
  readonly #resets: PacedResets | undefined

  readonly #counter: StreamCounter
  readonly #onCrowded: (lease: Lease) => void
  /** When the session became ready, by the clock. */
  readonly readyMs: number

  /** @param onCrowded called once, when so many streams wait to be reset that the session should be replaced */
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

  /** How many streams have been opened on it; this is also the number of the last one. */
  opened = 0
  /** The highest number of a stream on which something came back. A program takes streams in their order. */
  seen = 0

  /** Streams that may be opened now. The places of streams that were reset just before do not count. */
  get free(): number {
    const { free } = this.session
    return this.#resets === undefined ? free : this.#resets.settling.of(free)
  }

  get outcomes(): Outcomes | undefined {
    return this.#counter.outcomes
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
    this.#counter.totals.calls++
    return stream
  }

  /** … for a call that the proxy makes itself: it is none of those in flight, and no use that keeps the session open. */
  openOwn(owner: StreamOwner): Stream {
    const stream = this.session.open(owner)
    this.#own++
    return stream
  }

  /** Calls of clients have a stream on it now. */
  get hasCalls(): boolean {
    return this.session.streams > this.#own
  }

  /** Streams that wait to be reset. */
  get waitingResets(): number {
    return this.#resets?.waiting ?? 0
  }

  /** The stream is not needed any more. */
  reset(what: Resettable, code: ErrorCode = ErrorCode.CANCEL): void {
    const resets = this.#resets
    if (resets === undefined) return what.stream.reset(code)
    resets.reset(what, code)
    if (resets.waiting === 0) return
    if (this.#draining) this.#endSoonIfUnwanted()
    else if (resets.waiting > MAX_WAITING_RESETS) this.#onCrowded(this)
  }

  /** Changes how many resets it may carry. */
  setResets(rate: Rate): void {
    this.#resets?.setRate(rate)
  }

  /** It takes no new calls. Those that it has go on. */
  drain(): void {
    this.#draining = true
    this.#endSoonIfUnwanted()
  }

  /** A stream ended before its response was whole, and that was not our side's doing. */
  broke(): void {
    this.#counter.totals.broken++
  }

  /** The stream has ended. */
  ended(what: Resettable): void {
    this.#counter.inFlight--
    if (this.#counter.limit !== undefined) this.#counter.onRoomier?.()
    this.#ended(what)
  }

  /** The stream of a call of the proxy's own has ended. */
  ownEnded(what: Resettable): void {
    this.#own--
    this.#ended(what)
  }

  #ended(what: Resettable): void {
    if (this.#resets === undefined || this.#resets.waiting === 0) return
    this.#resets.ended(what)
    if (this.#draining) this.#endSoonIfUnwanted()
  }

  /**
   * If only streams are left that wait to be reset, ending the session ends them all. This is looked at once everything
   * is told that happens now: until then a stream may be closed that still waits here, and a call that goes on would look
   * like one that nobody wants.
   */
  #endSoonIfUnwanted(): void {
    if (this.#looksSoon || this.waitingResets === 0) return
    this.#looksSoon = true
    queueMicrotask(() => {
      this.#looksSoon = false
      if (this.waitingResets > 0 && this.session.streams <= this.waitingResets) this.session.destroy()
    })
  }
}
