/** All backends of a proxy: those that the configuration names, and those that a director brought. */
import { isDeepStrictEqual } from 'node:util'
import type { BackendDefinition } from '../routing/director.ts'
import type { ServiceCall, Services } from '../routing/services.ts'
import type { ClientTransport, TransportName } from '../transport/transport.ts'
import { Backend, type BackendContext, type BackendSettings } from './backend.ts'
import { isUsable } from './backend-state.ts'
import { type Changed, changed } from './changed.ts'
import { Client } from './client-share.ts'
import { endpointSpecs } from './endpoint-source.ts'
import { askOn } from './own-ask.ts'

/** A backend with all defaults filled in, and what carries its sessions. */
export interface BackendSetup extends BackendSettings {
  readonly transport: TransportName
  /** Carries its sessions instead: a service of the proxy itself. */
  readonly carrier?: ClientTransport
  /** Without an endpoint of it that can be used the proxy is not ready. */
  readonly required?: boolean
}

export interface FleetContext extends Omit<BackendContext, 'transport'> {
  readonly transport: (name: TransportName) => ClientTransport
}

/** What of the fleet is open now. */
export interface FleetCounts {
  readonly waitingCalls: number
  readonly backendSessions: number
  readonly backendStreams: number
}

/** More are surely a mistake of a director: a backend is a fleet's service, not a call's. */
const MAX_DEFINED = 10_000

interface Named {
  readonly setup: BackendSetup
  readonly backend: Backend
}

export class Fleet implements Services {
  readonly #context: FleetContext
  readonly #named = new Map<string, Named>()
  /** Those that a director brought, by their definition. */
  readonly #defined = new Map<BackendSetup, Backend>()
  /** They serve what they have, and are gone then. */
  readonly #retired = new Set<Backend>()
  /** The proxy itself, as backends see it. */
  readonly #self = new Client('the proxy')
  #closed = false

  constructor(named: Readonly<Record<string, BackendSetup>>, context: FleetContext) {
    this.#context = context
    this.update(named)
  }

  #open(setup: BackendSetup): Backend {
    const transport = setup.carrier ?? this.#context.transport(setup.transport)
    const backend = new Backend(setup, { ...this.#context, transport })
    if (this.#closed) backend.close()
    return backend
  }

  /** What `update` and `retire` would change. */
  compare(next: Readonly<Record<string, BackendSetup>>): Changed {
    const before = new Map([...this.#named].map(([name, { setup }]) => [name, setup]))
    return changed(before, new Map(Object.entries(next)), (was, is) => !isDeepStrictEqual(was, is))
  }

  /** Opens those that are new, and updates those that are others than before. None goes: see `retire`. */
  update(next: Readonly<Record<string, BackendSetup>>): void {
    for (const [name, setup] of Object.entries(next)) {
      const known = this.#named.get(name)
      if (known !== undefined && isDeepStrictEqual(known.setup, setup)) continue
      this.#named.set(name, { setup, backend: this.#updated(known, setup) })
    }
  }

  #updated(known: Named | undefined, setup: BackendSetup): Backend {
    if (known?.setup.transport === setup.transport) {
      known.backend.update(setup)
      return known.backend
    }
    if (known !== undefined) this.#leave(known.backend)
    return this.#open(setup)
  }

  /** @throws RangeError for a backend that is not there */
  setEndpoints(name: string, endpoints: BackendSetup['endpoints']): void {
    const known = this.#named.get(name)
    if (known === undefined) throw new RangeError(`the proxy has no backend ${JSON.stringify(name)}`)
    known.backend.setEndpoints(endpointSpecs(endpoints))
    this.#named.set(name, { ...known, setup: { ...known.setup, endpoints } })
  }

  /** They serve the calls that they have. */
  retire(names: readonly string[]): void {
    for (const name of names) {
      const known = this.#named.get(name)
      if (known === undefined) continue
      this.#named.delete(name)
      this.#leave(known.backend)
    }
  }

  #leave(backend: Backend): void {
    this.#retired.add(backend)
    void backend.retire().then(() => this.#retired.delete(backend))
  }

  /**
   * The backends that there are now, by name, and those that belong to a definition. A director that is asked now and
   * answers after a change names one of these: it serves the call, or the one that has its name by then does, or the call
   * is told that the backend has been removed.
   */
  lookup(): (named: unknown) => Backend | undefined {
    const now = new Map([...this.#named].map(([name, { backend }]) => [name, backend]))
    return named => {
      if (typeof named !== 'string') return this.#definedBy(named)
      const backend = now.get(named)
      return backend?.retired === undefined ? backend : (this.#named.get(named)?.backend ?? backend)
    }
  }

  ask(named: string | BackendDefinition, call: ServiceCall, done: Parameters<Services['ask']>[2]): () => void {
    const backend = typeof named === 'string' ? this.#named.get(named)?.backend : this.#definedBy(named)
    return askOn(backend, call, this.#self, this.#context, done)
  }

  /** A director in plain JavaScript may give anything. */
  #definedBy(named: unknown): Backend | undefined {
    const known = this.#defined.get(named as BackendSetup)
    if (known !== undefined || !isSetup(named)) return known
    // A director that defines a backend anew for each call would open sessions without end.
    if (this.#defined.size >= MAX_DEFINED) return undefined
    const backend = this.#open(named)
    this.#defined.set(named, backend)
    return backend
  }

  /** All that there are, also those that only finish their calls. */
  get all(): Backend[] {
    return [...[...this.#named.values()].map(({ backend }) => backend), ...this.#defined.values(), ...this.#retired]
  }

  /** Names of backends that are required, and of which no endpoint can be used. */
  get missing(): string[] {
    const named = [...this.#named].filter(([, { setup, backend }]) => setup.required === true && !hasUsable(backend))
    return named.map(([name]) => name)
  }

  /** Whether the backend of this name has an endpoint that can be used. */
  isUsable(name: string): boolean {
    const known = this.#named.get(name)
    return known !== undefined && hasUsable(known.backend)
  }

  get counts(): FleetCounts {
    let [waitingCalls, backendSessions, backendStreams] = [0, 0, 0]
    for (const backend of this.all) {
      waitingCalls += backend.waiting
      const { sessions, streams } = backend.open
      backendSessions += sessions
      backendStreams += streams
    }
    return { waitingCalls, backendSessions, backendStreams }
  }

  /** Calls that wait are told; resolves when the last session is gone. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.all.map(backend => backend.close()))
  }
}

function hasUsable({ endpoints }: Backend): boolean {
  return endpoints.some(isUsable)
}

function isSetup(named: unknown): named is BackendSetup {
  return Array.isArray((named as Partial<BackendSetup> | null)?.endpoints)
}
