/** All backends of a proxy: those that the configuration names, and those that a director brought. */
import type { ClientTransport, TransportName } from '../transport/transport.ts'
import { Backend, type BackendContext, type BackendSettings } from './backend.ts'

/** A backend with all defaults filled in, and what carries its sessions. */
export interface BackendSetup extends BackendSettings {
  readonly transport: TransportName
}

export interface FleetContext extends Omit<BackendContext, 'transport' | 'clientHeldBytes'> {
  readonly transport: (name: TransportName) => ClientTransport
  /** Bytes of responses that may wait for a client before it gets sessions apart. */
  readonly clientHeldBytes: () => number
}

/** What of the fleet is open now. */
export interface FleetCounts {
  readonly waitingCalls: number
  readonly backendSessions: number
  readonly backendStreams: number
}

/** More are surely a mistake of a director: a backend is a fleet's service, not a call's. */
const MAX_DEFINED = 10_000

export class Fleet {
  readonly #context: FleetContext
  readonly #named = new Map<string, Backend>()
  /** Those that a director brought, by their definition. */
  readonly #defined = new Map<BackendSetup, Backend>()
  #closed = false

  constructor(named: Readonly<Record<string, BackendSetup>>, context: FleetContext) {
    this.#context = context
    for (const [name, setup] of Object.entries(named)) this.#named.set(name, this.#open(setup))
  }

  #open(setup: BackendSetup): Backend {
    const { transport, clientHeldBytes, ...context } = this.#context
    const backend = new Backend(setup, {
      ...context,
      transport: transport(setup.transport),
      clientHeldBytes: clientHeldBytes(),
    })
    if (this.#closed) backend.close()
    return backend
  }

  /** The one of that name, or the one that belongs to a definition; a director in plain JavaScript may give anything. */
  get(named: unknown): Backend | undefined {
    if (typeof named === 'string') return this.#named.get(named)
    const known = this.#defined.get(named as BackendSetup)
    if (known !== undefined || !isSetup(named)) return known
    // A director that defines a backend anew for each call would open sessions without end.
    if (this.#defined.size >= MAX_DEFINED) return undefined
    const backend = this.#open(named)
    this.#defined.set(named, backend)
    return backend
  }

  #all(): Backend[] {
    return [...this.#named.values(), ...this.#defined.values()]
  }

  get counts(): FleetCounts {
    let [waitingCalls, backendSessions, backendStreams] = [0, 0, 0]
    for (const backend of this.#all()) {
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
    await Promise.all(this.#all().map(backend => backend.close()))
  }
}

function isSetup(named: unknown): named is BackendSetup {
  return Array.isArray((named as Partial<BackendSetup> | null)?.endpoints)
}
