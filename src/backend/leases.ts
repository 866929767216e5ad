/** The sessions of a pool: those that take calls, and those that only finish the calls that they have. */
import type { ClientSession } from '../transport/transport.ts'
import type { SessionCount } from './breaker.ts'
import type { Lease } from './lease.ts'

export class Leases {
  /** Sessions that take calls. */
  readonly open: Lease[] = []
  /** Sessions that take no new calls, the oldest first. Their streams go on. */
  readonly draining = new Set<Lease>()
  readonly #all = new Map<ClientSession, Lease>()
  /** The session that had room last. If all others are full, it is found at once. */
  #lastUsed: Lease | undefined

  readonly #count: SessionCount | undefined

  /** @param count has counted the sessions since they were dialled */
  constructor(count?: SessionCount) {
    this.#count = count
  }

  get size(): number {
    return this.#all.size
  }

  /** Streams open now. */
  get streams(): number {
    let count = 0
    for (const { session } of this.#all.values()) count += session.streams
    return count
  }

  /** How many streams the sessions that take calls may have together. */
  get streamLimit(): number {
    let limit = 0
    for (let i = 0; i < this.open.length; i++) {
      const { session } = this.open[i]!
      limit += session.streams + session.free
    }
    return limit
  }

  /** A session with room for a stream now. @param fits it must also be true of the session */
  room(fits?: (lease: Lease) => boolean): Lease | undefined {
    const last = this.#lastUsed
    if (fits === undefined && last !== undefined && last.free > 0) return last
    for (let i = 0; i < this.open.length; i++) {
      const lease = this.open[i]!
      if (lease.free <= 0) continue
      if (fits === undefined || fits(lease)) return this.#use(lease)
    }
    return undefined
  }

  #use(lease: Lease): Lease {
    this.#lastUsed = lease
    return lease
  }

  /** One that is too old and waits for the next. */
  get aged(): Lease | undefined {
    for (let i = 0; i < this.open.length; i++) if (this.open[i]!.aged) return this.open[i]
    return undefined
  }

  /** The session that this guest has for itself. */
  of(guest: object): Lease | undefined {
    for (let i = 0; i < this.open.length; i++) if (this.open[i]!.guest === guest) return this.open[i]
    return undefined
  }

  /** Of the sessions with room, the one that has the fewest streams. */
  leastUsed(): Lease | undefined {
    let least: Lease | undefined
    for (let i = 0; i < this.open.length; i++) {
      const lease = this.open[i]!
      if (lease.free > 0 && (least === undefined || lease.session.streams < least.session.streams)) least = lease
    }
    return least
  }

  /** The session that has the fewest streams, with room or not. */
  quietest(): Lease | undefined {
    return this.open.toSorted((one, other) => one.session.streams - other.session.streams)[0]
  }

  find(session: ClientSession): Lease | undefined {
    return this.#all.get(session)
  }

  add(lease: Lease): void {
    this.#all.set(lease.session, lease)
    this.open.push(lease)
  }

  /** The session takes no new calls from now on. @returns whether it did before */
  drain(lease: Lease): boolean {
    if (!this.#shut(lease)) return false
    this.draining.add(lease)
    return true
  }

  /** If more than this many only finish their calls, the oldest are ended. */
  endOldest(most: number): void {
    let over = this.draining.size - most
    for (const { session } of this.draining) {
      if (over-- <= 0) return
      session.destroy()
    }
  }

  /** The session is gone. @returns whether it took calls before */
  remove(lease: Lease): boolean {
    this.#all.delete(lease.session)
    this.draining.delete(lease)
    return this.#shut(lease)
  }

  #shut(lease: Lease): boolean {
    const at = this.open.indexOf(lease)
    if (at < 0) return false
    this.open.splice(at, 1)
    this.#lastUsed = undefined
    this.#count?.ended()
    return true
  }
}
