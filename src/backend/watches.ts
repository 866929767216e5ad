/** The watches of a backend, as its settings ask for them. A watch whose settings change is closed and made anew. */
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../transport/clock.ts'
import { balancerWatch } from './balance/kinds.ts'
import type { Endpoint } from './endpoint.ts'
import { EndpointLimits } from './endpoint-limits.ts'
import type { EndpointWatch } from './endpoint-watch.ts'
import { HealthChecks } from './health/health-checks.ts'
import { Outliers } from './health/outliers.ts'
import { type OutcomeListener, Outcomes } from './outcome.ts'
import type { BackendContext, BackendSettings } from './settings.ts'

/** A feature, and the settings by which it is. */
export interface WatchKind {
  readonly settings: keyof BackendSettings
  /** Undefined: it is not configured. */
  make(settings: BackendSettings, context: BackendContext): EndpointWatch | undefined
}

/** Each feature that watches endpoints has its line here. */
const KINDS: readonly WatchKind[] = [
  { settings: 'health', make: ({ health }, context) => health && new HealthChecks(health, context) },
  { settings: 'outliers', make: ({ outliers }, context) => outliers && new Outliers(outliers, context) },
  { settings: 'balancer', make: ({ balancer }, context) => balancerWatch(balancer, context) },
  { settings: 'endpointLimit', make: ({ endpointLimit }) => endpointLimit && new EndpointLimits(endpointLimit) },
]

export class Watches {
  readonly #context: BackendContext
  readonly #kinds: readonly WatchKind[]
  #settings: BackendSettings
  readonly #watches = new Map<WatchKind, EndpointWatch>()
  /** The endpoints that are watched, and what listens to each, by its watch. */
  readonly #listeners = new Map<Endpoint, Map<EndpointWatch, OutcomeListener>>()

  constructor(settings: BackendSettings, context: BackendContext, kinds: readonly WatchKind[] = KINDS) {
    this.#settings = settings
    this.#context = context
    this.#kinds = kinds
    for (const kind of kinds) this.#open(kind)
  }

  get #clock(): Clock {
    return this.#context.clock
  }

  #open(kind: WatchKind): void {
    const watch = kind.make(this.#settings, this.#context)
    if (watch === undefined) return
    this.#watches.set(kind, watch)
    for (const endpoint of this.#listeners.keys()) this.#join(watch, endpoint)
  }

  #join(watch: EndpointWatch, endpoint: Endpoint): void {
    const listener = watch.watch(endpoint)
    if (listener === undefined) return
    this.#listeners.get(endpoint)!.set(watch, listener)
    this.#listen(endpoint)
  }

  #listen(endpoint: Endpoint): void {
    const listeners = [...this.#listeners.get(endpoint)!.values()]
    endpoint.outcomes = listeners.length === 0 ? undefined : new Outcomes(this.#clock, listeners)
  }

  add(endpoint: Endpoint): void {
    if (this.#kinds.length === 0) return
    this.#listeners.set(endpoint, new Map())
    for (const watch of this.#watches.values()) this.#join(watch, endpoint)
  }

  remove(endpoint: Endpoint): void {
    if (!this.#listeners.delete(endpoint)) return
    for (const watch of this.#watches.values()) watch.unwatch(endpoint)
  }

  onConnectFailed(endpoint: Endpoint): void {
    for (const watch of this.#watches.values()) watch.onConnectFailed?.(endpoint)
  }

  update(settings: BackendSettings): void {
    const before = this.#settings
    this.#settings = settings
    for (const kind of this.#kinds) {
      if (isDeepStrictEqual(before[kind.settings], settings[kind.settings])) continue
      this.#shut(kind)
      this.#open(kind)
    }
  }

  #shut(kind: WatchKind): void {
    const watch = this.#watches.get(kind)
    if (watch === undefined) return
    this.#watches.delete(kind)
    watch.close()
    for (const [endpoint, listeners] of this.#listeners) if (listeners.delete(watch)) this.#listen(endpoint)
  }

  close(): void {
    for (const kind of [...this.#watches.keys()]) this.#shut(kind)
    this.#listeners.clear()
  }
}
