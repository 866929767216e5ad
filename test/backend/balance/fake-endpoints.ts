/** Endpoints as a balancer sees them, without sessions. */
import type { Balancer, BalancerContext, MakeBalancer } from '../../../src/backend/balance/balancer.ts'
import { type BalancerSettings, balancerWatch, makerOf } from '../../../src/backend/balance/kinds.ts'
import type { Waiter } from '../../../src/backend/client-share.ts'
import type { Endpoint } from '../../../src/backend/endpoint.ts'
import type { Outcome, OutcomeListener } from '../../../src/backend/outcome.ts'
import { seededRandom } from '../../../src/bench/random.ts'
import { FakeClock } from '../../support/fake-clock.ts'

export class FakeEndpoint {
  readonly name: string
  readonly address: { readonly name: string }
  readonly spec: { readonly key: string }
  weight: number
  inFlight = 0
  awaited = 0
  failing = false
  readonly known: Endpoint['known'] = {}
  /** What its balancer wants to hear. */
  listener: OutcomeListener | undefined

  constructor(name: string, weight = 1) {
    this.name = name
    this.address = { name }
    this.spec = { key: JSON.stringify([name]) }
    this.weight = weight
  }
}

export interface FakeCall {
  readonly endpoint: FakeEndpoint
  readonly startMs: number
}

/** A balancer of fake endpoints, under a clock and with chances of its own. */
export class BalancerRig {
  readonly clock = new FakeClock()
  readonly random: () => number
  readonly context: BalancerContext
  readonly endpoints: FakeEndpoint[]
  readonly #make: MakeBalancer
  balancer: Balancer

  constructor(settings: BalancerSettings, weights: readonly number[], seed = 1) {
    this.random = seededRandom(seed)
    this.context = { clock: this.clock, random: this.random }
    this.endpoints = weights.map((weight, i) => new FakeEndpoint(`10.0.${i >> 8}.${i & 255}:50051`, weight))
    const watch = balancerWatch(settings, this.context)
    for (const endpoint of this.endpoints) endpoint.listener = watch?.watch(endpoint as unknown as Endpoint)
    this.#make = makerOf(settings)
    this.balancer = this.build(this.endpoints, 0)
  }

  build(endpoints: readonly FakeEndpoint[], turn: number): Balancer {
    return this.#make(endpoints as unknown as readonly Endpoint[], this.context, turn)
  }

  /** A balancer of this list from now on; as in a backend it begins anywhere. */
  rebuild(endpoints: readonly FakeEndpoint[] = this.endpoints): void {
    this.balancer = this.build(endpoints, Math.floor(this.random() * endpoints.length))
  }

  /** A call whose key has this hash; by default any. */
  first(hash = Math.floor(this.random() * 2 ** 31)): FakeEndpoint | undefined {
    return this.balancer.first({ hash } as Waiter) as unknown as FakeEndpoint | undefined
  }

  next(): FakeEndpoint | undefined {
    return this.balancer.next() as unknown as FakeEndpoint | undefined
  }

  /** All that a whole walk asks, in its order. */
  walk(hash?: number): FakeEndpoint[] {
    const asked: FakeEndpoint[] = []
    for (let at = this.first(hash); at !== undefined; at = this.next()) asked.push(at)
    return asked
  }

  /** The first that can takes the call. */
  call(hash?: number): FakeCall {
    let at = this.first(hash)
    while (at?.failing === true) at = this.next()
    if (at === undefined) throw new Error('nobody takes the call')
    at.inFlight++
    return { endpoint: at, startMs: this.clock.now() }
  }

  end({ endpoint, startMs }: FakeCall, outcome: Partial<Outcome> = {}): void {
    endpoint.inFlight--
    const endMs = this.clock.now()
    const latencyMs = endMs - startMs
    const headersMs = latencyMs
    if (outcome.headersMs !== -1) endpoint.listener?.onHeaders?.(headersMs, endpoint, false, endMs)
    endpoint.listener?.onEnd?.({ ...SERVED, latencyMs, headersMs, endMs, ...outcome })
  }
}

const SERVED: Outcome = {
  status: 0,
  by: 'backend',
  refused: false,
  trailers: undefined,
  share: {},
  latencyMs: 0,
  headersMs: 0,
  endMs: 0,
}
