/**
 * The endpoints of a backend, as the source told them last, and their balancer. When a new list comes, endpoints that
 * were on the old one keep their sessions, new ones are made, and those that are missing finish their calls.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Balancer } from './balance/balancer.ts'
import { type BalancerSettings, makerOf } from './balance/kinds.ts'
import type { Endpoint } from './endpoint.ts'
import type { EndpointSource, EndpointSpec, SourceProblem } from './endpoint-source.ts'
import { Totals } from './endpoint-totals.ts'
import { Selection } from './select/selection.ts'
import { type BackendContext, type BackendSettings, sourceOf } from './settings.ts'
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

/** A call that fails tells of so many endpoints: each call tells, and there may be thousands. */
const MOST_REASONS = 10

export class EndpointSet {
  /** The endpoints, in the order of the source. */
  all: readonly Endpoint[] = []
  readonly #byKey = new Map<string, Endpoint>()
  /** Those that calls go to now. */
  inUse: readonly Endpoint[] = []
  /** Which of them should be used has changed in this turn. */
  #stale = false
  readonly #watches: Watches
  readonly #selection: Selection
  balancer: Balancer
  /** Endpoints that have left and still finish their calls. */
  readonly leaving = new Set<Endpoint>()
  /** What had happened at those that are gone. */
  readonly totalsOfGone = new Totals()
  #settings: BalancerSettings | undefined
  readonly #context: BackendContext
  /** For what looks at each call. */
  readonly #ofCalls: BackendContext
  readonly #owner: EndpointSetOwner
  #source: EndpointSource | undefined
  /** Where the list comes from. */
  #origin: Pick<BackendSettings, 'source' | 'endpoints'>
  /** Code has said otherwise since. */
  overridden = false
  /** The last list that the source has told. */
  #told: readonly EndpointSpec[] | undefined
  /** What the source has said last, besides a list. */
  sourceProblem: SourceProblem | undefined

  constructor(settings: BackendSettings, context: BackendContext, owner: EndpointSetOwner) {
    this.#settings = settings.balancer
    this.#origin = originOf(settings)
    this.#context = context
    this.#ofCalls = { ...context, clock: context.turnClock ?? context.clock }
    this.#owner = owner
    this.#watches = new Watches(settings, this.#ofCalls)
    this.#selection = new Selection(settings, context.clock, () => this.#onUsableChanged())
    this.balancer = makerOf(settings.balancer)(this.all, this.#ofCalls, 0)
  }

  /**
   * Each list begins anywhere. It may change often, and in many proxies at the same time: if each began with the first
   * endpoint, that one would get too many calls.
   */
  #balance(isFirst: boolean): void {
    this.#stale = false
    this.inUse = this.#selection.endpoints
    this.balancer = this.#selection.balancer(makerOf(this.#settings), this.#ofCalls, isFirst)
  }

  #onUsableChanged(): void {
    if (this.#stale) return
    this.#stale = true
    this.#owner.askForTurn()
  }

  /** Once for all that has changed in a turn. */
  settle(): void {
    if (!this.#stale) return
    this.#stale = false
    if (!this.#selection.divide(this.all, false)) return
    this.#balance(false)
    this.#owner.onEndpointsChanged()
  }

  /** An endpoint is barred now and was not before, or the other way round. */
  onBarsChanged(endpoint: Endpoint): void {
    this.#selection.onBarsChanged(endpoint)
  }

  /** An endpoint may be reached now and could not be before, or the other way round. */
  onReachChanged(endpoint: Endpoint, isSlow = false): void {
    this.#selection.onReachChanged(endpoint, isSlow)
  }

  onConnectFailed(endpoint: Endpoint): void {
    this.#watches.onConnectFailed(endpoint)
    this.onReachChanged(endpoint)
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
    this.overridden = false
    this.replace(all)
  }

  /** The last list stays. */
  #onError(reason: string): void {
    if (this.#say({ kind: 'lost', text: reason }) && this.#told === undefined) this.#owner.onEndpointsChanged()
  }

  /** A source may say the same each time that it looks: it is said on once. @returns whether it is new */
  #say(problem: SourceProblem | undefined): boolean {
    const before = this.sourceProblem
    if (problem?.kind === before?.kind && problem?.text === before?.text) return false
    this.sourceProblem = problem
    this.#context.onSourceProblem?.(this.#owner.name, problem)
    return true
  }

  /** Replaces the list, until the source tells it again. */
  override(all: readonly EndpointSpec[]): void {
    this.overridden = true
    this.replace(all)
  }

  /** Replaces the list. Of two endpoints with the same key the first one counts. */
  replace(told: readonly EndpointSpec[]): void {
    this.#told = told
    const before = this.all
    const isFirst = before.length === 0
    const all = new Set<Endpoint>()
    const made: Endpoint[] = []
    let changed = false
    for (const spec of this.#selection.of(told)) {
      const kept = this.#byKey.get(spec.key)
      if (kept !== undefined && all.has(kept)) continue
      if (kept === undefined || kept !== before[all.size] || !isBalancedAlike(kept.spec, spec)) changed = true
      if (kept !== undefined) this.#keep(kept, spec)
      else made.push(this.#make(spec, isFirst))
      all.add(kept ?? made.at(-1)!)
    }
    if (changed || all.size < before.length) {
      this.all = [...all]
      this.#selection.divide(this.all, isFirst)
      this.#balance(isFirst)
      for (const endpoint of made) endpoint.keepReady()
      for (const endpoint of before) if (!all.has(endpoint)) this.#retire(endpoint)
    }
    this.#owner.onEndpointsChanged()
  }

  #make(spec: EndpointSpec, isFirst: boolean): Endpoint {
    const endpoint = this.#owner.makeEndpoint(spec)
    this.#byKey.set(spec.key, endpoint)
    this.#watches.add(endpoint)
    this.#selection.add(endpoint, isFirst)
    return endpoint
  }

  #keep(endpoint: Endpoint, spec: EndpointSpec): void {
    const { weight } = endpoint.spec
    endpoint.spec = spec
    if (weight !== spec.weight) this.#selection.reweigh(endpoint)
  }

  async #retire(endpoint: Endpoint): Promise<void> {
    this.#watches.remove(endpoint)
    this.#selection.remove(endpoint)
    this.#byKey.delete(endpoint.spec.key)
    this.leaving.add(endpoint)
    await endpoint.retire()
    this.leaving.delete(endpoint)
    this.totalsOfGone.add(endpoint.totals)
  }

  /** Replaces the settings, the source with them. */
  update(settings: BackendSettings): void {
    const { balancer } = settings
    const told = this.#told
    const isSame = isDeepStrictEqual(balancer, this.#settings)
    this.#settings = balancer
    const isOtherPart = this.#selection.update(settings)
    for (const endpoint of this.all) endpoint.update(settings)
    // A balancer may need what a watch knows, so it is never without.
    this.#watches.update(settings)
    if (this.#selection.divide(this.all, false) || !isSame) this.#balance(false)
    this.#followIfOther(settings)
    if (isOtherPart && told !== undefined && this.#told === told) this.replace(told)
  }

  /** A source that is the same goes on: to begin anew would cost it its knowledge, and its registry a session. */
  #followIfOther(settings: BackendSettings): void {
    const origin = originOf(settings)
    const isSame = !this.overridden && isDeepStrictEqual(origin, this.#origin)
    this.#origin = origin
    if (!isSame) this.follow(sourceOf(settings, this.#context))
  }

  get toldCount(): number {
    return this.#told?.length ?? 0
  }

  /** The source has not told anything, so calls have to wait for it. */
  get isUnknown(): boolean {
    return this.#told === undefined && this.sourceProblem === undefined
  }

  /** Why no endpoint takes a call. */
  get whyUnreachable(): string {
    const { all } = this
    if (all.length === 0) return this.sourceProblem?.text ?? 'the backend has no endpoints'
    const some = all.slice(0, MOST_REASONS).map(whyUnusable).join('; ')
    return all.length > MOST_REASONS ? `${some}; and ${all.length - MOST_REASONS} more` : some
  }

  /** At least one endpoint has a session or may get one. */
  get hopeful(): boolean {
    return this.inUse.some(endpoint => endpoint.state === 'ready' || endpoint.promising)
  }

  /** Endpoints that have left count until they are gone. */
  get open(): OpenAtEndpoints {
    const open = { sessions: 0, streams: 0 }
    for (const { sessionCount, streamCount } of [...this.all, ...this.leaving]) {
      open.sessions += sessionCount
      open.streams += streamCount
    }
    return open
  }

  /** All endpoints finish their calls. Resolves when the last session is gone. */
  async retire(): Promise<void> {
    this.#watches.close()
    this.#selection.close()
    await Promise.all([...this.all, ...this.leaving].map(endpoint => endpoint.retire()))
  }

  /** Ends all sessions now. Resolves when the last one is gone. */
  async close(): Promise<void> {
    this.#watches.close()
    this.#selection.close()
    await Promise.all([...this.all, ...this.leaving].map(endpoint => endpoint.close()))
  }
}

function originOf({ source, endpoints }: BackendSettings): Pick<BackendSettings, 'source' | 'endpoints'> {
  return source === undefined ? { endpoints } : { source, endpoints }
}

/** Nothing has changed that a balancer looks at. */
function isBalancedAlike(one: EndpointSpec, other: EndpointSpec): boolean {
  return one.weight === other.weight && one.locality === other.locality && one.priority === other.priority
}

function whyUnusable({ address, bars, spec, lastError }: Endpoint): string {
  const why = bars.size > 0 ? [...bars.values()].join(', ') : spec.weight === 0 ? 'its weight is 0' : lastError
  return `${address.name}: ${why}`
}
