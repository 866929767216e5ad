/**
 * How much of a proxy's calls stays in its own locality (a zone, a region), and where the rest goes.
 *
 * Calls come from everywhere. If each locality had as much to do as it has endpoints, all calls could stay where they
 * are. Where a locality has fewer, its endpoints would drown; so only as much stays as they can take, and the rest goes
 * to the localities that have more endpoints than calls. This is the idea of Envoy's zone aware routing, with one
 * difference: a proxy here does not know the other proxies. It takes for granted that each locality sends the same, or
 * is told which part of all calls comes from its own.
 */
import { HEADROOM } from './priority.ts'

export interface LocalitySettings {
  /** Where this proxy runs. */
  readonly own: string
  /** Which part of all calls to the backend comes from there; undefined: each locality sends the same. */
  readonly share?: number | undefined
}

/**
 * @param usable the weights of the endpoints that can be used in each locality, the own one among them
 * @returns the part of this proxy's calls for each; together 1
 */
export function localityShares(
  usable: ReadonlyMap<string, number>,
  { own, share = 1 / usable.size }: LocalitySettings,
): ReadonlyMap<string, number> {
  let sum = 0
  for (const weight of usable.values()) sum += weight
  const kept = keptShare((usable.get(own) ?? 0) / sum, share)
  if (kept === 1) return new Map([[own, 1]])
  const others = [...usable.keys()].filter(name => name !== own)
  const sends = (1 - share) / others.length
  const spare = others.map(name => Math.max(usable.get(name)! / sum - sends, 0))
  const spares = spare.reduce((all, one) => all + one, 0)
  const shares = new Map([[own, kept]])
  others.forEach((name, i) => {
    shares.set(name, ((1 - kept) * spare[i]!) / spares)
  })
  return shares
}

/**
 * The endpoints take their fair part of all calls, or `HEADROOM` times as much before any call leaves.
 * @param has the own locality's part of all that can be used
 * @param sends its part of all calls
 */
function keptShare(has: number, sends: number): number {
  return Math.min(1, (HEADROOM * has) / sends)
}
