/** What an endpoint is made with, and what each of its pools gets of it. */
import type { KeepaliveOptions } from '../transport/keepalive.ts'
import type { ConnectorOptions } from './connector.ts'
import type { KeepalivePace } from './keepalive-pace.ts'
import type { LifetimeOptions } from './lifetimes.ts'
import type { Rate } from './token-bucket.ts'

/** What happens to an endpoint, for the log. */
export type EndpointEvent = SessionEvent | HealthEvent
type SessionEvent = 'connected' | 'connect-failed' | 'draining' | 'closed' | 'asked-too-often'
type HealthEvent = 'unhealthy' | 'healthy' | 'ejected' | 'readmitted'

export interface EndpointOptions extends ConnectorOptions {
  readonly sessions: Pick<PoolOptions, 'max' | 'maxDraining' | 'ready' | 'ageGraceMs'> & {
    /** Most sessions of the pool `reserve`. */
    readonly reserve: number
    /** Most sessions of the pool `apart`. */
    readonly apart: number
    /** How long calls may go on at an endpoint that has left the backend. */
    readonly drainGraceMs: number
    /** A shared session without calls is closed after this time; 0: it stays. */
    readonly idleTimeoutMs: number
    /** A session that is older is replaced; 0: none is. */
    readonly maxAgeMs: number
  }
  /** Undefined: it is not asked whether it is there. */
  readonly keepalive?: KeepaliveOptions
  /** How many RST_STREAM frames a shared session may carry. */
  readonly resets: Rate
}

export interface PoolOptions extends ConnectorOptions, LifetimeOptions {
  /** Most sessions that are open at a time. A second one is opened only when the first has no more streams. */
  readonly max: number
  /**
   * Most sessions that take no new calls (GOAWAY came) and still have some. They do not count in `max`, since their
   * calls may last for any time and new calls need a session all the same. If there are more, the oldest is ended.
   */
  readonly maxDraining: number
  /** How many RST_STREAM frames a session may carry. Undefined: any number. */
  readonly resets: Rate | undefined
}

/** A session in reserve or apart is closed after a minute without calls. Its client may come back before. */
const IDLE_MS = 60_000

type Own = Pick<PoolOptions, 'max' | 'ready' | 'idleMs' | 'resets'>

/** @param atLeast sessions that are kept open without calls, whatever is configured */
export function sharedPool(options: EndpointOptions, pace: KeepalivePace | undefined, atLeast: number): PoolOptions {
  const { max, idleTimeoutMs } = options.sessions
  const ready = Math.max(options.sessions.ready, atLeast)
  return poolOf(options, pace, { max, ready, idleMs: idleTimeoutMs || undefined, resets: options.resets })
}

export function reservePool(options: EndpointOptions, pace: KeepalivePace | undefined): PoolOptions {
  return poolOf(options, pace, { max: options.sessions.reserve, ready: 0, idleMs: IDLE_MS, resets: options.resets })
}

/** Resets are not limited there: a client harms only itself. */
export function apartPool(options: EndpointOptions, pace: KeepalivePace | undefined): PoolOptions {
  return poolOf(options, pace, { max: options.sessions.apart, ready: 0, idleMs: IDLE_MS, resets: undefined })
}

function poolOf(options: EndpointOptions, keepalive: KeepalivePace | undefined, own: Own): PoolOptions {
  const { connectTimeoutMs, backoff, sessions } = options
  const { maxDraining, ageGraceMs } = sessions
  const maxAgeMs = sessions.maxAgeMs || undefined
  return { connectTimeoutMs, backoff, maxDraining, maxAgeMs, ageGraceMs, keepalive, ...own }
}
