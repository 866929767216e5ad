/**
 * The endpoints of a backend, as its source told them last, and their balancer. Of each new list some are kept, with
 * their sessions; some are new; and those that are not on it any more finish the calls that they have.
 */
import type { Balancer, MakeBalancer } from './balance/balancer.ts'
import type { Endpoint, EndpointOptions } from './endpoint.ts'
import type { EndpointSource, EndpointSpec } from './endpoint-source.ts'

/** What a set asks and tells its backend. */
export interface EndpointSetOwner {
  makeEndpoint(spec: EndpointSpec): Endpoint
  /** There are others, or there is another reason for having none: those that wait should be placed again. */
  onEndpointsChanged(): void
}

export interface OpenAtEndpoints {
  readonly sessions: number
  readonly streams: number
}

/** A list that comes after none begins with its first endpoint. */
const FROM_THE_FIRST = () => 0

export class EndpointSet {
  /** Those that take calls, in the order of the source. */
  all: readonly Endpoint[] = []
  balancer: Balancer
  /** Those that finish what they have. */
  readonly #leaving = new Set<Endpoint>()
  readonly #makeBalancer: MakeBalancer
  readonly #random: () => number
  readonly #owner: EndpointSetOwner
  #source: EndpointSource | undefined
  /** There was a list once. */
  #known = false
  /** Why there was none. */
  #error: string | undefined

  constructor(makeBalancer: MakeBalancer, random: () => number, owner: EndpointSetOwner) {
    this.#makeBalancer = makeBalancer
    this.#random = random
    this.#owner = owner
    this.balancer = makeBalancer(this.all, FROM_THE_FIRST)
  }

  /** What this source tells, holds from now on; until it does, what the one before told last. */
  follow(source: EndpointSource): void {
    if (this.#source === source) return
    this.#source?.close()
    this.#source = source
    source.start({
      onEndpoints: all => this.#source === source && this.replace(all),
      onError: reason => this.#source === source && this.#onError(reason),
    })
  }

  /** No source tells anything any more. */
  unfollow(): void {
    this.#source?.close()
    this.#source = undefined
  }

  /** There may be other endpoints by now. */
  refresh(): void {
    this.#source?.refresh()
  }

  #onError(reason: string): void {
    if (this.#known) return
    this.#error = reason
    this.#owner.onEndpointsChanged()
  }

  /** All that there are from now on. Of two with one key the first counts. */
  replace(specs: readonly EndpointSpec[]): void {
    this.#known = true
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
      all.set(key, kept ?? this.#owner.makeEndpoint(spec))
    }
    if (changed || gone.size > 0) {
      this.all = [...all.values()]
      this.balancer = this.#makeBalancer(this.all, before.length === 0 ? FROM_THE_FIRST : this.#random)
      for (const endpoint of this.all) endpoint.keepReady()
      for (const endpoint of gone.values()) this.#retire(endpoint)
    }
    this.#owner.onEndpointsChanged()
  }

  async #retire(endpoint: Endpoint): Promise<void> {
    this.#leaving.add(endpoint)
    await endpoint.retire()
    this.#leaving.delete(endpoint)
  }

  update(options: EndpointOptions): void {
    for (const endpoint of this.all) endpoint.update(options)
  }

  /** Whether calls must wait until a source has said which endpoints there are. */
  get isUnknown(): boolean {
    return !this.#known && this.#error === undefined
  }

  /** Why none of them takes a call. */
  get whyUnreachable(): string {
    if (this.all.length === 0) return this.#error ?? 'the backend has no endpoints'
    return this.all.map(({ address, lastError }) => `${address.name}: ${lastError}`).join('; ')
  }

  /** One of them has a session, or may get one. */
  get hopeful(): boolean {
    return this.all.some(endpoint => endpoint.state === 'ready' || endpoint.promising)
  }

  /** Those that are leaving count until they are gone. */
  get open(): OpenAtEndpoints {
    const open = { sessions: 0, streams: 0 }
    for (const { sessionCount, streamCount } of [...this.all, ...this.#leaving]) {
      open.sessions += sessionCount
      open.streams += streamCount
    }
    return open
  }

  /** All leave. Resolves when the last session is gone. */
  async retire(): Promise<void> {
    await Promise.all([...this.all, ...this.#leaving].map(endpoint => endpoint.retire()))
  }

  /** Ends all sessions. Resolves when the last is gone. */
  async close(): Promise<void> {
    await Promise.all([...this.all, ...this.#leaving].map(endpoint => endpoint.close()))
  }
}

/** What balancers go by is the same. */
function isBalancedAlike(one: EndpointSpec, other: EndpointSpec): boolean {
  return one.weight === other.weight && one.locality === other.locality && one.priority === other.priority
}
