/** `grpc.health.v1.Health`, as grpc/grpc doc/health-checking.md describes it. */
import { Status } from '../grpc/status.ts'
import { type Call, CallError } from './call.ts'
import type { HealthCheckRequest, HealthCheckResponse, ServingStatus } from './messages.ts'
import { deferred, firstRequest, orAborted } from './pace.ts'

/** What a server says about itself. Change it with `set` to see how a client reacts. */
export class Health {
  readonly #statuses = new Map<string, ServingStatus>()
  /** Resolved and replaced at each change. */
  #changed = deferred()

  /** @param services those that are SERVING at first, beside the server as a whole (`''`) */
  constructor(services: readonly string[]) {
    for (const service of ['', ...services]) this.#statuses.set(service, 'SERVING')
  }

  set(service: string, status: ServingStatus): void {
    this.#statuses.set(service, status)
    const { resolve } = this.#changed
    this.#changed = deferred()
    resolve()
  }

  readonly check = async (call: Call<HealthCheckRequest, HealthCheckResponse>): Promise<void> => {
    const { service } = await firstRequest(call)
    const status = this.#statuses.get(service)
    if (status === undefined) throw new CallError(Status.NOT_FOUND, `unknown service ${service}`)
    await call.write({ status })
  }

  readonly watch = async (call: Call<HealthCheckRequest, HealthCheckResponse>): Promise<void> => {
    const { service } = await firstRequest(call)
    let told: ServingStatus | undefined
    for (;;) {
      const changed = this.#changed.promise
      const status = this.#statuses.get(service) ?? 'SERVICE_UNKNOWN'
      if (status !== told) await call.write({ status })
      told = status
      await orAborted(changed, call.signal)
    }
  }
}
