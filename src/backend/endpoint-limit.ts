/**
 * A limit for each endpoint: so many calls at a time, by a number or by latency. An endpoint that has as many is full:
 * another takes the call, or it waits. Clients share the limit as they share that of the whole backend (`breaker.ts`).
 */
import { AdaptiveLimit, type AimdSettings, type GradientSettings } from './adaptive-limit.ts'
import type { ClientShare } from './client-share.ts'
import type { Endpoint } from './endpoint.ts'
import type { EndpointWatch } from './endpoint-watch.ts'
import type { OutcomeListener } from './outcome.ts'

export type EndpointLimitSettings = FixedSettings | GradientSettings | AimdSettings

export interface FixedSettings {
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

  /** Whether it leaves no room for one more call of the client. @param inFlight calls that the endpoint has */
  isFullFor(share: ClientShare, inFlight: number): boolean {
    return !share.mayOpenAt(this.maxCalls, inFlight, this.#alike.size)
  }
}

/** The limits of a backend's endpoints. */
export class EndpointLimits implements EndpointWatch {
  readonly #settings: EndpointLimitSettings
  readonly #endpoints = new Set<Endpoint>()

  constructor(settings: EndpointLimitSettings) {
    this.#settings = settings
  }

  watch(endpoint: Endpoint): OutcomeListener | undefined {
    this.#endpoints.add(endpoint)
    const settings = this.#settings
    if ('maxCalls' in settings) {
      endpoint.limit = new EndpointLimit(settings, this.#endpoints)
      return undefined
    }
    const inFlight = () => endpoint.inFlight
    const adaptive = new AdaptiveLimit(settings, inFlight, () => endpoint.onRoomier())
    endpoint.limit = new EndpointLimit(adaptive, this.#endpoints)
    return adaptive
  }

  unwatch(endpoint: Endpoint): void {
    this.#endpoints.delete(endpoint)
    endpoint.limit = undefined
  }

  close(): void {
    for (const endpoint of this.#endpoints) this.unwatch(endpoint)
  }
}
