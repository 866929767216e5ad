/** What a backend gets at most, and which calls wait for it. */

/** What all calls together may use of a backend. */
export interface BreakerOptions {
  /** Most calls that the backend has at a time; more wait in the queue, and a fifth is for clients that have few. */
  readonly maxCalls?: number
  /** Most sessions to all endpoints together; beyond that an endpoint gets one only if it has none. */
  readonly maxSessions?: number
  /**
   * Most calls at a time that are sent again because a backend did not process them; more end with `upstream-refused`.
   */
  readonly maxRetries?: number
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
}
