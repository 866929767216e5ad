/** The proxy with what a user writes: options are checked and resolved here, and the proxy below gets what came of it. */
import type { ChangeSummary } from '../proxy/change.ts'
import { VerbatimProxy } from '../proxy/proxy.ts'
import type { DialAddress } from '../transport/transport.ts'
import type { BackendHandle, GrpcProxy } from './grpc-proxy.ts'
import type { EndpointOptions, ProxyOptions } from './options.ts'
import { formatProblem, type Problem } from './problems.ts'
import { type Resolution, resolveConfig } from './resolve.ts'

export class ConfiguredProxy extends VerbatimProxy implements GrpcProxy {
  /** What the configuration was made of, where it was given in code. */
  #options: ProxyOptions

  /** @param options what `resolution` was made of */
  constructor(resolution: Resolution, options: ProxyOptions = {}) {
    super(resolution.config)
    this.#options = options
    this.#warn(resolution.warnings)
  }

  #warn(warnings: readonly Problem[]): void {
    for (const warning of warnings) this.log.warn(formatProblem(warning))
  }

  async apply(options: ProxyOptions): Promise<ChangeSummary> {
    const summary = await this.adoptResolution(resolveOptions(options))
    this.#options = options
    return summary
  }

  /** Changes to what was read and checked elsewhere; as `apply` does, and throws what it throws. */
  async adoptResolution({ config, warnings }: Resolution): Promise<ChangeSummary> {
    const summary = await this.change(config)
    this.#warn(warnings)
    return summary
  }

  backend(name: string): BackendHandle {
    return { setEndpoints: endpoints => this.fleet.setEndpoints(name, this.#addressesOf(name, endpoints)) }
  }

  /** @throws ConfigError; RangeError for a backend that is not there */
  #addressesOf(name: string, endpoints: readonly EndpointOptions[]): readonly DialAddress[] {
    const backend = Object.hasOwn(this.#options.backends ?? {}, name) ? this.#options.backends?.[name] : undefined
    if (backend === undefined) throw new RangeError(`the proxy has no backend ${JSON.stringify(name)}`)
    // A configuration without endpoints is a mistake; a fleet may have none for a while.
    if (endpoints.length === 0) return []
    const { config } = resolveConfig({ backends: { [name]: { ...backend, source: undefined, endpoints } } })
    return config.backends[name]!.endpoints
  }
}

/** Without `log` and `logger` a library has little to say on its host's standard output. */
export function resolveOptions(options: ProxyOptions): Resolution {
  const quiet = options.log === undefined && options.logger === undefined
  return resolveConfig(quiet ? { ...options, log: { level: 'warn' } } : options)
}
