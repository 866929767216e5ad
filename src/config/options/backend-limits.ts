/** What a backend gets at most, and which calls wait for it. */

/** What all calls together may use of a backend. */
export interface BreakerOptions {
  /** Most calls that the backend has at a time; more wait in the queue, and a fifth is for clients that have few. */
  readonly maxCalls?: number
  /** Most sessions to all endpoints together; beyond that an endpoint gets one only if it has none. */
  readonly maxSessions?: number
  /**
   * Most calls at a time that are sent again, by a policy or because a backend did not process them, each further
   * attempt of a hedged call being one; of those that were not processed more end with `upstream-refused`.
   */
  readonly maxRetries?: number
}

/** How many calls each endpoint may have. */
export type EndpointLimitOptions = FixedLimitOptions | GradientLimitOptions | AimdLimitOptions

/** A number. */
export interface FixedLimitOptions {
  /** The limit is a number; that is meant without it, too. */
  readonly kind?: 'fixed'
  /** Most calls that an endpoint has at a time. */
  readonly maxCalls: number
}

/** By what answers take, against what they usually take. */
export interface GradientLimitOptions {
  /** The limit falls when answers take longer than usual. */
  readonly kind: 'gradient'
  /**
   * Least calls at a time, with which it begins; what they take is thought to be usual.
   * @defaultValue `10`
   */
  readonly min?: number
  /**
   * Most calls at a time.
   * @defaultValue `1000`
   */
  readonly max?: number
  /**
   * Least time from one change to the next; it goes on until there are ten answers (milliseconds).
   * @defaultValue `1000`
   */
  readonly windowMs?: number
  /**
   * So many times the usual latency is still none too much.
   * @defaultValue `2`
   */
  readonly tolerance?: number
}

/** By what answers take, against a number. */
export interface AimdLimitOptions {
  /** The limit falls when answers take longer than `latencyMs`. */
  readonly kind: 'aimd'
  /**
   * Least calls at a time, with which it begins; what they take is thought to be usual.
   * @defaultValue `10`
   */
  readonly min?: number
  /**
   * Most calls at a time.
   * @defaultValue `1000`
   */
  readonly max?: number
  /**
   * Least time from one change to the next; it goes on until there are ten answers (milliseconds).
   * @defaultValue `1000`
   */
  readonly windowMs?: number
  /** What takes longer until the response headers is too slow (milliseconds). */
  readonly latencyMs: number
}

/** Calls that wait. */
export interface QueueOptions {
  /**
   * Most calls that wait for a stream; more are refused.
   * @defaultValue `1000`
   */
  readonly maxCalls?: number
  /**
   * Longest wait for a stream (milliseconds).
   * @defaultValue `5000`
   */
  readonly timeoutMs?: number
  /** Which calls give way when many wait. */
  readonly priority?: QueuePriorityOptions
}

/** Which calls give way when many wait. */
export interface QueuePriorityOptions {
  /** Name of the metadata in which clients say `critical`, `default` or `sheddable`; without it only routes say it. */
  readonly metadata?: string
  /**
   * From this part of `maxCalls` on sheddable calls do not wait: 0.5 is half.
   * @defaultValue `0.5`
   */
  readonly shedAt?: number
}
