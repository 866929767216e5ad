/**
 * Turns by what the endpoints report of their load (gRFC A58). One that has not reported yet, or not for long, counts as the
 * mean of those that have. With fewer than two of these all have the same turns.
 */
import type { Waiter } from '../client-share.ts'
import type { Endpoint } from '../endpoint.ts'
import type { BalancerContext } from './balancer.ts'
import type { ReportSettings } from './reported-load.ts'
import { WeightedRoundRobin } from './weighted-round-robin.ts'

export interface ReportedRoundRobinSettings extends ReportSettings {
  readonly kind: 'weighted-round-robin'
}

/** A report weighs no more than so many times the mean, and no less than this part of it, as in gRPC: it may be wrong. */
const MOST_OF_MEAN = 10

export class ReportedRoundRobin extends WeightedRoundRobin {
  readonly #context: BalancerContext
  readonly #updateMs: number
  #nextMs = Number.NEGATIVE_INFINITY

  constructor(endpoints: readonly Endpoint[], updateMs: number, context: BalancerContext) {
    super(endpoints, context.random)
    this.#context = context
    this.#updateMs = updateMs
  }

  override first(call: Waiter): Endpoint | undefined {
    const nowMs = this.#context.clock.now()
    if (nowMs >= this.#nextMs) {
      this.#nextMs = nowMs + this.#updateMs
      this.weigh(weightsAt(this.endpoints, nowMs))
    }
    return super.first(call)
  }
}

function weightsAt(endpoints: readonly Endpoint[], nowMs: number): number[] {
  const reported = endpoints.map(({ known }) => known.load!.weightAt(nowMs))
  const known = reported.filter(weight => weight !== undefined)
  if (known.length < 2) return endpoints.map(({ weight }) => weight)
  const mean = known.reduce((sum, weight) => sum + weight / known.length, 0)
  return endpoints.map(({ weight }, i) => {
    const part = (reported[i] ?? mean) / mean
    return weight * Math.min(Math.max(part, 1 / MOST_OF_MEAN), MOST_OF_MEAN)
  })
}
