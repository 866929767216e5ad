/**
 * How long a client's session may live: until it is of an age, and as long as its client answers (gRFC A9). Idle time is
 * a matter of places.ts, because it is also the question who makes room.
 *
 * A session that is too old is drained like any other: its client opens the next one and finishes here what it has. So
 * clients that keep their connections for days spread again over proxies that were added behind the same address.
 */
import type { Clock, Timer } from './clock.ts'
import { Keepalive, type KeepaliveOptions } from './keepalive.ts'
import type { ServerSession } from './transport.ts'

export interface LifetimeLimits {
  /** Undefined: no client is asked whether it is there. A client without calls is asked like any other (gRFC A9). */
  readonly clientKeepalive?: Omit<KeepaliveOptions, 'withoutCalls'>
  /** A session that is older is drained. Undefined or 0: none is. */
  readonly clientMaxAgeMs?: number
  /** How long its calls may go on. */
  readonly clientAgeGraceMs?: number
}

/** gRFC A9: "A random jitter of +/-10% will be added to MAX_CONNECTION_AGE to spread out connection storms." */
const JITTER = 0.1

/** @param random between 0 and 1 */
export function jittered(ageMs: number, random: () => number): number {
  return ageMs * (1 + JITTER * (2 * random() - 1))
}

export class Lifetime {
  readonly #keepalive: Keepalive | undefined
  #timer: Timer | undefined

  /** Undefined: nothing bounds the life of sessions. @param random between 0 and 1 */
  static of(session: ServerSession, limits: LifetimeLimits, clock: Clock, random: () => number): Lifetime | undefined {
    const { clientKeepalive, clientMaxAgeMs = 0 } = limits
    if (clientKeepalive === undefined && clientMaxAgeMs === 0) return undefined
    return new Lifetime(session, limits, clock, random)
  }

  private constructor(session: ServerSession, limits: LifetimeLimits, clock: Clock, random: () => number) {
    const { clientKeepalive, clientMaxAgeMs = 0, clientAgeGraceMs = 0 } = limits
    if (clientKeepalive !== undefined) {
      const options = { ...clientKeepalive, withoutCalls: true }
      this.#keepalive = new Keepalive(session, options, clock, reason => session.destroy(reason))
    }
    if (clientMaxAgeMs === 0) return
    this.#timer = clock.after(jittered(clientMaxAgeMs, random), () => {
      session.drain('max_age')
      this.#timer = clock.after(clientAgeGraceMs, () => session.destroy('too old, and its grace period is over'))
    })
  }

  /** The session is gone. */
  end(): void {
    this.#keepalive?.stop()
    this.#timer?.cancel()
  }
}
