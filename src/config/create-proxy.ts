/** The front door of the library. */
import { createLogger } from '../observe/logger.ts'
import { VerbatimProxy } from '../proxy/proxy.ts'
import type { GrpcProxy } from './grpc-proxy.ts'
import { formatProblem, type Problem } from './problems.ts'
import { type ResolvedConfig, resolveConfig } from './resolve.ts'
import type { ProxyOptions } from './schema.ts'

/**
 * Makes a proxy; it connects and listens to nothing yet.
 *
 * ```ts
 * const proxy = createProxy('http://127.0.0.1:50051')
 * const { address } = await proxy.listen({ host: '127.0.0.1', port: 0 })
 * ```
 *
 * @param target one endpoint (`host:port`, `http://…`, `https://…`, `unix:/path`) that gets every
 * call, or the same options as a configuration file, plus `director`, `logger` and endpoints with
 * `connect`. Relative paths start from the working directory. Without `log` and `logger` a library
 * has little to say on its host's standard output: level `warn`, so no access records.
 * @throws ConfigError with everything that is wrong with the options
 */
export function createProxy(target: string | ProxyOptions): GrpcProxy {
  const options: ProxyOptions = typeof target === 'string' ? { backends: { default: { endpoints: [target] } } } : target
  const quiet = options.log === undefined && options.logger === undefined
  const { config, warnings } = resolveConfig(quiet ? { ...options, log: { level: 'warn' } } : options)
  return proxyOf(config, warnings)
}

/** A proxy of a configuration that is resolved already; logs the warnings. */
export function proxyOf(config: ResolvedConfig, warnings: readonly Problem[]): GrpcProxy {
  const logger = config.logger ?? createLogger(config.log)
  for (const warning of warnings) logger.warn(formatProblem(warning))
  return new VerbatimProxy({ ...config, logger })
}
