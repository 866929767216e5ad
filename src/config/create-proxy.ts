/** The front door of the library. */
import { ConfiguredProxy, resolveOptions } from './configured-proxy.ts'
import type { GrpcProxy } from './grpc-proxy.ts'
import type { ProxyOptions } from './options.ts'

/**
 * Makes a proxy. It does not listen yet, and connects only where `sessions.ready` asks for it.
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
  return new ConfiguredProxy(resolveOptions(options))
}
