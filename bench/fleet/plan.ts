/** What is simulated, at full size and small. */
import type { BalancerSettings } from '../../src/backend/balance/kinds.ts'
import { type Deploy, deploy, type Leaving } from './deploy.ts'
import type { FleetOptions } from './fleet.ts'
import { type Spread, spread } from './spread.ts'

export interface Size {
  readonly proxies: number
  readonly endpoints: number
  readonly subsets: readonly number[]
  /** The subset of the deploys. */
  readonly subset: number
  readonly measuredMs: number
}

export const FULL: Size = { proxies: 1_000, endpoints: 1_000, subsets: [10, 20, 40, 80], subset: 40, measuredMs: 8_000 }

export const BALANCERS = ['round-robin', 'least-request', 'peak-ewma'] as const satisfies readonly BalancerSettings[]

/** Three fifths of what an endpoint can do. */
const USUAL = {
  callsASecondForEach: 30,
  unevenness: 3,
  server: { workers: 2, serviceMs: 40, coldFactor: 5, warmAfterMs: 8_000 },
} as const
const SLOW_START = { windowMs: 8_000, minWeight: 0.1, aggression: 1 }
/** A tenth is replaced at a time. */
const BATCHES = 10
const DEPLOY = { everyMs: 1_500, toldWithinMs: 1_500, slowMs: 1_000 } as const

export function spreads({ subsets, measuredMs, ...size }: Size, seed: number, tell: (text: string) => void): Spread[] {
  return subsets.flatMap(subset =>
    BALANCERS.map(balancer => {
      tell(`${balancer}, subsets of ${subset}`)
      const { proxies, endpoints } = size
      const fleet: FleetOptions = { ...USUAL, proxies, endpoints, balancer, subset, slowStart: undefined, seed }
      return spread(fleet, measuredMs)
    }),
  )
}

export interface Rollout {
  readonly balancer: (typeof BALANCERS)[number]
  readonly slowStart: boolean
  readonly leaving: Leaving
}

export const ROLLOUTS: readonly Rollout[] = [
  { balancer: 'round-robin', slowStart: false, leaving: 'orderly' },
  { balancer: 'round-robin', slowStart: true, leaving: 'orderly' },
  { balancer: 'least-request', slowStart: false, leaving: 'orderly' },
  { balancer: 'least-request', slowStart: true, leaving: 'orderly' },
  { balancer: 'least-request', slowStart: true, leaving: 'goaway' },
  { balancer: 'least-request', slowStart: true, leaving: 'killed' },
]

export function rollout({ proxies, endpoints, subset }: Size, of: Rollout, seed: number): Deploy {
  const { balancer, leaving } = of
  const slowStart = of.slowStart ? SLOW_START : undefined
  const fleet: FleetOptions = { ...USUAL, proxies, endpoints, balancer, subset, slowStart, seed }
  return deploy({ fleet, leaving, batch: Math.ceil(endpoints / BATCHES), ...DEPLOY })
}
