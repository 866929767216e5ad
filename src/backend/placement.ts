/**
 * Where a call goes: the balancer's endpoints are asked in their order for a session with room. Where none has room, a
 * placement says what the call may wait for.
 */
import type { DialAddress } from '../transport/transport.ts'
import type { Waiter } from './client-share.ts'
import type { Endpoint } from './endpoint.ts'
import type { EndpointSet } from './endpoint-set.ts'
import type { Lease } from './lease.ts'

export class Placement {
  readonly #endpoints: EndpointSet
  /** The endpoint whose turn it was has no session yet, and is dialled. */
  #hope: Endpoint | undefined
  /** An endpoint has sessions, and no room on them. */
  #full = false

  constructor(endpoints: EndpointSet) {
    this.#endpoints = endpoints
  }

  /** A session for the call. If there is none, endpoints that may get one are dialled. */
  find(waiter: Waiter): Lease | undefined {
    if (waiter.tried === undefined) return this.#walk(waiter, undefined)
    // A call that failed somewhere is tried elsewhere, but rather there again than not at all.
    return this.#walk(waiter, waiter.tried) ?? this.#walk(waiter, undefined)
  }

  #walk(waiter: Waiter, without: readonly DialAddress[] | undefined): Lease | undefined {
    const { balancer } = this.#endpoints
    this.#hope = undefined
    this.#full = false
    for (let endpoint = balancer.first(waiter); endpoint !== undefined; endpoint = balancer.next()) {
      if (without?.includes(endpoint.address)) continue
      if (endpoint.failing) {
        endpoint.connect()
        continue
      }
      if (endpoint.limit?.isFullFor(waiter.share, endpoint.inFlight)) {
        this.#full = true
        continue
      }
      const lease = endpoint.room(waiter.share)
      if (lease !== undefined) return lease
      if (endpoint.state === 'ready') {
        // All its streams are taken. It may open one more session, and another endpoint may have room now.
        this.#full = true
        endpoint.connect()
      } else if (endpoint.promising) {
        endpoint.connect()
        this.#hope = endpoint
        return undefined
      }
    }
    if (!this.#full) this.#hope = this.#endpoints.inUse.find(({ promising }) => promising)
    return undefined
  }

  /** After a walk without a lease: whose first session the call should wait for; undefined: room at any endpoint. */
  get hope(): Endpoint | undefined {
    return this.#hope
  }

  /** After a walk without a lease: there is something to wait for. */
  get hopeful(): boolean {
    return this.#hope !== undefined || this.#full || this.#endpoints.isUnknown
  }
}
