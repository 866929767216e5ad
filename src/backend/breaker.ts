/**
 * What a backend gets of all calls together, whatever its endpoints would take: calls at a time, sessions, calls that are
 * sent again at a time. A call beyond the first waits in the queue; a session beyond the second is not dialled; a call
 * beyond the third is not sent again.
 *
 * Clients share these limits, so none of them may have all of one:
 *
 * ```
 *   places   │ for everybody                              │ for clients that have few │
 *            0                                      four fifths                    max
 * ```
 */

/** Where a number is missing there is no limit. */
export interface BreakerSettings {
  /** Most calls that have a stream at the backend at a time. */
  readonly maxCalls?: number | undefined
  /** Most sessions that take calls or are dialled. Beyond that an endpoint gets one only if it has none. */
  readonly maxSessions?: number | undefined
  /** Most calls at a time that are sent again because a backend did not process them. */
  readonly maxRetries?: number | undefined
}

/** A fifth: enough for a few other clients while one fills the rest with calls that never end. */
const KEPT_PART = 1 / 5

/**
 * A client may have one of so many parts of its share of what is kept. If clients come one after the other, up to 20 of
 * them, each still finds its part, and a quarter is left for the next.
 */
const PARTS_KEPT = 4

/** How many of so many places are for clients that have few. A single place is for everybody. */
export function keptOf(max: number): number {
  return max < 2 ? 0 : Math.max(1, Math.floor(max * KEPT_PART))
}

/**
 * Whether a client may have one more of `max` places.
 * @param used places that are taken
 * @param own places that the client has
 * @param clients how many clients have some
 * @param alike how many such limits there are, where `own` and `clients` count the places of all of them
 */
export function hasPlace(max: number, used: number, own: number, clients: number, alike = 1): boolean {
  const kept = keptOf(max)
  if (used < max - kept) return true
  return used < max && hasFew(own, clients, kept * alike)
}

/** Whether a client has so few places that it may have one of those that are kept for such clients: one, always. */
export function hasFew(own: number, clients: number, kept: number): boolean {
  return own === 0 || own * Math.max(1, clients) * PARTS_KEPT <= kept
}

/** Counts the sessions of a backend that take calls or are dialled. Those that only finish their calls do not count. */
export class SessionCount {
  max: number | undefined
  open = 0
  readonly #onFree: () => void
  /** Somebody was told that there are enough. */
  #refused = false

  /** @param onFree there may be one more session than before, and somebody wanted one */
  constructor(max: number | undefined, onFree: () => void) {
    this.max = max
    this.#onFree = onFree
  }

  /** A pool that has sessions may dial one more. */
  get mayGrow(): boolean {
    if (this.max === undefined || this.open < this.max) return true
    this.#refused = true
    return false
  }

  ended(): void {
    this.open--
    if (!this.#refused) return
    this.#refused = false
    this.#onFree()
  }
}

/** One of the limits, and how much of it is used. */
export interface Bounded {
  readonly of: 'calls' | 'sessions' | 'retries'
  readonly used: number
  readonly max: number
}

/** Those that a backend has. */
export function boundsOf(
  { maxCalls, maxSessions, maxRetries }: BreakerSettings,
  { streams, retries }: { readonly streams: number; readonly retries: number },
  sessions: number,
): Bounded[] {
  const all = [
    { of: 'calls', used: streams, max: maxCalls },
    { of: 'sessions', used: sessions, max: maxSessions },
    { of: 'retries', used: retries, max: maxRetries },
  ] as const
  return all.flatMap(({ of, used, max }) => (max === undefined ? [] : [{ of, used, max }]))
}
