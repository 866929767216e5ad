/** How the calls of a route are treated on their way. */
import type { StatusName } from '../../grpc/status.ts'

/** When a call is tried again. */
export interface RetryOptions {
  /**
   * Most attempts of a call, with the first.
   * @defaultValue `3`
   */
  readonly maxAttempts?: number
  /** The statuses to try again for, where no other part of a response came before. */
  readonly codes?: readonly Exclude<StatusName, 'OK'>[]
  /**
   * Wait before the second attempt, a fifth more or less (milliseconds).
   * @defaultValue `25`
   */
  readonly initialBackoffMs?: number
  /**
   * The longest wait before an attempt (milliseconds).
   * @defaultValue `1000`
   */
  readonly maxBackoffMs?: number
  /**
   * How much longer each wait is than the one before.
   * @defaultValue `2`
   */
  readonly multiplier?: number
  /** The longest time of an attempt until its response headers (milliseconds). */
  readonly perAttemptTimeoutMs?: number
  /** How many attempts a backend gets beyond the first ones of calls. */
  readonly budget?: RetryBudgetOptions
}

/** When a call is sent once more before its backend has answered. */
export interface HedgeOptions {
  /**
   * Most attempts of a call, with the first.
   * @defaultValue `2`
   */
  readonly maxAttempts?: number
  /** Wait before each further attempt while none is answered; 0: all at once (milliseconds). */
  readonly delayMs: number
  /** Wait less than `delayMs`: until so many of 100 calls of the method were answered, as they were lately. */
  readonly percentile?: number
  /** The statuses that do not end the call, where no other part of a response came before. */
  readonly nonFatalCodes?: readonly Exclude<StatusName, 'OK'>[]
  /** How many attempts a backend gets beyond the first ones of calls. */
  readonly budget?: RetryBudgetOptions
}

/** How many attempts a backend gets beyond the first ones of calls. */
export interface RetryBudgetOptions {
  /**
   * A failure takes one of so many tokens; when half of them are gone nothing is tried again.
   * @defaultValue `100`
   */
  readonly maxTokens?: number
  /**
   * What a call that succeeds gives back, as a part of a token.
   * @defaultValue `0.1`
   */
  readonly tokenRatio?: number
}
