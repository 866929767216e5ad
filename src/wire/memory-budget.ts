/**
 * What the connections of a process may come to hold together.
 *
 * A window that was given cannot be taken back, so what counts is what a connection has promised: the bytes that it
 * holds and those that its peer may still send. The first 65,535 bytes of each connection are free: RFC 9113 §6.9.2
 * gives every peer this much, and no setting lowers it. The rest of all of them together never exceeds the limit: at
 * the limit a connection gets window only as far as its own share goes, and more once others have consumed. So no data
 * is dropped, nothing is held beyond `limit + 65,535 × connections`, and a connection whose readers are fast goes on.
 */
import { DEFAULT_WINDOW_SIZE } from './settings.ts'

/** The bytes that a connection may always promise. */
export const SHARE_BYTES: number = DEFAULT_WINDOW_SIZE
/**
 * A window grows to this part of what is left at most, and shrinks to it as bytes pass. So connections that grew and
 * fell silent leave the others less, but never nothing: n that are as large as they may be are limit / (n + 8) each.
 */
const GROWTH_PART = 1 / 8
/** Connections that wait are served below this part of the limit, so that they do not stop again at once. */
const RESUME = 7 / 8

/** A connection that was denied window; `resume` lets it ask again. */
export interface Denied {
  resume(): void
}

export class MemoryBudget {
  /** It may change; what is held stays held. */
  limitBytes: number
  #promisedBytes = 0
  readonly #denied = new Set<Denied>()

  /** @param limitBytes of all connections together, beyond 65,535 of each; Infinity means no limit */
  constructor(limitBytes: number = Number.POSITIVE_INFINITY) {
    this.limitBytes = limitBytes
  }

  /** Held, or promised to a peer, beyond the share of each connection. */
  get promisedBytes(): number {
    return this.#promisedBytes
  }

  /** Connections that wait for window. */
  get denied(): number {
    return this.#denied.size
  }

  /** The size that a window may grow to, beyond its initial size. */
  get growthBytes(): number {
    return Math.floor(Math.max(0, this.limitBytes - this.#promisedBytes) * GROWTH_PART)
  }

  /** How much more a connection may promise, given what it has promised. */
  room(promisedBytes: number): number {
    return Math.max(0, SHARE_BYTES - promisedBytes) + Math.max(0, this.limitBytes - this.#promisedBytes)
  }

  /** The promise of a connection changed, when it gives window and when it has consumed. */
  changed(beforeBytes: number, afterBytes: number): void {
    const difference = Math.max(0, afterBytes - SHARE_BYTES) - Math.max(0, beforeBytes - SHARE_BYTES)
    if (difference === 0) return
    this.#promisedBytes += difference
    if (difference > 0 || this.#denied.size === 0 || this.#promisedBytes > this.limitBytes * RESUME) return
    const denied = [...this.#denied]
    this.#denied.clear()
    for (const connection of denied) connection.resume()
  }

  /** There is too little room for it. Its `resume` is called when there is more. */
  deny(connection: Denied): void {
    this.#denied.add(connection)
  }

  /** It got what it waited for, or no longer waits. */
  served(connection: Denied): void {
    if (this.#denied.size > 0) this.#denied.delete(connection)
  }

  /** The connection is over, and with it what it had promised. */
  forget(connection: Denied, promisedBytes: number): void {
    this.#denied.delete(connection)
    this.changed(promisedBytes, 0)
  }
}
