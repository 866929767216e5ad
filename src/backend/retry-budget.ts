/**
 * How many calls of a backend may be tried again (gRFC A6, "Throttling Retry Attempts and Hedged RPCs"): a bucket that
 * failures empty and successes fill. While it is half empty nothing is tried again, so a backend that fails as a whole
 * gets its own load and little more.
 */

export interface BudgetSettings {
  readonly maxTokens: number
  /** What a success gives back of the token that a failure takes. */
  readonly tokenRatio: number
}

export class RetryBudget {
  readonly settings: BudgetSettings
  tokens: number

  constructor(settings: BudgetSettings) {
    this.settings = settings
    this.tokens = settings.maxTokens
  }

  /** An attempt failed in a way that could be tried again. @returns whether it may be */
  failed(): boolean {
    this.tokens = Math.max(0, this.tokens - 1)
    return this.allows
  }

  succeeded(): void {
    const { maxTokens, tokenRatio } = this.settings
    if (this.tokens < maxTokens) this.tokens = Math.min(maxTokens, this.tokens + tokenRatio)
  }

  /** "If token_count is less than or equal to the threshold, defined to be (maxTokens / 2), then RPCs will not be retried" */
  get allows(): boolean {
    return this.tokens > this.settings.maxTokens / 2
  }
}

/** A director that makes a new budget for each call must not fill the memory with them. */
const MAX_BUDGETS = 16

/** The budgets of one backend. Routes with equal settings share one, and it stays when a configuration comes again. */
export class RetryBudgets {
  readonly #all: RetryBudget[] = []

  of(settings: BudgetSettings): RetryBudget {
    const { maxTokens, tokenRatio } = settings
    for (const budget of this.#all) {
      if (budget.settings.maxTokens === maxTokens && budget.settings.tokenRatio === tokenRatio) return budget
    }
    if (this.#all.length >= MAX_BUDGETS) this.#all.shift()
    const budget = new RetryBudget(settings)
    this.#all.push(budget)
    return budget
  }
}
