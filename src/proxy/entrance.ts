/**
 * What a call meets before it is routed:
 *
 * ```
 *   call ──► the proxy's own health service ──► gates of its listener ──► gates of every call ──► director
 * ```
 */
import type { Director } from '../routing/director.ts'
import type { Gate } from '../routing/gate.ts'
import { listenersByKey } from './front-change.ts'
import { type Asked, OwnHealth } from './own-health.ts'
import type { ProxySetup } from './setup.ts'

export class Entrance {
  readonly #proxy: Asked
  readonly #health: OwnHealth
  /**
   * The gates of listeners, by the name that peers know. Those of a listener that was taken out stay: its clients may still
   * make calls until they have heard of it.
   */
  readonly #byListener = new Map<string, Gate>()

  constructor(proxy: Asked) {
    this.#proxy = proxy
    this.#health = new OwnHealth(proxy)
  }

  /** The director with what stands before it. Undefined: nothing does. */
  to(director: Director, { gate, healthService, listeners }: ProxySetup): Director | undefined {
    const { fleet } = this.#proxy
    const gated = this.#listened(gate?.(director, fleet) ?? director, listeners)
    const whole = healthService === undefined ? gated : this.#health.before(gated)
    return whole === director ? undefined : whole
  }

  #listened(next: Director, listeners: ProxySetup['listeners']): Director {
    for (const [name, { gate }] of listenersByKey(listeners)) {
      if (gate === undefined) this.#byListener.delete(name)
      else this.#byListener.set(name, gate)
    }
    if (this.#byListener.size === 0) return next
    const gated = new Map([...this.#byListener].map(([name, gate]) => [name, gate(next, this.#proxy.fleet)]))
    return call => (gated.get(call.peer.listener ?? '') ?? next)(call)
  }

  drain(): void {
    this.#health.drain()
  }
}
