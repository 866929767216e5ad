/**
 * The interface of load balancing: which endpoint of a list takes the next call.
 *
 * ```
 *   first(call) ─▶ a ── has room ──▶ the call is a's
 *                  └─ full ─▶ next() ─▶ b ── …  ─▶ next() ─▶ undefined: all were asked
 * ```
 *
 * A walk ends as soon as an endpoint takes the call. The next walk begins with `first`. Walks do not overlap, so the
 * balancer itself holds the position, and a walk allocates nothing.
 *
 * A balancer has one list for its whole life. When the list changes, a new balancer is made. So what a list is made of
 * (health, weights, priorities) is worked out once for each change, and never for a call. What must outlive a list, such
 * as measured latency, is kept at the endpoint.
 */
import type { Clock } from '../../transport/clock.ts'
import type { Waiter } from '../client-share.ts'
import type { Endpoint } from '../endpoint.ts'

export interface Balancer {
  /** The endpoint whose turn it is. Undefined: the list is empty. */
  first(call: Waiter): Endpoint | undefined
  /** The endpoint before could not take the call. Undefined: all were asked. */
  next(): Endpoint | undefined
}

export interface BalancerContext {
  readonly clock: Clock
  /** From 0 up to 1. */
  readonly random: () => number
  /** From 0 up to 1: which endpoint of its first list has the first turn. Default: the first. */
  readonly start?: () => number
}

/** @param turn the number of the endpoint that takes turns first, where endpoints take turns */
export type MakeBalancer = (endpoints: readonly Endpoint[], context: BalancerContext, turn: number) => Balancer
