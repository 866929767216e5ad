/**
 * `grpc.health.v1.Health` answered by the proxy itself. Its calls are calls like any other, to a backend whose one
 * endpoint is in this process (`rpc/health-service.ts`), which is loaded at the first of them. They go there before gates
 * and routes: who asks is a load balancer, which has no credentials.
 */
import type { BackendSetup, Fleet } from '../backend/fleet.ts'
import { HEALTH_SERVICE, ServingStatus } from '../grpc/health-message.ts'
import { isGrpcContentType } from '../grpc/metadata.ts'
import type { Director, Target } from '../routing/director.ts'
import type { HealthService } from '../rpc/health-service.ts'
import { systemClock } from '../transport/clock.ts'
import type { ProxySetup } from './setup.ts'

/** What is asked of a proxy. */
export interface Asked {
  readonly setup: ProxySetup
  readonly fleet: Fleet
  /** Why it should get no new connections; none: it is ready. */
  readonly notReady: readonly string[]
}

export class OwnHealth {
  readonly #proxy: Asked
  /** Once it is loaded. */
  #service: HealthService | undefined
  #target: Target | Promise<Target> | undefined
  #draining = false

  constructor(proxy: Asked) {
    this.#proxy = proxy
  }

  /** A director that sends such calls here, and asks the next one about others. */
  before(next: Director): Director {
    return call => {
      if (call.service !== HEALTH_SERVICE || !isGrpcContentType(call.metadata.get('content-type') ?? ''))
        return next(call)
      this.#target ??= this.#load()
      return this.#target
    }
  }

  async #load(): Promise<Target> {
    const { HealthService } = await import('../rpc/health-service.ts')
    this.#service = new HealthService(this.#statusOf, systemClock)
    if (this.#draining) this.#service.drain()
    const target = { backend: backendOf(this.#service) }
    this.#target = target
    return target
  }

  /** Watchers are told, and their calls end. */
  drain(): void {
    this.#draining = true
    this.#service?.drain()
  }

  readonly #statusOf = (service: string): ServingStatus | undefined => {
    const { setup, fleet, notReady } = this.#proxy
    if (setup.healthService === undefined) return undefined
    const { services } = setup.healthService
    if (Object.hasOwn(services, service)) return serving(fleet.isUsable(services[service]!))
    return service === '' ? serving(notReady.length === 0) : undefined
  }
}

function serving(well: boolean): ServingStatus {
  return well ? ServingStatus.SERVING : ServingStatus.NOT_SERVING
}

/** Nothing of it is on a network, so there is nothing to wait for, to ask or to pace. */
function backendOf(carrier: HealthService): BackendSetup {
  return {
    name: HEALTH_SERVICE,
    transport: carrier.name,
    carrier,
    endpoints: [{ name: 'the proxy' }],
    queue: { maxCalls: 1_000, timeoutMs: 10_000 },
    connectTimeoutMs: 10_000,
    backoff: { initialMs: 100, maxMs: 100, multiplier: 1, jitter: 0 },
    resets: { burst: Number.MAX_SAFE_INTEGER, perSecond: Number.MAX_SAFE_INTEGER },
    sessions: {
      max: 1,
      maxDraining: 1,
      ready: 0,
      reserve: 0,
      apart: 0,
      ageGraceMs: 0,
      drainGraceMs: 0,
      idleTimeoutMs: 0,
      maxAgeMs: 0,
    },
  }
}
