/** A source of endpoints that is not the proxy's: an object given in code. */
import type { EndpointOptions } from './options/endpoints.ts'

/**
 * A source of endpoints of your own, for a registry that the proxy does not know. What it throws and tells wrong harms
 * no call: the endpoints from before stay, and the log says why.
 *
 * ```ts
 * const source: OwnSource = {
 *   start(sink) {
 *     registry.on('change', addresses => sink.onEndpoints(addresses))
 *     registry.on('error', error => sink.onError(error.message))
 *   },
 * }
 * const proxy = createProxy({ backends: { greeter: { source } } })
 * ```
 */
export interface OwnSource {
  /** For logs, messages and the state. Default: `code`. */
  readonly name?: string
  /**
   * A backend listens from now on. It may be called again after `close`: when a change of the configuration needs a new
   * beginning, or for another backend that has the same object.
   */
  start(sink: OwnSourceSink): void | Promise<void>
  /** An endpoint failed, so the list may have changed. At most once a second. */
  refresh?(): void | Promise<void>
  /** The backend does not listen any more. @param sink what `start` was given */
  close?(sink: OwnSourceSink): void | Promise<void>
}

/** Where a source of your own tells what it knows. */
export interface OwnSourceSink {
  /**
   * All endpoints that there are now, as in `endpoints` of a configuration, and checked in the same way. An empty list is
   * taken for a mistake: `setEndpoints([])` is for that.
   */
  onEndpoints(all: readonly EndpointOptions[]): void
  /** The list cannot be had. That from before stays, and the log says the reason once. */
  onError(reason: string): void
}
