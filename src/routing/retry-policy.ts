/** When a call is tried again, and how often (gRFC A6). */
import type { StatusName } from '../grpc/status.ts'
import { type AttemptBudget, budgetOf, checkedNumber, MAX_ATTEMPTS, StatusSet, withoutUndefined } from './attempts.ts'

/** What is missing has the default that docs/configuration.md names. */
export interface RetryPolicy {
  /** With the first one: 2 to 5. */
  readonly maxAttempts?: number | undefined
  /** Of an answer that is its headers alone, or what the end of a stream without an answer means. */
  readonly codes?: readonly StatusName[] | undefined
  readonly initialBackoffMs?: number | undefined
  readonly maxBackoffMs?: number | undefined
  readonly multiplier?: number | undefined
  /** The longest time of an attempt until its response headers. */
  readonly perAttemptTimeoutMs?: number | undefined
  readonly budget?: AttemptBudget | undefined
}

/** About 24 days, as all times of the configuration. */
const MAX_MS = 2 ** 31 - 1

export const RETRY_DEFAULTS = {
  maxAttempts: 3,
  codes: ['UNAVAILABLE'] as readonly StatusName[],
  initialBackoffMs: 25,
  maxBackoffMs: 1_000,
  multiplier: 2,
} as const

/** A policy with all its numbers, checked. */
export class RetryRules {
  readonly maxAttempts: number
  readonly initialBackoffMs: number
  readonly maxBackoffMs: number
  readonly multiplier: number
  readonly perAttemptTimeoutMs: number | undefined
  readonly budget: { readonly maxTokens: number; readonly tokenRatio: number }
  readonly #codes: StatusSet

  /** @throws TypeError for a value that is not allowed */
  constructor(policy: RetryPolicy) {
    const given = { ...RETRY_DEFAULTS, ...withoutUndefined(policy) }
    this.maxAttempts = checkedNumber('maxAttempts', given.maxAttempts, 2, MAX_ATTEMPTS)
    this.initialBackoffMs = checkedNumber('initialBackoffMs', given.initialBackoffMs, 1, MAX_MS)
    this.maxBackoffMs = checkedNumber('maxBackoffMs', given.maxBackoffMs, 1, MAX_MS)
    this.multiplier = checkedNumber('multiplier', given.multiplier, 1, 1_000)
    const { perAttemptTimeoutMs } = policy
    this.perAttemptTimeoutMs =
      perAttemptTimeoutMs === undefined
        ? undefined
        : checkedNumber('perAttemptTimeoutMs', perAttemptTimeoutMs, 1, MAX_MS)
    this.budget = budgetOf(policy.budget)
    this.#codes = new StatusSet(given.codes)
  }

  /** Whether an attempt with this status is tried again. */
  retries(status: number): boolean {
    return this.#codes.has(status)
  }

  /**
   * How long to wait before the next attempt: `initialBackoffMs * multiplier ** n`, with a fifth of it more or less, as
   * grpc-go has it (clientconn.go, `withRetry`).
   * @param n attempts before it since the beginning, or since the backend said when
   */
  backoffMs(n: number, random: () => number): number {
    const ms = Math.min(this.initialBackoffMs * this.multiplier ** n, this.maxBackoffMs)
    return ms * (0.8 + 0.4 * random())
  }
}
