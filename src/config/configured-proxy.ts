/** The proxy with what a user writes: options are checked and resolved here, and the proxy below gets what came of it. */
import type { ChangeSummary } from '../proxy/change.ts'
import { VerbatimProxy } from '../proxy/proxy.ts'
import { systemClock } from '../transport/clock.ts'
import type { BoundAddress } from '../transport/listening-socket.ts'
import type { DialAddress } from '../transport/transport.ts'
import { AdminSlot } from './admin-slot.ts'
import { Adoptions } from './adoptions.ts'
import { CertificateWatch } from './certificate-watch.ts'
import { addressesOf } from './endpoint-list.ts'
import { GateSet } from './gates.ts'
import type { BackendHandle, GrpcProxy } from './grpc-proxy.ts'
import type { EndpointOptions, ProxyOptions } from './options.ts'
import type { PemsBefore } from './pem-index.ts'
import { ConfigError, formatProblem, type Problem } from './problems.ts'
import type { Verdict } from './reload.ts'
import { type Resolution, resolveConfig } from './resolve.ts'

export class ConfiguredProxy extends VerbatimProxy implements GrpcProxy {
  #gates: GateSet
  readonly #admin = new AdminSlot(this)
  readonly #certificates: CertificateWatch
  #started = false
  readonly #adoptions = new Adoptions(resolution => this.#adopt(resolution))
  askDrain: () => void = () => void this.drain()
  /** Reads the configuration again, where it came from a file. */
  reload: (() => Promise<Verdict>) | undefined

  constructor(resolution: Resolution) {
    const gates = new GateSet(resolution.config.gates)
    super(gates.in(resolution.config))
    this.#gates = gates
    this.#certificates = new CertificateWatch(resolution, this, systemClock)
    this.#warn(resolution.warnings)
  }

  get pems(): PemsBefore {
    return this.#certificates.pems
  }

  get watchedFiles(): ReadonlySet<string> {
    return this.#certificates.paths
  }

  #warn(warnings: readonly Problem[]): void {
    for (const warning of warnings) this.log.warn(formatProblem(warning))
  }

  /** Undefined: there is none. */
  get adminAddress(): string | undefined {
    return this.#admin.address
  }

  async apply(options: ProxyOptions): Promise<ChangeSummary> {
    return this.adoptResolution(resolveOptions(options, this.pems))
  }

  /** Changes to what was read and checked elsewhere; as `apply` does, and throws what it throws. */
  adoptResolution(resolution: Resolution): Promise<ChangeSummary> {
    return this.#adoptions.to(resolution)
  }

  adoptNext(next: () => Resolution | undefined): Promise<ChangeSummary | undefined> {
    return this.#adoptions.next(next)
  }

  async #adopt(resolution: Resolution): Promise<ChangeSummary> {
    const { config, warnings } = resolution
    const gates = new GateSet(config.gates, this.#gates)
    const admin = this.#started ? await this.#admin.prepare(config.admin) : undefined
    try {
      const summary = await this.change(gates.in(config))
      this.#gates = gates
      this.#certificates.adopted(resolution)
      this.#warn(warnings)
      await admin?.commit()
      return summary
    } catch (error) {
      await admin?.discard()
      throw error
    }
  }

  override async start(): Promise<BoundAddress[]> {
    this.#started = true
    try {
      // First, so that whoever waits for the proxy can ask it.
      await (await this.#admin.prepare(this.setup.admin)).commit()
    } catch (error) {
      await this.close()
      throw error
    }
    const bound = await super.start()
    this.#certificates.listening(this.front.challenges)
    return bound
  }

  override async close(): Promise<void> {
    this.#certificates.close()
    await super.close()
    await this.#admin.close()
  }

  backend(name: string): BackendHandle {
    return { setEndpoints: endpoints => this.fleet.setEndpoints(name, this.#addressesOf(name, endpoints)) }
  }

  /** @throws ConfigError; RangeError for a backend that is not there */
  #addressesOf(name: string, endpoints: readonly EndpointOptions[]): readonly DialAddress[] {
    const dialling = this.#certificates.inForce.dialling.get(name)
    if (dialling === undefined) throw new RangeError(`the proxy has no backend ${JSON.stringify(name)}`)
    // A configuration without endpoints is a mistake; a fleet may have none for a while.
    if (endpoints.length === 0) return []
    return addressesOf(endpoints, name, dialling)
  }
}

const WORKERS_ARE_OF_SERVE =
  'is for `grpc-verbatim serve`: a program that has a proxy in it starts processes of its own, by node:cluster for example'

/** Without `log` and `logger` a library has little to say on its host's standard output. */
export function resolveOptions(options: ProxyOptions, before?: PemsBefore): Resolution {
  if (options.workers !== undefined) throw new ConfigError([{ path: 'workers', message: WORKERS_ARE_OF_SERVE }])
  const quiet = options.log === undefined && options.logger === undefined
  return resolveConfig(quiet ? { ...options, log: { level: 'warn' } } : options, { ...(before && { before }) })
}
