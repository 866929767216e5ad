/** When a call is tried again, and how often (gRFC A6). */
import { Status, type StatusName } from '../grpc/status.ts'

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
  /** Per backend: failures take a token, successes give a part of one; at half of them nothing is tried again. */
  readonly budget?: { readonly maxTokens?: number | undefined; readonly tokenRatio?: number | undefined } | undefined
}

/** gRFC A6, "Limits on Retries and Hedges": more attempts than this make a storm of a failure. */
export const MAX_ATTEMPTS = 5

/** About 24 days, as all times of the configuration. */
const MAX_MS = 2 ** 31 - 1

export const RETRY_DEFAULTS = {
  maxAttempts: 3,
  codes: ['UNAVAILABLE'] as readonly StatusName[],
  initialBackoffMs: 25,
  maxBackoffMs: 1_000,
  multiplier: 2,
  maxTokens: 100,
  tokenRatio: 0.1,
} as const

/** A policy with all its numbers, checked. */
export class RetryRules {
  readonly maxAttempts: number
  readonly initialBackoffMs: number
  readonly maxBackoffMs: number
  readonly multiplier: number
  readonly perAttemptTimeoutMs: number | undefined
  readonly budget: { readonly maxTokens: number; readonly tokenRatio: number }
  /** A bit for each code. */
  readonly #codes: number

  /** @throws TypeError for a value that is not allowed */
  constructor(policy: RetryPolicy) {
    const given = { ...RETRY_DEFAULTS, ...defined(policy), ...defined(policy.budget ?? {}) }
    this.maxAttempts = number('maxAttempts', given.maxAttempts, 2, MAX_ATTEMPTS)
    this.initialBackoffMs = number('initialBackoffMs', given.initialBackoffMs, 1, MAX_MS)
    this.maxBackoffMs = number('maxBackoffMs', given.maxBackoffMs, 1, MAX_MS)
    this.multiplier = number('multiplier', given.multiplier, 1, 1_000)
    const { perAttemptTimeoutMs } = policy
    this.perAttemptTimeoutMs =
      perAttemptTimeoutMs === undefined ? undefined : number('perAttemptTimeoutMs', perAttemptTimeoutMs, 1, MAX_MS)
    this.budget = {
      maxTokens: number('maxTokens', given.maxTokens, 1, 1_000),
      tokenRatio: number('tokenRatio', given.tokenRatio, 0.001, 1),
    }
    this.#codes = bitsOf(given.codes)
  }

  /** Whether an attempt with this status is tried again. */
  retries(status: number): boolean {
    return status >= 0 && status < 32 && ((this.#codes >> status) & 1) === 1
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

function defined<T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never
}

function number(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw new TypeError(`${name} of a retry policy is a number from ${min} to ${max}, it is ${String(value)}`)
}

function bitsOf(codes: readonly StatusName[]): number {
  let bits = 0
  for (const name of codes) {
    const code = Status[name] as number | undefined
    if (code === undefined || code === Status.OK) throw new TypeError(`${String(name)} is no status to try again for`)
    bits |= 1 << code
  }
  return bits
}
