/** The balancers that a configuration can name. */
import type { MakeBalancer } from './balancer.ts'
import { LeastRequest } from './least-request.ts'
import { PickFirst } from './pick-first.ts'
import { RoundRobin } from './round-robin.ts'
import { WeightedRoundRobin } from './weighted-round-robin.ts'

export type BalancerKind = 'round-robin' | 'least-request' | 'pick-first'

export type BalancerSettings =
  | BalancerKind
  | { readonly kind: 'round-robin' | 'pick-first' }
  /** `choices`: how many endpoints are looked at for a call. */
  | { readonly kind: 'least-request'; readonly choices: number }

/** gRFC A48: two choices are most of what there is to gain. */
export const DEFAULT_CHOICES = 2

export function makerOf(settings: BalancerSettings = 'round-robin'): MakeBalancer {
  const { kind, choices } = {
    choices: DEFAULT_CHOICES,
    ...(typeof settings === 'string' ? { kind: settings } : settings),
  }
  switch (kind) {
    case 'least-request':
      return (endpoints, random) => new LeastRequest(endpoints, choices, random)
    case 'pick-first':
      return endpoints => new PickFirst(endpoints)
    case 'round-robin':
      return (endpoints, random, turn) =>
        new Set(endpoints.map(({ weight }) => weight)).size > 1
          ? new WeightedRoundRobin(endpoints, random, turn)
          : new RoundRobin(endpoints, turn)
  }
}
