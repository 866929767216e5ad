/** The balancers that a configuration can name. */

import { CallHash, type HashKey } from '../../routing/hash-key.ts'
import type { EndpointWatch, WatchContext } from '../endpoint-watch.ts'
import type { BalancerContext, MakeBalancer } from './balancer.ts'
import type { MakeCircle } from './circle.ts'
import { ConsistentHash } from './consistent-hash.ts'
import { DEFAULT_CHOICES } from './least-loaded.ts'
import { LeastRequest } from './least-request.ts'
import { LoadWatch } from './load-watch.ts'
import { Maglev } from './maglev.ts'
import { LatencyWatch, PeakEwma, type PeakEwmaSettings } from './peak-ewma.ts'
import { PickFirst } from './pick-first.ts'
import { ReportedRoundRobin, type ReportedRoundRobinSettings } from './reported-round-robin.ts'
import { Ring } from './ring.ts'
import { RoundRobin } from './round-robin.ts'
import { WeightedRoundRobin } from './weighted-round-robin.ts'

interface HashSettings {
  readonly key: HashKey
  /** How many times its part of the calls in flight an endpoint may have; undefined: any number. */
  readonly boundedLoad?: number
}

/** `choices`: how many endpoints are looked at for a call. */
type FullSettings =
  | { readonly kind: 'round-robin' | 'pick-first' }
  | { readonly kind: 'least-request'; readonly choices: number }
  | PeakEwmaSettings
  | ReportedRoundRobinSettings
  | (HashSettings & { readonly kind: 'ring-hash'; readonly pointsPerWeight: number })
  | (HashSettings & { readonly kind: 'maglev'; readonly tableSize: number })

/** Those that have nothing which must be given. */
export type BalancerName = 'round-robin' | 'least-request' | 'pick-first' | 'peak-ewma' | 'weighted-round-robin'

export type BalancerSettings = BalancerName | FullSettings

/** What they are by their names alone. The numbers of peak EWMA are linkerd's, and those of the weights gRFC A58's. */
export const DEFAULTS = {
  'round-robin': { kind: 'round-robin' },
  'pick-first': { kind: 'pick-first' },
  'least-request': { kind: 'least-request', choices: DEFAULT_CHOICES },
  'peak-ewma': { kind: 'peak-ewma', choices: DEFAULT_CHOICES, decayMs: 10_000, defaultLatencyMs: 30 },
  'weighted-round-robin': {
    kind: 'weighted-round-robin',
    blackoutMs: 10_000,
    expirationMs: 180_000,
    updateMs: 1_000,
    errorPenalty: 1,
  },
} as const satisfies Record<BalancerName, FullSettings>

function full(settings: BalancerSettings = 'round-robin'): FullSettings {
  return typeof settings === 'string' ? DEFAULTS[settings] : settings
}

export function makerOf(given: BalancerSettings | undefined): MakeBalancer {
  const settings = full(given)
  switch (settings.kind) {
    case 'least-request':
      return (endpoints, { random }) => new LeastRequest(endpoints, settings.choices, random)
    case 'peak-ewma':
      return (endpoints, context) => new PeakEwma(endpoints, settings.choices, context)
    case 'pick-first':
      return endpoints => new PickFirst(endpoints)
    case 'weighted-round-robin':
      return (endpoints, context) => new ReportedRoundRobin(endpoints, settings.updateMs, context)
    case 'ring-hash':
      return hashing(settings, (hashes, weights) => new Ring(hashes, weights, settings.pointsPerWeight))
    case 'maglev':
      return hashing(settings, (hashes, weights) => new Maglev(hashes, weights, settings.tableSize))
    case 'round-robin':
      return (endpoints, { random }, turn) =>
        new Set(endpoints.map(({ weight }) => weight)).size > 1
          ? new WeightedRoundRobin(endpoints, random)
          : new RoundRobin(endpoints, turn)
  }
}

function hashing({ boundedLoad }: HashSettings, makeCircle: MakeCircle): MakeBalancer {
  return endpoints => new ConsistentHash(endpoints, makeCircle, boundedLoad)
}

/** What the balancer must know of the attempts at each endpoint; undefined: nothing. */
export function balancerWatch(
  given: BalancerSettings | undefined,
  context: Pick<BalancerContext, 'clock'> & WatchContext,
): EndpointWatch | undefined {
  const settings = full(given)
  if (settings.kind === 'peak-ewma') return new LatencyWatch(settings, context)
  return settings.kind === 'weighted-round-robin' ? new LoadWatch(settings, context) : undefined
}

/** What places a call; undefined: the balancer does not ask for that. */
export function hashFor(given: BalancerSettings | undefined, random: () => number): CallHash | undefined {
  const settings = full(given)
  return 'key' in settings ? new CallHash(settings.key, random) : undefined
}
