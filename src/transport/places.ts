/**
 * The places for connections that a listener has: who holds how many, who has been idle longest, and who goes when
 * there is none left.
 *
 * Idleness is judged lazily: a session counts the streams that it ever had (`opened`), and whoever wants to know
 * compares two counts. So it costs a call nothing. A session counts as idle since a look last found it changed, which
 * is up to one look later than the truth and never earlier.
 */
import type { Socket } from 'node:net'
import { isLoopback, type PrefixBits, prefixOf } from './address-prefix.ts'
import type { Clock, Timer } from './clock.ts'
import { remoteOf } from './peer.ts'
import type { ServerSession } from './transport.ts'

export interface PlaceLimits {
  /** Connections of one listener: each costs memory before it has said anything. */
  readonly maxClientSessions: number
  /** Connections of one address. Where it is absent, `#dominates` decides. */
  readonly maxClientSessionsPerAddress?: number
  readonly clientAddressBits: PrefixBits
  /** A session without calls for this time is told to leave; 0: never. */
  readonly clientIdleTimeoutMs: number
}

/** Why a connection got no place. */
export interface Refused {
  readonly refusal: 'too-many' | 'too-many-of-address'
  readonly detail: string
}

/** A timeout is looked at this often while it runs, so none is noticed late by more than an eighth. */
const LOOKS_PER_TIMEOUT = 8
/**
 * After a look at all places found none idle, the next one waits this long for each place. A flood of connections at
 * the bound then costs a few thousandths of the CPU, and a listener with 50 places looks again after half a
 * millisecond.
 */
const PAUSE_MS_PER_PLACE = 0.01
/** The last tenth of all places is for addresses that do not hold more than half of them. */
const RESERVE = 0.1
/**
 * At most this many connections that were told to leave have a moment left to read it. Beyond that the first is cut
 * off.
 */
const MAX_LEAVING = 64

export class Place {
  readonly socket: Socket
  /** Undefined: it is not known whose it is, or it came over a unix socket. */
  group: Group | undefined
  /** There is none before the preface has come. */
  session: ServerSession | undefined
  idleSinceMs: number
  /** The last look that found it in use. */
  inUseAtLook = 0
  drained = false
  #opened = 0

  constructor(socket: Socket, group: Group | undefined, nowMs: number) {
    this.socket = socket
    this.group = group
    this.idleSinceMs = nowMs
  }

  get busy(): boolean {
    return this.session !== undefined && this.session.streams > 0
  }

  /** Whether it had a stream since the last look. */
  wasUsed(): boolean {
    const opened = this.session?.opened ?? 0
    if (!this.busy && opened === this.#opened) return false
    this.#opened = opened
    return true
  }

  /** Sends GOAWAY if there is a session, and ends the connection. */
  close(reason: string): void {
    if (this.session === undefined) this.socket.destroy()
    else this.session.destroy(reason)
  }
}

/** Places in the order of their idleness, as far as it is known: the longest idle one first. */
class IdleOrder {
  readonly places = new Set<Place>()
  /** All were busy, so there is no point in looking again before this time. */
  askAgainMs = 0

  moveToEnd(place: Place): void {
    this.places.delete(place)
    this.places.add(place)
  }
}

/** The connections of one address. */
class Group extends IdleOrder {
  readonly name: string
  readonly local: boolean

  constructor(name: string, local: boolean) {
    super()
    this.name = name
    this.local = local
  }
}

export class Places {
  #limits: PlaceLimits
  readonly #clock: Clock
  readonly #all = new IdleOrder()
  readonly #groups = new Map<string, Group>()
  readonly #bySocket = new Map<Socket, Place>()
  readonly #leaving = new Set<Place>()
  /** The address that holds more than half of all places, if one does: it makes room before others do. */
  #largest: Group | undefined
  #looks = 0
  #timer: Timer | undefined

  constructor(limits: PlaceLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  /** These hold from now on. Connections that are there stay, also where there are more of them than may come. */
  update(limits: PlaceLimits): void {
    this.#limits = limits
    if (this.#largest !== undefined && !this.#holdsMost(this.#largest)) this.#largest = undefined
    for (const group of this.#groups.values()) if (this.#holdsMost(group)) this.#largest = group
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#all.places.size > 0) this.#watchIdleness()
  }

  /** The place of a connection, until it is told to leave or has gone. */
  of(socket: Socket): Place | undefined {
    return this.#bySocket.get(socket)
  }

  /**
   * Takes a place for a new connection. Where there is none, the longest idle connection makes room.
   * @param isKnown whose it is; else `assign` tells
   */
  take(socket: Socket, isKnown = true): Place | Refused {
    const group = isKnown ? this.#groupOf(socket) : undefined
    const refused = this.#roomOf(group) ?? this.#roomOfAll()
    if (refused !== undefined) return refused
    const place = new Place(socket, group, this.#clock.now())
    this.#bySocket.set(socket, place)
    this.#all.places.add(place)
    if (group !== undefined) this.#join(group, place)
    this.#watchIdleness()
    return place
  }

  /** It is known now whose connection this is. @returns why it cannot keep its place, if so */
  assign(place: Place): Refused | undefined {
    const group = this.#groupOf(place.socket)
    const refused = this.#roomOf(group)
    if (refused !== undefined || group === undefined) return refused
    place.group = group
    this.#join(group, place)
    return undefined
  }

  #join(group: Group, place: Place): void {
    this.#groups.set(group.name, group)
    group.places.add(place)
    if (this.#holdsMost(group)) this.#largest = group
  }

  /** The connection is gone. */
  free(place: Place): void {
    this.#leaving.delete(place)
    this.#leave(place)
  }

  #leave(place: Place): void {
    if (!this.#all.places.delete(place)) return
    this.#bySocket.delete(place.socket)
    place.group?.places.delete(place)
    if (place.group?.places.size === 0) this.#groups.delete(place.group.name)
    if (this.#largest !== undefined && !this.#holdsMost(this.#largest)) this.#largest = undefined
    if (this.#all.places.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #groupOf(socket: Socket): Group | undefined {
    const { host } = remoteOf(socket)
    // This is a unix socket, or a client that has already gone.
    if (host === undefined) return undefined
    const name = prefixOf(host, this.#limits.clientAddressBits)
    return this.#groups.get(name) ?? new Group(name, isLoopback(host))
  }

  /** One more of this address. */
  #roomOf(group: Group | undefined): Refused | undefined {
    if (group === undefined) return undefined
    const { maxClientSessionsPerAddress: mostOfOne } = this.#limits
    const full =
      mostOfOne === undefined ? this.#dominates(group, this.#all.places.size) : group.places.size >= mostOfOne
    if (!full || this.#evict(group)) return undefined
    return { refusal: 'too-many-of-address', detail: `${group.places.size} connections of ${group.name}, none is idle` }
  }

  /** One more. */
  #roomOfAll(): Refused | undefined {
    const { maxClientSessions: most } = this.#limits
    if (this.#all.places.size < most || this.#evict(this.#largest ?? this.#all) || this.#evict(this.#all))
      return undefined
    return { refusal: 'too-many', detail: `more than ${most} connections, none is idle` }
  }

  /**
   * Where no number is set, an address may take what is free, but the last tenth of all places is not for one that
   * holds more than half. So nobody alone can lock out all others, and where all come from one address (a load balancer
   * before the proxy) nine tenths can be busy at the same time. Loopback and unix sockets have no such bound.
   */
  #dominates(group: Group, count: number): boolean {
    const { maxClientSessions: most } = this.#limits
    if (group.local || count < most - Math.floor(most * RESERVE)) return false
    return this.#holdsMost(group)
  }

  #holdsMost(group: Group): boolean {
    return group.places.size > this.#limits.maxClientSessions / 2
  }

  /** Tells the longest idle one to leave. @returns false when all are busy */
  #evict(order: IdleOrder): boolean {
    const place = this.#longestIdle(order)
    if (place === undefined) return false
    this.#leave(place)
    if (this.#leaving.size >= MAX_LEAVING) {
      const [first] = this.#leaving
      this.#leaving.delete(first!)
      first!.socket.destroy()
    }
    this.#leaving.add(place)
    place.close('its place is needed, and it was idle longest')
    return true
  }

  #longestIdle(order: IdleOrder): Place | undefined {
    const nowMs = this.#clock.now()
    if (nowMs < order.askAgainMs) return undefined
    const look = ++this.#looks
    // One that was used meanwhile goes to the end of the list, and is looked at again there.
    for (const place of order.places) {
      if (place.inUseAtLook === look) continue
      if (!place.wasUsed()) return place
      this.#usedNow(place, nowMs)
      if (place.busy) place.inUseAtLook = look
    }
    order.askAgainMs = nowMs + order.places.size * PAUSE_MS_PER_PLACE
    return undefined
  }

  #usedNow(place: Place, nowMs: number): void {
    place.idleSinceMs = nowMs
    place.drained = false
    this.#all.moveToEnd(place)
    place.group?.moveToEnd(place)
  }

  #watchIdleness(): void {
    const { clientIdleTimeoutMs } = this.#limits
    if (clientIdleTimeoutMs === 0 || this.#timer !== undefined) return
    this.#timer = this.#clock.after(clientIdleTimeoutMs / LOOKS_PER_TIMEOUT, () => {
      this.#timer = undefined
      this.#drainIdle(this.#clock.now() - clientIdleTimeoutMs)
      if (this.#all.places.size > 0) this.#watchIdleness()
    })
  }

  #drainIdle(idleSinceMs: number): void {
    const nowMs = this.#clock.now()
    for (const place of [...this.#all.places]) {
      if (place.wasUsed()) this.#usedNow(place, nowMs)
      else if (place.idleSinceMs <= idleSinceMs && !place.drained && place.session !== undefined) {
        place.drained = true
        place.session.drain('max_idle')
      }
    }
  }
}
