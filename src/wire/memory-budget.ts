/**
 * What the receive windows of many connections may hold together: the bound of a process.
 *
 * A connection counts its received and not yet consumed bytes here. While the sum is at the bound, a connection
 * that holds more than its share gets no window; what it is owed is given once the sum has fallen. So no data is
 * dropped, and a connection whose readers are fast goes on. What was given before cannot be taken back: the sum can
 * exceed the bound by what each connection may still send then, which is at most its window's size (growth stops at
 * half of the bound, and where memory is scarce the size returns to the initial one).
 */
import { DEFAULT_WINDOW_SIZE } from './settings.ts'

/** What a connection may always hold. */
export const SHARE_BYTES: number = DEFAULT_WINDOW_SIZE
/** Windows stop growing at this part of the bound … */
const SCARCE = 1 / 2
/** … and those that wait are served below this one, so that they do not stop again at once. */
const RESUME = 7 / 8

/** A connection that was denied window; `resume` gives it what it has consumed meanwhile. */
export interface Denied {
  resume(): void
}

export class MemoryBudget {
  readonly limitBytes: number
  #heldBytes = 0
  readonly #denied = new Set<Denied>()

  /** @param limitBytes of all connections together; Infinity: none */
  constructor(limitBytes: number = Number.POSITIVE_INFINITY) {
    this.limitBytes = limitBytes
  }

  /** Received and not yet consumed. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Connections that wait for window. */
  get denied(): number {
    return this.#denied.size
  }

  /** Windows should not grow. */
  get scarce(): boolean {
    return this.#heldBytes > this.limitBytes * SCARCE
  }

  add(bytes: number): void {
    this.#heldBytes += bytes
  }

  remove(bytes: number): void {
    this.#heldBytes -= bytes
    if (this.#denied.size === 0 || this.#heldBytes > this.limitBytes * RESUME) return
    const denied = [...this.#denied]
    this.#denied.clear()
    for (const connection of denied) connection.resume()
  }

  /** Whether a connection that holds so much gets window; if not, its `resume` is called later. */
  grants(connection: Denied, heldBytes: number): boolean {
    if (this.#heldBytes < this.limitBytes || heldBytes < SHARE_BYTES) return true
    this.#denied.add(connection)
    return false
  }

  /** The connection is over. */
  forget(connection: Denied): void {
    this.#denied.delete(connection)
  }
}
