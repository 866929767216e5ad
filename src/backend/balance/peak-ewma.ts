/**
 * The endpoint with the least latency for its calls in flight, of a few that are chosen at random: peak EWMA, as linkerd
 * has it. A call that comes waits behind those that are there, each of which takes as long as a call takes now.
 */
import type { Waiter } from '../client-share.ts'
import type { Endpoint } from '../endpoint.ts'
import type { EndpointWatch } from '../endpoint-watch.ts'
import type { OutcomeListener } from '../outcome.ts'
import type { BalancerContext } from './balancer.ts'
import { callsOf, LeastLoaded } from './least-loaded.ts'
import { PeakLatency } from './peak-latency.ts'

export interface PeakEwmaSettings {
  readonly kind: 'peak-ewma'
  readonly choices: number
  /** In this time 63 % of what was measured is forgotten. */
  readonly decayMs: number
  /** What a new endpoint is thought to take, until it answers. */
  readonly defaultLatencyMs: number
}

export class PeakEwma extends LeastLoaded {
  readonly #context: BalancerContext
  /** The time of this walk. */
  #nowMs = 0

  constructor(endpoints: readonly Endpoint[], choices: number, context: BalancerContext) {
    super(endpoints, choices, context.random)
    this.#context = context
  }

  override first(call: Waiter): Endpoint | undefined {
    this.#nowMs = this.#context.clock.now()
    return super.first(call)
  }

  protected hasLess(one: Endpoint, other: Endpoint): boolean {
    return this.#cost(one) * other.weight < this.#cost(other) * one.weight
  }

  /** A new endpoint gets one call at once, so that it is known: with a guess that is too high it would wait for long. */
  #cost(endpoint: Endpoint): number {
    const calls = callsOf(endpoint)
    const latency = endpoint.known.latency!
    return calls === 0 && !latency.tried ? 0 : latency.costMs(this.#nowMs) * (calls + 1)
  }
}

/** Measures each endpoint, whatever list it is on. */
export class LatencyWatch implements EndpointWatch {
  readonly #settings: PeakEwmaSettings
  readonly #context: Pick<BalancerContext, 'clock'>

  constructor(settings: PeakEwmaSettings, context: Pick<BalancerContext, 'clock'>) {
    this.#settings = settings
    this.#context = context
  }

  watch(endpoint: Endpoint): OutcomeListener {
    const { decayMs, defaultLatencyMs } = this.#settings
    const latency = new PeakLatency(decayMs, defaultLatencyMs, this.#context.clock.now())
    endpoint.known.latency = latency
    return latency
  }
}
