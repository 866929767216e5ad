/**
 * Whether a call is tried again, and when (gRFC A6). It is asked where a call could commit, which response headers that
 * are not the whole answer do, and where an attempt dies before.
 */
import type { ClientShare } from '../backend/client-share.ts'
import type { PolicyRetryReason, RetryDenial } from '../backend/measures.ts'
import { Status } from '../grpc/status.ts'
import type { RetryRules } from '../routing/retry-policy.ts'
import type { HeaderBlock } from '../transport/transport.ts'
import { MAX_PUSHBACK_MS, pushbackOf } from './pushback.ts'
import type { CallRequest } from './request.ts'

/** What became of an attempt. */
export interface FailedAttempt {
  readonly status: number
  readonly reason: PolicyRetryReason
  /** Its answer, if there is one: the response's headers, and nothing else. */
  readonly answer: HeaderBlock | undefined
}

export class Retry {
  readonly #rules: RetryRules
  readonly #request: CallRequest
  readonly #random: () => number
  /** Attempts that failed since the beginning, or since the backend said when to come again. */
  #backoffs = 0
  /** How the last attempt ended was told to the budget. */
  #judged = false

  constructor(rules: RetryRules, request: CallRequest, random: () => number) {
    this.#rules = rules
    this.#request = request
    this.#random = random
  }

  /** An attempt begins. */
  begins(): void {
    this.#judged = false
  }

  /** The call has this status from its backend. */
  ended(status: number, share: ClientShare): void {
    if (this.#judged) return
    this.#judged = true
    if (status === Status.OK) share.budgetOf(this.#rules.budget).succeeded()
    else if (this.#rules.retries(status)) share.budgetOf(this.#rules.budget).failed()
  }

  /**
   * @param leftMs until the deadline; undefined: there is none
   * @returns how long the call waits before its next attempt; undefined: there is none
   */
  waitMs(failed: FailedAttempt, share: ClientShare, leftMs: number | undefined): number | undefined {
    const pushback = pushbackOf(failed.answer)
    const never = pushback === Infinity
    // An attempt that took too long has no status of the backend's.
    if (!never && failed.reason !== 'attempt-timeout' && !this.#rules.retries(failed.status)) return undefined
    this.#judged = true
    const budget = share.budgetOf(this.#rules.budget)
    // A backend that waits for the rest of a request has not failed, and one client must not spend what all have.
    const waited = failed.reason === 'attempt-timeout' && !this.#request.ended
    const allowed = waited ? budget.allows : budget.failed()
    const waitMs = pushback ?? this.#rules.backoffMs(this.#backoffs, this.#random)
    const denial = this.#denial(allowed, pushback, waitMs, leftMs)
    if (denial !== undefined) share.notRetried(denial)
    if (denial !== undefined || !this.#request.retry(share, failed.reason)) return undefined
    this.#backoffs = pushback === undefined ? this.#backoffs + 1 : 0
    return waitMs
  }

  #denial(allowed: boolean, pushback = 0, waitMs: number, leftMs = Infinity): RetryDenial | undefined {
    if (pushback > MAX_PUSHBACK_MS) return 'pushback'
    if (this.#request.previousAttempts + 1 >= this.#rules.maxAttempts) return 'attempts'
    if (!this.#request.kept) return 'request-too-large'
    if (!allowed) return 'budget'
    // What the backend said is worth more than that its client's time is over.
    return waitMs >= leftMs ? 'deadline' : undefined
  }
}
