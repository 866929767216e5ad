/** Backends for directors, without a name in a configuration. */
import type { BackendDefinition } from '../routing/director.ts'
import type { BackendOptions } from './options.ts'
import { resolveConfig } from './resolve.ts'

/**
 * Makes a backend that a director can return. Make it once, not for each call: sessions belong to
 * the object.
 *
 * ```ts
 * const greeter = defineBackend('127.0.0.1:50051')
 * const proxy = createProxy({ director: call => ({ backend: greeter }) })
 * ```
 *
 * @param options one endpoint, or the same options as under `backends` in a configuration
 * @param name for logs and messages; default: the first endpoint, or its source
 * @throws ConfigError with everything that is wrong
 */
export function defineBackend(options: string | BackendOptions, name?: string): BackendDefinition {
  const backend = typeof options === 'string' ? { endpoints: [options] } : options
  const { config } = resolveConfig({ backends: { defined: backend } })
  const resolved = config.backends.defined!
  return { ...resolved, name: name ?? resolved.endpoints[0]?.name ?? resolved.source!.name }
}
