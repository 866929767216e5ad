/**
 * Which calls give way when many wait for a backend. It decides among the calls of one client, and never lets a client have
 * more than another: or all clients would say that all of their calls are critical.
 */
import type { CallPriority } from '../routing/director.ts'

/** A higher number is kept for longer. */
export const SHEDDABLE = 0
export const DEFAULT = 1
export const CRITICAL = 2

/** Part of the queue from which on sheddable calls do not wait, where no other is configured. */
export const DEFAULT_SHED_AT = 0.5

const RANKS: ReadonlyMap<unknown, number> = new Map<CallPriority, number>([
  ['sheddable', SHEDDABLE],
  ['default', DEFAULT],
  ['critical', CRITICAL],
])

/** What is unknown, or no text, is as usual. */
export function rankOf(priority: unknown): number {
  return RANKS.get(priority) ?? DEFAULT
}
