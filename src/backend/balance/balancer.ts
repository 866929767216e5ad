/**
 * The seam of load balancing: which endpoint of a list takes the next call.
 *
 * ```
 *   first(call) ─▶ a ── has room ──▶ the call is a's
 *                  └─ full ─▶ next() ─▶ b ── …  ─▶ next() ─▶ undefined: all were asked
 * ```
 *
 * A walk is over as soon as somebody takes the call; the next one begins with `first`. It allocates nothing: the
 * balancer itself is where it stands. Walks do not overlap.
 *
 * A balancer knows one list. When the list changes another is made, so that nothing of what makes a list (health,
 * weights, priorities) is asked for a call.
 */
import type { Waiter } from '../client-share.ts'
import type { Endpoint } from '../endpoint.ts'

export interface Balancer {
  /** The endpoint whose turn it is; undefined: there is none at all. */
  first(call: Waiter): Endpoint | undefined
  /** The one before could not take it. Undefined: all were asked. */
  next(): Endpoint | undefined
}

/** @param random from 0 up to 1 */
export type MakeBalancer = (endpoints: readonly Endpoint[], random: () => number) => Balancer
