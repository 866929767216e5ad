/** How evenly the calls of many proxies are spread over many endpoints, and how many sessions that takes. */
import type { BalancerSettings } from '../../src/backend/balance/kinds.ts'
import { Fleet, type FleetOptions, Tally } from './fleet.ts'

export interface Spread {
  readonly balancer: string
  /** Endpoints that each proxy uses; undefined: all. */
  readonly subset: number | undefined
  /** Of all proxies together. */
  readonly sessions: number
  /** The calls of the endpoint that has most, for each that it would have if all had the same; and that has least. */
  readonly mostToMean: number
  readonly leastToMean: number
  readonly calls: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly failed: number
}

/** Until all proxies have begun, the sessions are there and queues have their usual length. */
export const SETTLE_MS = 4_000

export function nameOf(balancer: BalancerSettings): string {
  return typeof balancer === 'string' ? balancer : balancer.kind
}

/** @param measuredMs of simulated time */
export function spread(options: FleetOptions, measuredMs: number): Spread {
  const fleet = new Fleet(options)
  fleet.run(SETTLE_MS)
  const before = new Map([...fleet.servers.values()].map(server => [server, server.answered]))
  fleet.tally = new Tally()
  fleet.run(measuredMs)
  const { latency, failed } = fleet.tally
  const answered = [...before].map(([server, count]) => server.answered - count)
  const calls = answered.reduce((sum, count) => sum + count, 0)
  const mean = calls / answered.length
  return {
    balancer: nameOf(options.balancer),
    subset: options.subset,
    sessions: fleet.sessions,
    mostToMean: Math.max(...answered) / mean,
    leastToMean: Math.min(...answered) / mean,
    calls,
    p50Ms: latency.getValueAtPercentile(50) / 1_000,
    p99Ms: latency.getValueAtPercentile(99) / 1_000,
    failed,
  }
}
