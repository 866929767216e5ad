/**
 * What we let the peer send on all streams of a connection together (RFC 9113 §6.9).
 *
 * Streams whose consumers are slow must not stop the others: so the window is given back when bytes arrive, not
 * when they are consumed, as long as what is held stays within `maxBytes`. A slow stream is held by its own window.
 *
 * ```
 *   |── held ──|──── available: `#target` again and again ────|        held + available ≤ maxBytes
 * ```
 *
 * The target doubles while that makes the sender faster (window-growth.ts), so that a long path does not hold it
 * back; and shrinks again while memory is scarce.
 */
import { connectionError } from './protocol-error.ts'
import { DEFAULT_WINDOW_SIZE } from './settings.ts'
import { type RoundTrips, WindowGrowth } from './window-growth.ts'

/** The target grows to this part of the bound, and the rest is for held bytes. */
const GROWTH_PART = 1 / 4

export class ConnectionWindow {
  /** Bytes that the peer may still send. */
  available: number = DEFAULT_WINDOW_SIZE
  /** Received and not consumed. */
  held = 0
  readonly #initialBytes: number
  readonly #maxBytes: number
  /** What the target may grow to. */
  readonly #mostBytes: number
  #target: number
  readonly #growth = new WindowGrowth()

  /** @param maxBytes held and available together, at least 65,535 (§6.9.2: no setting makes it smaller) */
  constructor(initialBytes: number, maxBytes: number) {
    this.#initialBytes = this.#target = Math.max(initialBytes, DEFAULT_WINDOW_SIZE)
    this.#maxBytes = Math.max(maxBytes, this.#initialBytes)
    this.#mostBytes = Math.max(this.#initialBytes, Math.floor(this.#maxBytes * GROWTH_PART))
  }

  /** DATA came. `trips`: the round trips of the connection, where windows may grow. */
  receive(bytes: number, trips?: RoundTrips): void {
    // §6.9.1: "The sender MUST NOT send a flow-controlled frame with a length that exceeds the space
    // available in either of the flow-control windows advertised by the receiver."
    if (bytes > this.available) throw connectionError('window-exceeded', `${bytes} of ${this.available} bytes`)
    this.available -= bytes
    this.held += bytes
    if (trips === undefined) return
    this.#growth.received(bytes, trips, this.#target)
    if (this.grows) this.#target = this.#growth.grown(this.#target, this.#mostBytes)
  }

  /** Whether it may still grow. */
  get grows(): boolean {
    return this.#target < this.#mostBytes
  }

  /** How many bytes of the peer there may be: those that are held, and those that it may still send. */
  get promised(): number {
    return this.held + this.available
  }

  consume(bytes: number): void {
    if (bytes > this.held) throw new RangeError(`released ${bytes} of ${this.held} bytes held`)
    this.held -= bytes
  }

  /**
   * The increment of the WINDOW_UPDATE that is due, or 0: half of the size that the window then has, as for streams.
   * Smaller updates are not worth a frame.
   * `growthBytes`: what it may have grown to, as memory stands now.
   */
  due(growthBytes: number): number {
    if (this.#target > growthBytes) this.#target = Math.max(this.#initialBytes, growthBytes)
    const most = Math.min(this.#target, this.#maxBytes - this.held)
    const increment = most - this.available
    return increment <= 0 || increment * 2 < Math.max(most, DEFAULT_WINDOW_SIZE) ? 0 : increment
  }

  /** The peer gets this much. */
  give(increment: number): void {
    this.available += increment
  }

  /** What is missing to its initial size, which no setting can announce (§6.9.2). */
  get unopened(): number {
    return this.#target - this.available
  }
}
