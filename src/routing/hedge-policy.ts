/** When a call is sent once more before its backend has answered (gRFC A6, "Hedging Policy"). */
import type { StatusName } from '../grpc/status.ts'
import { type AttemptBudget, budgetOf, checkedNumber, MAX_ATTEMPTS, StatusSet } from './attempts.ts'

/** What is missing has the default that docs/configuration.md names. */
export interface HedgePolicy {
  /** With the first one: 2 to 5. */
  readonly maxAttempts?: number | undefined
  /** From one attempt to the next, while none is answered. 0: all at once. */
  readonly delayMs?: number | undefined
  /** Less than `delayMs`: so many of 100 calls of the method were answered before. */
  readonly percentile?: number | undefined
  /** An answer with such a status alone leaves the others their chance, and the next attempt begins at once. */
  readonly nonFatalCodes?: readonly StatusName[] | undefined
  readonly budget?: AttemptBudget | undefined
}

/** About 24 days, as all times of the configuration. */
const MAX_MS = 2 ** 31 - 1

export const HEDGE_DEFAULTS = { maxAttempts: 2, nonFatalCodes: ['UNAVAILABLE'] as readonly StatusName[] } as const

/** A policy with all its numbers, checked. */
export class HedgeRules {
  readonly maxAttempts: number
  readonly delayMs: number
  readonly percentile: number | undefined
  readonly nonFatal: StatusSet
  readonly budget: { readonly maxTokens: number; readonly tokenRatio: number }

  /** @throws TypeError for a value that is not allowed */
  constructor({ maxAttempts, delayMs, percentile, nonFatalCodes, budget }: HedgePolicy) {
    this.maxAttempts = checkedNumber('maxAttempts', maxAttempts ?? HEDGE_DEFAULTS.maxAttempts, 2, MAX_ATTEMPTS)
    this.delayMs = checkedNumber('delayMs', delayMs, 0, MAX_MS)
    this.percentile = percentile === undefined ? undefined : checkedNumber('percentile', percentile, 50, 99.9)
    if (percentile !== undefined && delayMs === 0) throw new TypeError('a percentile goes not together with delayMs: 0')
    this.nonFatal = new StatusSet(nonFatalCodes ?? HEDGE_DEFAULTS.nonFatalCodes)
    this.budget = budgetOf(budget)
  }
}
