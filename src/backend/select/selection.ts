/**
 * Which endpoints of a backend calls go to now, and how the calls are divided among them. It keeps what has to be known
 * for that: who cannot be reached, who warms up, and how the calls were divided the last time.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../../transport/clock.ts'
import type { Balancer, BalancerContext, MakeBalancer } from '../balance/balancer.ts'
import type { Endpoint } from '../endpoint.ts'
import type { EndpointSpec } from '../endpoint-source.ts'
import { DividedBalancer } from './divided.ts'
import type { LocalitySettings } from './locality.ts'
import { areAllAlike, type Group, partsOf } from './parts.ts'
import { DEFAULT_PANIC_THRESHOLD } from './priority.ts'
import { SlowStart, type SlowStartSettings } from './slow-start.ts'
import { type SubsetSettings, subsetOf } from './subset.ts'

/** What of the settings of a backend is about selection. */
export interface SelectionSettings {
  readonly subset?: SubsetSettings | undefined
  readonly locality?: LocalitySettings | undefined
  readonly panicThreshold?: number | undefined
  readonly slowStart?: SlowStartSettings | undefined
}

export class Selection {
  #settings: SelectionSettings
  readonly #onChanged: () => void
  readonly #slowStart: SlowStart
  #parts: readonly Group[] = []
  /** Those that cannot be reached, and whether they failed: their first connect may just be slow. */
  readonly #failing = new Map<Endpoint, boolean>()
  /** Those of the first list that no call has gone to: they come first, and not back, when they may be used. */
  #untried: ReadonlySet<Endpoint> = new Set()
  /** The division depends on who can be reached. */
  #mindsFailing = false
  /** A weight has changed, so the balancers have to be made anew even if the endpoints are the same. */
  #reweighed = true

  /** @param onChanged `divide` may yield something else than the last time */
  constructor(settings: SelectionSettings, clock: Clock, onChanged: () => void) {
    this.#settings = settings
    this.#onChanged = onChanged
    this.#slowStart = new SlowStart(settings.slowStart, clock, () => {
      this.#reweighed = true
      onChanged()
    })
  }

  /** What of a list becomes endpoints. */
  of(specs: readonly EndpointSpec[]): readonly EndpointSpec[] {
    const { subset } = this.#settings
    return subset === undefined ? specs : subsetOf(specs, subset)
  }

  /**
   * Divides the calls among the endpoints.
   * @returns whether anything is different from the last time
   */
  divide(all: readonly Endpoint[], isFirst: boolean): boolean {
    const { panicThreshold = DEFAULT_PANIC_THRESHOLD, locality } = this.#settings
    const before = this.#parts
    const settings = { panicThreshold, locality }
    const parts = partsOf(all, settings)
    this.#mindsFailing = !areAllAlike(all, settings)
    this.#redial()
    if (!this.#reweighed && areAlike(before, parts)) return false
    this.#reweighed = false
    this.#parts = parts
    for (const { endpoints } of before) for (const endpoint of endpoints) endpoint.inUse = false
    for (const { endpoints } of parts) for (const endpoint of endpoints) endpoint.inUse = true
    if (isFirst) this.#untried = new Set(all.filter(({ inUse }) => !inUse))
    return true
  }

  /** Those that calls go to now. */
  get endpoints(): readonly Endpoint[] {
    return this.#parts.length === 1 ? this.#parts[0]!.endpoints : this.#parts.flatMap(({ endpoints }) => endpoints)
  }

  /**
   * Proxies that start together must not all begin with the same endpoint: they would go round in step.
   * @param isFirst it is the first list, or one after an empty one
   */
  balancer(make: MakeBalancer, context: BalancerContext, isFirst: boolean): Balancer {
    const { random, start = () => 0 } = context
    const begin = isFirst ? start : random
    const balancerOf = (endpoints: readonly Endpoint[]) =>
      make(endpoints, context, Math.floor(begin() * endpoints.length))
    if (this.#parts.length === 0) return make([], context, 0)
    if (this.#parts.length === 1) return balancerOf(this.#parts[0]!.endpoints)
    const parts = this.#parts.map(({ endpoints, share }) => ({ balancer: balancerOf(endpoints), share }))
    return new DividedBalancer(parts, begin())
  }

  /** It is on the list now. @param isFirst with all others */
  add(endpoint: Endpoint, isFirst: boolean): void {
    if (!isFirst) this.#begin(endpoint)
  }

  /** It is on the list no more. */
  remove(endpoint: Endpoint): void {
    this.#failing.delete(endpoint)
    this.#slowStart.end(endpoint)
  }

  /** Its source says another weight. */
  reweigh(endpoint: Endpoint): void {
    endpoint.weigh()
    this.#reweighed = true
  }

  #begin(endpoint: Endpoint): void {
    if (this.#slowStart.begin(endpoint)) this.#reweighed = true
  }

  /** It is barred now and was not before, or the other way round. */
  onBarsChanged(endpoint: Endpoint): void {
    // Who was used all the same is warm.
    if (!endpoint.barred && !endpoint.inUse && !this.#untried.has(endpoint)) this.#begin(endpoint)
    this.#onChanged()
  }

  /** A session came, went, or could not be had. @param isSlow it may still come */
  onReachChanged(endpoint: Endpoint, isSlow: boolean): void {
    const before = this.#failing.get(endpoint)
    if (!endpoint.failing) {
      if (before === undefined) return
      this.#failing.delete(endpoint)
      endpoint.redials = false
      if (before) this.#begin(endpoint)
    } else {
      this.#failing.set(endpoint, before === true || !isSlow)
      if (before !== undefined) return
    }
    if (this.#mindsFailing || this.#reweighed) this.#onChanged()
  }

  /** Calls may not go there any more, so it has to be found out in another way when it is back. */
  #redial(): void {
    for (const endpoint of this.#failing.keys()) endpoint.redials = this.#mindsFailing
  }

  /** @returns whether the list should be told anew, since another part of it is used */
  update(settings: SelectionSettings): boolean {
    const before = this.#settings
    this.#settings = settings
    if (!isDeepStrictEqual(before.slowStart, settings.slowStart)) {
      this.#slowStart.update(settings.slowStart)
      this.#reweighed = true
    }
    return !isDeepStrictEqual(before.subset, settings.subset)
  }

  close(): void {
    this.#failing.clear()
    this.#slowStart.close()
  }
}

function areAlike(before: readonly Group[], parts: readonly Group[]): boolean {
  if (before.length !== parts.length) return false
  return parts.every(({ endpoints, share }, i) => {
    const { endpoints: those, share: then } = before[i]!
    if (share !== then || endpoints.length !== those.length) return false
    return endpoints === those || endpoints.every((endpoint, at) => endpoint === those[at])
  })
}
