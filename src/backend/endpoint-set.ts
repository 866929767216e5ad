/** The endpoints of a backend: of each list of its source, those that are kept, new, or to go; and their balancer. */
import type { Balancer, MakeBalancer } from './balance/balancer.ts'
import type { Endpoint } from './endpoint.ts'
import type { EndpointSpec } from './endpoint-source.ts'

/** A list that comes after none begins with its first endpoint. */
const FROM_THE_FIRST = () => 0

export class EndpointSet {
  /** In the order of the source. */
  all: readonly Endpoint[] = []
  balancer: Balancer
  readonly #make: (spec: EndpointSpec) => Endpoint
  readonly #makeBalancer: MakeBalancer
  readonly #random: () => number

  constructor(make: (spec: EndpointSpec) => Endpoint, makeBalancer: MakeBalancer, random: () => number) {
    this.#make = make
    this.#makeBalancer = makeBalancer
    this.#random = random
    this.balancer = makeBalancer(this.all, FROM_THE_FIRST)
  }

  /**
   * All that there are from now on. Of two with one key the first counts.
   * @returns those that are not among them any more
   */
  replace(specs: readonly EndpointSpec[]): Endpoint[] {
    const before = this.all
    const gone = new Map(before.map(endpoint => [endpoint.spec.key, endpoint]))
    const all = new Map<string, Endpoint>()
    let changed = false
    for (const spec of specs) {
      const { key } = spec
      if (all.has(key)) continue
      const kept = gone.get(key)
      gone.delete(key)
      changed ||= kept === undefined || kept !== before[all.size] || !isBalancedAlike(kept.spec, spec)
      if (kept !== undefined) kept.spec = spec
      all.set(key, kept ?? this.#make(spec))
    }
    if (!changed && gone.size === 0) return []
    this.all = [...all.values()]
    this.balancer = this.#makeBalancer(this.all, before.length === 0 ? FROM_THE_FIRST : this.#random)
    return [...gone.values()]
  }

  /** Why none of them takes a call. */
  get lastErrors(): string {
    return this.all.map(({ address, lastError }) => `${address.name}: ${lastError}`).join('; ')
  }

  /** One of them has a session, or may get one. */
  get hopeful(): boolean {
    return this.all.some(endpoint => endpoint.state === 'ready' || endpoint.promising)
  }
}

/** What balancers go by is the same. */
function isBalancedAlike(one: EndpointSpec, other: EndpointSpec): boolean {
  return one.weight === other.weight && one.locality === other.locality && one.priority === other.priority
}
