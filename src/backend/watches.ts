/** The watches of a backend, as its settings ask for them. A watch whose settings change is closed and made anew. */
import { isDeepStrictEqual } from 'node:util'
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

/** A watch that is configured, and what listens for it to each endpoint. */
interface Opened {
  readonly watch: EndpointWatch
  readonly listeners: Map<Endpoint, OutcomeListener>
}

export class Watches {
  readonly #context: BackendContext
  readonly #kinds: readonly WatchKind[]
  #settings: BackendSettings
  readonly #opened = new Map<WatchKind, Opened>()
  /** The endpoints that are watched. */
  readonly #endpoints = new Set<Endpoint>()

  constructor(settings: BackendSettings, context: BackendContext, kinds: readonly WatchKind[] = KINDS) {
    this.#settings = settings
    this.#context = context
    this.#kinds = kinds
    for (const kind of kinds) this.#open(kind)
  }

  #open(kind: WatchKind): void {
    const watch = kind.make(this.#settings, this.#context)
    if (watch === undefined) return
    const opened: Opened = { watch, listeners: new Map() }
    this.#opened.set(kind, opened)
    for (const endpoint of this.#endpoints) join(opened, endpoint)
  }

  /** Those that listen to the endpoint are other ones now. */
  #listen(endpoint: Endpoint): void {
    const listeners: OutcomeListener[] = []
    for (const opened of this.#opened.values()) {
      const listener = opened.listeners.get(endpoint)
      if (listener !== undefined) listeners.push(listener)
    }
    endpoint.outcomes = listeners.length === 0 ? undefined : new Outcomes(this.#context.clock, listeners)
  }

  add(endpoint: Endpoint): void {
    this.#endpoints.add(endpoint)
    for (const opened of this.#opened.values()) join(opened, endpoint)
    this.#listen(endpoint)
  }

  remove(endpoint: Endpoint): void {
    if (!this.#endpoints.delete(endpoint)) return
    for (const { watch, listeners } of this.#opened.values()) {
      listeners.delete(endpoint)
      watch.unwatch?.(endpoint)
    }
  }

  onConnectFailed(endpoint: Endpoint): void {
    for (const { watch } of this.#opened.values()) watch.onConnectFailed?.(endpoint)
  }

  update(settings: BackendSettings): void {
    const before = this.#settings
    this.#settings = settings
    const changed = this.#kinds.filter(kind => !isDeepStrictEqual(before[kind.settings], settings[kind.settings]))
    if (changed.length === 0) return
    for (const kind of changed) {
      this.#shut(kind)
      this.#open(kind)
    }
    for (const endpoint of this.#endpoints) this.#listen(endpoint)
  }

  #shut(kind: WatchKind): void {
    this.#opened.get(kind)?.watch.close?.()
    this.#opened.delete(kind)
  }

  close(): void {
    for (const kind of this.#kinds) this.#shut(kind)
    for (const endpoint of this.#endpoints) this.#listen(endpoint)
    this.#endpoints.clear()
  }
}

function join({ watch, listeners }: Opened, endpoint: Endpoint): void {
  const listener = watch.watch(endpoint)
  if (listener !== undefined) listeners.set(endpoint, listener)
}
