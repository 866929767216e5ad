/**
 * Flow control (RFC 9113 §5.2, §6.9) as arithmetic: what we may still send, and what we let the peer
 * send. It is for a stream, or with stream id 0 for the connection. Bytes are those of DATA payloads, with
 * padding and without heads.
 *
 * Receive windows, with numbers:
 *
 * - Bytes return to the sender only when their consumer released them, never because they arrived.
 * - WINDOW_UPDATE goes out when half of the window was released. A stream of 1 MiB in a window of
 *   64 KiB then costs 32 updates of 13 bytes; one a DATA frame would be 64, one a 39-byte message
 *   27,000. A small call costs none on its stream, and on the connection one in 840. Waiting longer
 *   would save little more and leave the sender less than half a window to send while the update travels;
 *   as it is, a sender that the window holds back sends a half to all of it in a round trip.
 * - A window that holds back its sender doubles while that makes the sender faster (window-growth.ts), its
 *   consumer keeps up, and the caller allows it.
 */
import { DEFAULT_MAX_FRAME_SIZE, MAX_31_BIT } from './frame.ts'
import { connectionError, streamError } from './protocol-error.ts'
import { type RoundTrips, WindowGrowth } from './window-growth.ts'

/** What we may send. Negative after the peer made its INITIAL_WINDOW_SIZE smaller (§6.9.2). */
export class SendWindow {
  readonly streamId: number
  /** Bytes that may be sent now; none if this is below 1. */
  available: number
  /** The most that this ever was: the difference to it was sent and has not been returned. */
  #widest: number

  constructor(streamId: number, initialBytes: number) {
    this.streamId = streamId
    this.available = this.#widest = initialBytes
  }

  /** We sent DATA with this many bytes. */
  consume(bytes: number): void {
    this.available -= bytes
  }

  /**
   * WINDOW_UPDATE came. Throws the error of the window's own scope if it becomes too large.
   * @returns how many bytes it returns that we had sent; the rest makes the window wider than it ever was
   */
  increase(increment: number): number {
    // §6.9.1: "If a sender receives a WINDOW_UPDATE that causes a flow-control window to exceed this maximum,
    // it MUST terminate either the stream or the connection, as appropriate."
    if (this.available + increment > MAX_31_BIT) {
      if (this.streamId === 0) throw connectionError('window-overflow')
      throw streamError(this.streamId, 'stream-window-overflow')
    }
    const sent = this.#widest - this.available
    this.available += increment
    if (increment <= sent) return increment
    this.#widest = this.available
    return sent
  }

  /** The peer's INITIAL_WINDOW_SIZE changed by so much (`Settings.apply`). Not for the connection's window. */
  adjust(difference: number): void {
    // §6.9.2: "An endpoint MUST treat a change to SETTINGS_INITIAL_WINDOW_SIZE that causes any flow-control
    // window to exceed the maximum size as a connection error (Section 5.4.1) of type FLOW_CONTROL_ERROR."
    if (this.available + difference > MAX_31_BIT)
      throw connectionError('settings-window-overflow', `stream ${this.streamId}`)
    this.available += difference
    this.#widest += difference
  }
}

/** A window grows while at most this part waited for its consumer, or one frame: a slow reader needs no more room. */
const GROWTH_HELD = 1 / 4

/**
 * What we let the peer send on a stream. It always holds that `available + held + released === limit`.
 *
 * | part        | bytes that …                                             |
 * | ----------- | -------------------------------------------------------- |
 * | `available` | the peer may still send                                  |
 * | `held`      | arrived and wait for their consumer                      |
 * | `released`  | were consumed, and go back with the next WINDOW_UPDATE   |
 */
export class ReceiveWindow {
  readonly streamId: number
  available: number
  held = 0
  released = 0
  /** Size of the window. */
  limit: number
  #initial: number
  /** It is made when a round trip first falls into the stream's life, so small calls have none. */
  #growth: WindowGrowth | undefined

  constructor(streamId: number, initialBytes: number) {
    this.streamId = streamId
    this.available = this.limit = this.#initial = initialBytes
  }

  /**
   * DATA came, `bytes` of it by flow control. `trips`: the round trips of its connection, where the window may grow.
   * Throws a `StreamError` if the peer was not allowed to send that much.
   */
  receive(bytes: number, trips?: RoundTrips): void {
    // §6.9.1: "The sender MUST NOT send a flow-controlled frame with a length that exceeds the space
    // available in either of the flow-control windows advertised by the receiver."
    if (bytes > this.available && bytes > 0) {
      throw streamError(this.streamId, 'stream-window-exceeded', `${bytes} of ${this.available} bytes`)
    }
    this.available -= bytes
    this.held += bytes
    if (trips === undefined) return
    if (this.#growth === undefined) {
      if (trips.round === 0) return
      this.#growth = new WindowGrowth()
    }
    this.#growth.received(bytes, trips, this.limit)
  }

  /** This many of the held bytes were consumed; `release(0, …)` gives them back. */
  consume(bytes: number): void {
    if (bytes > this.held) throw new RangeError(`released ${bytes} of ${this.held} bytes held`)
    this.held -= bytes
    this.released += bytes
  }

  /**
   * This many of the held bytes were consumed. Returns the increment of the WINDOW_UPDATE to send now, or 0.
   *
   * `ceiling`: bytes that the window may have at most, as the caller's budget stands now. A window above
   * it gives back less than it gets, and so shrinks as bytes pass; below its initial size it returns to
   * that as soon as the ceiling allows, at a `release(0, ceiling)` if nothing else happens.
   */
  release(bytes: number, ceiling: number): number {
    const waited = this.held
    this.consume(bytes)
    if (this.limit > ceiling) this.#shrink(this.limit - ceiling)
    else if (this.limit < this.#initial) this.#setLimit(Math.min(this.#initial, ceiling))
    else if (
      this.#growth !== undefined &&
      this.limit < ceiling &&
      waited <= Math.max(this.limit * GROWTH_HELD, DEFAULT_MAX_FRAME_SIZE)
    )
      this.#setLimit(this.#growth.grown(this.limit, ceiling))
    if (this.released * 2 < this.limit || this.released === 0) return 0
    return this.#announce()
  }

  /**
   * Our own INITIAL_WINDOW_SIZE counts from now on (`LocalSettings.acknowledge`): the peer's view moved by this much.
   */
  adjust(difference: number): void {
    this.#initial += difference
    this.limit += difference
    this.available += difference
  }

  #setLimit(limit: number): void {
    const bounded = Math.min(limit, MAX_31_BIT)
    this.released += bounded - this.limit
    this.limit = bounded
  }

  #shrink(bytes: number): void {
    const kept = Math.min(bytes, this.released)
    this.released -= kept
    this.limit -= kept
  }

  #announce(): number {
    const increment = this.released
    this.available += increment
    this.released = 0
    return increment
  }
}
