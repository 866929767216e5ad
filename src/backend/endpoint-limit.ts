/**
 * A limit for each endpoint: so many calls at a time, by a number or by latency. An endpoint that has as many is full:
 * another takes the call, or it waits. Clients share the limit as they share that of the whole backend (`breaker.ts`).
 */
import type { AimdSettings, GradientSettings } from './adaptive-limit.ts'
import { keptOf } from './breaker.ts'
import type { ClientShare } from './client-share.ts'

export type EndpointLimitSettings = FixedSettings | GradientSettings | AimdSettings

export interface FixedSettings {
  readonly kind?: 'fixed' | undefined
  readonly maxCalls: number
}

/** How many calls one endpoint may have. */
export class EndpointLimit {
  readonly #number: { readonly maxCalls: number }
  readonly #alike: ReadonlySet<unknown>

  /** @param alike all endpoints that have such a limit */
  constructor(number: { readonly maxCalls: number }, alike: ReadonlySet<unknown>) {
    this.#number = number
    this.#alike = alike
  }

  /** Now; a whole number, at least 1. */
  get maxCalls(): number {
    return this.#number.maxCalls
  }

  /** Whether all that is left is for clients that have few calls: for others a session more would be of no use. */
  isTightAt(inFlight: number): boolean {
    return inFlight >= this.maxCalls - keptOf(this.maxCalls)
  }

  /** Whether it leaves no room for one more call of the client. @param inFlight calls that the endpoint has */
  isFullFor(share: ClientShare, inFlight: number): boolean {
    return !share.mayOpenAt(this.maxCalls, inFlight, this.#alike.size)
  }
}
