/**
 * The endpoints of a backend, as the source told them last, and their balancer. When a new list comes, endpoints that
 * were on the old one keep their sessions, new ones are made, and those that are missing finish their calls.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Balancer } from './balance/balancer.ts'
import { type BalancerSettings, makerOf } from './balance/kinds.ts'
import type { Endpoint } from './endpoint.ts'
import type { EndpointSource, EndpointSpec, SourceProblem } from './endpoint-source.ts'
import type { BackendContext, BackendSettings } from './settings.ts'
import { Watches } from './watches.ts'

/** What a set needs of its backend. */
export interface EndpointSetOwner {
  readonly name: string
  makeEndpoint(spec: EndpointSpec): Endpoint
  /** The list has changed, or the reason why there is none. Calls that wait should be placed again. */
  onEndpointsChanged(): void
  /** Asks for `settle` at the end of this turn. */
  askForTurn(): void
}

export interface OpenAtEndpoints {
  readonly sessions: number
  readonly streams: number
}

export class EndpointSet {
  /** The endpoints, in the order of the source. */
  all: readonly Endpoint[] = []
  /** Those that calls go to now. */
  inUse: readonly Endpoint[] = []
  /** Which of them should be used has changed in this turn. */
  #stale = false
  readonly #watches: Watches
  balancer: Balancer
  /** Endpoints that have left and still finish their calls. */
  readonly #leaving = new Set<Endpoint>()
  #settings: BalancerSettings | undefined
  readonly #context: BackendContext
  readonly #owner: EndpointSetOwner
  #source: EndpointSource | undefined
  /** There has been a list. */
  #known = false
  /** What the source has said last, besides a list. */
  sourceProblem: SourceProblem | undefined

  constructor(settings: BackendSettings, context: BackendContext, owner: EndpointSetOwner) {
    this.#settings = settings.balancer
    this.#context = context
    this.#owner = owner
    this.#watches = new Watches(settings, context)
    this.balancer = makerOf(settings.balancer)(this.all, context.random, 0)
  }

  /**
   * The first list, and a list after an empty one, begin with their first endpoint, the others anywhere. A list may change
   * often, and in many proxies at the same time: if each began with the first endpoint, that one would get too many calls.
   */
  #balance(isFirst: boolean): void {
    this.#stale = false
    for (const endpoint of this.inUse) endpoint.inUse = false
    const usable = this.all.filter(({ barred }) => !barred)
    // With none left all are used: a wrong judge of health must not be worse than none.
    this.inUse = usable.length === 0 ? this.all : usable
    for (const endpoint of this.inUse) endpoint.inUse = true
    const turn = isFirst ? 0 : Math.floor(this.#context.random() * this.inUse.length)
    this.balancer = makerOf(this.#settings)(this.inUse, this.#context.random, turn)
  }

  /** An endpoint is barred, or is not any more. */
  onUsableChanged(): void {
    if (this.#stale) return
    this.#stale = true
    this.#owner.askForTurn()
  }

  /** Once for all that has changed in a turn. */
  settle(): void {
    if (!this.#stale) return
    this.#balance(false)
    this.#owner.onEndpointsChanged()
  }

  onConnectFailed(endpoint: Endpoint): void {
    this.#watches.onConnectFailed(endpoint)
    this.refresh()
  }

  /** Listens to this source from now on. Until it has told a list, the list of the one before stays. */
  follow(source: EndpointSource): void {
    if (this.#source === source) return
    this.#source?.close()
    this.#source = source
    this.sourceProblem = undefined
    source.start({
      onEndpoints: (all, remark) => this.#source === source && this.#onEndpoints(all, remark),
      onError: reason => this.#source === source && this.#onError(reason),
    })
  }

  /** Listens to no source any more. */
  unfollow(): void {
    this.#source?.close()
    this.#source = undefined
  }

  /** The list may have changed: the source should look again. */
  refresh(): void {
    this.#source?.refresh()
  }

  #onEndpoints(all: readonly EndpointSpec[], remark: string | undefined): void {
    this.#say(remark === undefined ? undefined : { kind: 'partial', text: remark })
    this.replace(all)
  }

  /** The last list stays. */
  #onError(reason: string): void {
    if (this.#say({ kind: 'lost', text: reason }) && !this.#known) this.#owner.onEndpointsChanged()
  }

  /** A source may say the same each time that it looks: it is said on once. @returns whether it is new */
  #say(problem: SourceProblem | undefined): boolean {
    const before = this.sourceProblem
    if (problem?.kind === before?.kind && problem?.text === before?.text) return false
    this.sourceProblem = problem
    this.#context.onSourceProblem?.(this.#owner.name, problem)
    return true
  }

  /** Replaces the list. Of two endpoints with the same key the first one counts. */
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
      all.set(key, kept === undefined ? this.#make(spec) : this.#keep(kept, spec))
    }
    if (changed || gone.size > 0) {
      this.all = [...all.values()]
      this.#balance(before.length === 0)
      for (const endpoint of this.all) endpoint.keepReady()
      for (const endpoint of gone.values()) this.#retire(endpoint)
    }
    this.#owner.onEndpointsChanged()
  }

  #make(spec: EndpointSpec): Endpoint {
    const endpoint = this.#owner.makeEndpoint(spec)
    this.#watches.add(endpoint)
    return endpoint
  }

  #keep(endpoint: Endpoint, spec: EndpointSpec): Endpoint {
    endpoint.spec = spec
    endpoint.weight = spec.weight
    return endpoint
  }

  async #retire(endpoint: Endpoint): Promise<void> {
    this.#watches.remove(endpoint)
    this.#leaving.add(endpoint)
    await endpoint.retire()
    this.#leaving.delete(endpoint)
  }

  update(settings: BackendSettings): void {
    const { balancer } = settings
    for (const endpoint of this.all) endpoint.update(settings)
    this.#watches.update(settings)
    if (isDeepStrictEqual(balancer, this.#settings)) return
    this.#settings = balancer
    this.#balance(false)
  }

  /** The source has not told anything, so calls have to wait for it. */
  get isUnknown(): boolean {
    return !this.#known && this.sourceProblem === undefined
  }

  /** Why no endpoint takes a call. */
  get whyUnreachable(): string {
    if (this.all.length === 0) return this.sourceProblem?.text ?? 'the backend has no endpoints'
    return this.all.map(({ address, lastError }) => `${address.name}: ${lastError}`).join('; ')
  }

  /** At least one endpoint has a session or may get one. */
  get hopeful(): boolean {
    return this.inUse.some(endpoint => endpoint.state === 'ready' || endpoint.promising)
  }

  /** Endpoints that have left count until they are gone. */
  get open(): OpenAtEndpoints {
    const open = { sessions: 0, streams: 0 }
    for (const { sessionCount, streamCount } of [...this.all, ...this.#leaving]) {
      open.sessions += sessionCount
      open.streams += streamCount
    }
    return open
  }

  /** All endpoints finish their calls. Resolves when the last session is gone. */
  async retire(): Promise<void> {
    this.#watches.close()
    await Promise.all([...this.all, ...this.#leaving].map(endpoint => endpoint.retire()))
  }

  /** Ends all sessions now. Resolves when the last one is gone. */
  async close(): Promise<void> {
    this.#watches.close()
    await Promise.all([...this.all, ...this.#leaving].map(endpoint => endpoint.close()))
  }
}

/** Nothing has changed that a balancer looks at. */
function isBalancedAlike(one: EndpointSpec, other: EndpointSpec): boolean {
  return one.weight === other.weight && one.locality === other.locality && one.priority === other.priority
}
