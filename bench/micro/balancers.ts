/**
 * Measures what a balancer costs a call, over 3 and over 100 endpoints: the hash of its key where calls are hashed, the walk,
 * and what those who listen to the attempt do, which is the most of it where the balancer measures. All endpoints are
 * alike and take the call at once, so a walk is one step.
 */

import type { Balancer } from '../../src/backend/balance/balancer.ts'
import { type BalancerSettings, balancerWatch, hashFor, makerOf } from '../../src/backend/balance/kinds.ts'
import type { Waiter } from '../../src/backend/client-share.ts'
import type { Endpoint } from '../../src/backend/endpoint.ts'
import { endpointSpecs } from '../../src/backend/endpoint-source.ts'
import { Outcomes } from '../../src/backend/outcome.ts'
import { seededRandom } from '../../src/bench/random.ts'
import { RoutedCall } from '../../src/call/call-info.ts'
import { readHead } from '../../src/grpc/metadata.ts'
import type { CallHash } from '../../src/routing/hash-key.ts'
import { systemClock } from '../../src/transport/clock.ts'
import type { HeaderBlock } from '../../src/transport/transport.ts'
import { turnClock } from '../../src/transport/turn.ts'
import { BackendRig } from '../../test/backend/rig.ts'
import { block } from '../../test/support/fake-transport.ts'
import type { Case } from './case.ts'

const ENDPOINTS = [3, 100] as const
const CALLS = 512
const PEER = { address: '127.0.0.1:50000', encrypted: false }
const TRAILERS: HeaderBlock = block({ 'grpc-status': '0' })
/** With the load of a call: 100 calls a second at half of what it can do. */
const REPORT: HeaderBlock = block({
  'grpc-status': '0',
  'endpoint-load-metrics-bin': 'MQAAAAAAAFlASQAAAAAAAOA/',
})

interface Scheme {
  readonly name: string
  readonly settings: BalancerSettings
  readonly trailers?: HeaderBlock
}

const KEY = { metadata: 'x-user' } as const
const RING = { kind: 'ring-hash', key: KEY, pointsPerWeight: 256 } as const
const MAGLEV = { kind: 'maglev', key: KEY, tableSize: 65_537 } as const

const SCHEMES: readonly Scheme[] = [
  { name: 'round robin', settings: 'round-robin' },
  { name: 'least request', settings: 'least-request' },
  { name: 'peak EWMA', settings: 'peak-ewma' },
  { name: 'weighted round robin', settings: 'weighted-round-robin', trailers: REPORT },
  { name: 'weighted round robin, no reports', settings: 'weighted-round-robin' },
  { name: 'ring hash', settings: RING },
  { name: 'ring hash, bounded load', settings: { ...RING, boundedLoad: 1.25 } },
  { name: 'Maglev', settings: MAGLEV },
  { name: 'Maglev by client address', settings: { ...MAGLEV, key: 'client-address' } },
]

export class BalanceCase implements Case {
  readonly name: string
  readonly unit = 'call'
  readonly perRun = CALLS
  readonly yields = CALLS
  readonly #balancer: Balancer
  readonly #hash: CallHash | undefined
  readonly #calls: readonly RoutedCall[]
  readonly #trailers: HeaderBlock
  readonly #waiter = { hash: 0 } as Waiter & { hash: number }

  constructor({ name, settings, trailers = TRAILERS }: Scheme, count: number) {
    this.name = `${name}, ${count} endpoints`
    // As in a proxy: the calls of a turn share a time. A call alone in its turn reads the clock three times, 50 ns each.
    const clock = turnClock(systemClock)
    const context = { clock, random: seededRandom(1) }
    const endpoints = endpointsOf(count)
    const watch = balancerWatch(settings, context)
    for (const endpoint of endpoints) {
      const listener = watch?.watch(endpoint)
      if (listener !== undefined) endpoint.outcomes = new Outcomes(clock, [listener])
    }
    this.#balancer = makerOf(settings)(endpoints, context, 0)
    this.#hash = hashFor(settings, context.random)
    this.#calls = Array.from({ length: CALLS }, (_, i) => callOf(`user-${i}`))
    this.#trailers = trailers
  }

  /** @returns calls that an endpoint took */
  run(): number {
    let taken = 0
    for (let i = 0; i < CALLS; i++) {
      if (this.#hash !== undefined) this.#waiter.hash = this.#hash.of(this.#calls[i]!)
      const endpoint = this.#balancer.first(this.#waiter)
      if (endpoint === undefined || endpoint.failing) continue
      endpoint.inFlight++
      const attempt = endpoint.outcomes?.begin(PEER)
      attempt?.onHeaders(false)
      attempt?.answered(0, this.#trailers)
      endpoint.inFlight--
      taken++
    }
    return taken
  }
}

/** Not connected; nobody dials them. */
function endpointsOf(count: number): readonly Endpoint[] {
  const { backend } = new BackendRig({ endpoints: '' })
  backend.setEndpoints(
    endpointSpecs(
      Array.from({ length: count }, (_, i) => ({
        name: `10.0.0.${i}:50051`,
        tcp: { host: `10.0.0.${i}`, port: 50_051 },
      })),
    ),
  )
  return backend.endpoints
}

function callOf(user: string): RoutedCall {
  const fields = block({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': '/acme.greeter.v1.Greeter/SayHello',
    ':authority': 'greeter.example.com',
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'grpc-node-js/1.14.0',
    'x-user': user,
  })
  return new RoutedCall(readHead(fields), fields, PEER)
}

export function cases(): readonly BalanceCase[] {
  return ENDPOINTS.flatMap(count => SCHEMES.map(scheme => new BalanceCase(scheme, count)))
}
