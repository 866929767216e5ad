/** Gives each endpoint of a backend its limit. */
import { AdaptiveLimit } from './adaptive-limit.ts'
import type { Endpoint } from './endpoint.ts'
import { EndpointLimit, type EndpointLimitSettings } from './endpoint-limit.ts'
import type { EndpointWatch } from './endpoint-watch.ts'
import type { OutcomeListener } from './outcome.ts'

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
