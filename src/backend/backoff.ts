/** When to try a connection again: grpc/grpc doc/connection-backoff.md. */
export interface BackoffOptions {
  /** How long to wait after the first failure. */
  readonly initialMs: number
  /** After each further failure the wait is this many times longer. */
  readonly multiplier: number
  readonly maxMs: number
  /** 0.2 spreads a wait between 80 % and 120 %, so that the clients of a dead endpoint do not all return at once. */
  readonly jitter: number
}

/**
 * @param failures in a row, at least 1
 * @param random between 0 and 1
 */
export function backoffDelayMs(options: BackoffOptions, failures: number, random: () => number): number {
  const exact = Math.min(options.maxMs, options.initialMs * options.multiplier ** (failures - 1))
  return exact * (1 + options.jitter * (2 * random() - 1))
}
