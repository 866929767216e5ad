/**
 * How long the sessions of a pool live. One without calls is closed after a while, one that is old is replaced, and an
 * endpoint from which nothing comes is asked whether it is there. What of it is not configured has no timer.
 */
import type { Clock, Timer } from '../transport/clock.ts'
import { Keepalive } from '../transport/keepalive.ts'
import { jittered } from '../transport/lifetime.ts'
import { isTooManyPings, type KeepalivePace } from './keepalive-pace.ts'
import type { Lease, Life } from './lease.ts'
import type { Leases } from './leases.ts'

export interface LifetimeOptions {
  /** Sessions that are kept open without calls. */
  readonly ready: number
  /** A session without streams is closed after this time. Undefined: it stays. */
  readonly idleMs: number | undefined
  /** A session that is older is replaced. Undefined: none is. */
  readonly maxAgeMs: number | undefined
  /** How long its calls may go on after that. */
  readonly ageGraceMs: number
  /** Undefined: no endpoint is asked whether it is there. */
  readonly keepalive: KeepalivePace | undefined
}

export interface LifetimesOwner {
  /** It has had no calls for a while. */
  onIdle(lease: Lease): void
  /** It is old. @param inUse it has had calls lately */
  onAged(lease: Lease, inUse: boolean): void
  /** Its endpoint does not answer any more. */
  onSilent(lease: Lease, reason: string): void
}

/** No timeout is noticed late by more than an eighth. */
const LOOKS_PER_TIMEOUT = 8
/** The last part of a session's life. Whether it had calls then decides whether another takes its place. */
const LAST_PART = 1 / 8

export class Lifetimes {
  #options: LifetimeOptions
  readonly #leases: Leases
  readonly #clock: Clock
  readonly #random: () => number
  readonly #owner: LifetimesOwner
  #idleTimer: Timer | undefined

  constructor(
    options: LifetimeOptions,
    leases: Leases,
    { clock, random }: { readonly clock: Clock; readonly random: () => number },
    owner: LifetimesOwner,
  ) {
    this.#options = options
    this.#leases = leases
    this.#clock = clock
    this.#random = random
    this.#owner = owner
  }

  /** The session takes calls from now on. */
  begin(lease: Lease): void {
    this.#watchIdle()
    const { keepalive, maxAgeMs } = this.#options
    if (keepalive === undefined && maxAgeMs === undefined) return
    const life: Life = { keepalive: undefined, timer: undefined }
    lease.life = life
    if (keepalive !== undefined) {
      const onSilent = (reason: string) => this.#owner.onSilent(lease, reason)
      life.keepalive = new Keepalive(lease.session, keepalive, this.#clock, onSilent)
    }
    if (maxAgeMs !== undefined) this.#watchAge(lease, life, jittered(maxAgeMs, this.#random))
  }

  #watchAge(lease: Lease, life: Life, maxAgeMs: number): void {
    const ageMs = this.#clock.now() - lease.readyMs
    const lastPartMs = maxAgeMs * LAST_PART
    let { opened } = lease
    const isOld = () => {
      // It is told again while it stays, because another could not be had.
      life.timer = this.#clock.after(lastPartMs, isOld)
      const inUse = lease.hasCalls || lease.opened !== opened
      opened = lease.opened
      this.#owner.onAged(lease, inUse)
    }
    life.timer = this.#clock.after(Math.max(0, maxAgeMs - lastPartMs - ageMs), () => {
      opened = lease.opened
      life.timer = this.#clock.after(lastPartMs, isOld)
    })
  }

  /** It takes no more calls, because another has taken its place. Those that it has may go on for some time. */
  replaced(lease: Lease): void {
    const { life } = lease
    if (life === undefined) return
    const end = () => lease.session.destroy('the session was too old, and its grace period is over')
    life.timer = this.#clock.after(this.#options.ageGraceMs, end)
  }

  /** It takes no more calls, for any other reason: it does not have to be replaced. */
  left(lease: Lease): void {
    lease.life?.timer?.cancel()
    if (this.#leases.open.length === 0) this.#stopIdle()
  }

  /** The session is gone. */
  gone(lease: Lease): void {
    this.left(lease)
    lease.life?.keepalive?.stop()
    lease.life = undefined
  }

  /** It may say that the endpoint was asked too often. @returns what becomes of that, for the log */
  onGoaway(lease: Lease, code: number, debug: string): string | undefined {
    const pace = this.#options.keepalive
    const asked = lease.life?.keepalive?.askedAfterMs ?? 0
    if (pace === undefined || asked === 0 || !isTooManyPings(code, debug)) return undefined
    pace.slowDown(asked)
    return `too many PINGs: one after ${pace.intervalMs} ms of silence from now on`
  }

  /** For sessions that take calls; those that only finish what they have keep what they were made with. */
  update(options: LifetimeOptions): void {
    const before = this.#options
    this.#options = options
    if (options.idleMs !== before.idleMs) {
      this.#stopIdle()
      if (this.#leases.open.length > 0) this.#watchIdle()
    }
    if (options.keepalive === before.keepalive && options.maxAgeMs === before.maxAgeMs) return
    for (const lease of this.#leases.open) {
      this.gone(lease)
      lease.aged = false
      this.begin(lease)
    }
  }

  /** No session takes calls any more. Those that finish what they have are still asked whether they are there. */
  stop(): void {
    this.#stopIdle()
  }

  #stopIdle(): void {
    this.#idleTimer?.cancel()
    this.#idleTimer = undefined
  }

  /** Looks are counted instead of milliseconds: if this process stands still, calls that came meanwhile wait to be read. */
  #watchIdle(): void {
    const { idleMs } = this.#options
    if (idleMs === undefined || this.#idleTimer !== undefined) return
    this.#idleTimer = this.#clock.after(idleMs / LOOKS_PER_TIMEOUT, () => {
      this.#idleTimer = undefined
      for (const lease of [...this.#leases.open]) this.#lookAt(lease)
      if (this.#leases.open.length > 0) this.#watchIdle()
    })
  }

  #lookAt(lease: Lease): void {
    const used = lease.used || lease.hasCalls
    lease.used = false
    lease.idleLooks = used ? 0 : lease.idleLooks + 1
    if (lease.idleLooks >= LOOKS_PER_TIMEOUT && this.#leases.open.length > this.#options.ready)
      this.#owner.onIdle(lease)
  }
}
