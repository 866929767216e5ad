/** What all policies have that make more than one attempt (gRFC A6): for which statuses, how many, and within which budget. */
import { Status, type StatusName } from '../grpc/status.ts'

/** gRFC A6, "Limits on Retries and Hedges": more attempts than this make a storm of a failure. */
export const MAX_ATTEMPTS = 5

/** Per backend: failures take a token, successes give a part of one; at half of them nothing is tried again. */
export interface AttemptBudget {
  readonly maxTokens?: number | undefined
  readonly tokenRatio?: number | undefined
}

export const BUDGET_DEFAULTS = { maxTokens: 100, tokenRatio: 0.1 } as const

/** @throws TypeError for a value that is not allowed */
export function budgetOf(given: AttemptBudget | undefined): {
  readonly maxTokens: number
  readonly tokenRatio: number
} {
  const { maxTokens, tokenRatio } = { ...BUDGET_DEFAULTS, ...withoutUndefined(given ?? {}) }
  return {
    maxTokens: checkedNumber('maxTokens', maxTokens, 1, 1_000),
    tokenRatio: checkedNumber('tokenRatio', tokenRatio, 0.001, 1),
  }
}

/** Statuses of failures. */
export class StatusSet {
  /** A bit for each code. */
  readonly #bits: number

  /** @throws TypeError for a name that is none, and for OK */
  constructor(names: readonly StatusName[]) {
    let bits = 0
    for (const name of names) {
      const code = Status[name] as number | undefined
      if (code === undefined || code === Status.OK) throw new TypeError(`${String(name)} is no status to try again for`)
      bits |= 1 << code
    }
    this.#bits = bits
  }

  has(status: number): boolean {
    return status >= 0 && status < 32 && ((this.#bits >> status) & 1) === 1
  }
}

/** @throws TypeError for what is no number within the bounds */
export function checkedNumber(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw new TypeError(`${name} of a policy is a number from ${min} to ${max}, it is ${String(value)}`)
}

/** Its fields that have a value, so that they can go over defaults. */
export function withoutUndefined<T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never
}
