/**
 * A part of the endpoints for each proxy. A thousand proxies that each connect to a thousand endpoints hold a million
 * sessions, most of them idle; with subsets of 20 they hold 20,000.
 *
 * Which endpoints are a proxy's is found by rendezvous hashing, as in gRFC A68: each pair of a proxy and an endpoint has a
 * score, and a proxy takes those with the highest. So nobody has to agree with anybody, every endpoint is as likely to be
 * taken as any other, and an endpoint that comes or goes changes one entry in the subsets that have it, and none elsewhere.
 *
 * Each level of priority has a subset of its own, or a lower level would have nothing to take over with.
 */
import { hostname } from 'node:os'
import { threadId } from 'node:worker_threads'
import { hashText, mix } from '../../routing/hash.ts'
import type { EndpointSpec } from '../endpoint-source.ts'

export interface SubsetSettings {
  /** How many endpoints of each priority are used. */
  readonly size: number
  /** Proxies with the same one use the same endpoints. Undefined: this process is one by itself. */
  readonly id?: string | undefined
}

/**
 * The processes of one machine must not all have the same endpoints. A process that is started anew has others than the one
 * before: that costs nothing, as its sessions are new in any case. Who wants the same ones each time gives an id.
 */
const THIS_PROCESS = `${hostname()}:${process.pid}:${threadId}`

/** In the order of the list. */
export function subsetOf(
  all: readonly EndpointSpec[],
  { size, id = THIS_PROCESS }: SubsetSettings,
): readonly EndpointSpec[] {
  const levels = Map.groupBy(all, ({ priority }) => priority)
  if ([...levels.values()].every(({ length }) => length <= size)) return all
  const seed = hashText(id)
  const taken = new Set<EndpointSpec>()
  for (const level of levels.values()) for (const spec of bestOf(level, size, seed)) taken.add(spec)
  return all.filter(spec => taken.has(spec))
}

/** An endpoint of weight 0 only finishes its calls. It stays if it was taken, and another one does its work. */
function bestOf(level: readonly EndpointSpec[], size: number, seed: number): readonly EndpointSpec[] {
  const scores = level.map(({ address }) => scoreOf(hashText(address.name), seed))
  const order = Uint32Array.from(level, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b)
  const best: EndpointSpec[] = []
  let left = size
  for (let i = 0; i < order.length && left > 0; i++) {
    const spec = level[order[i]!]!
    best.push(spec)
    if (spec.weight > 0) left--
  }
  return best
}

/** 53 bits, so that two endpoints hardly ever have the same score. */
function scoreOf(endpoint: number, proxy: number): number {
  const high = mix(endpoint ^ Math.imul(proxy, 0x9e3779b1))
  const low = mix(high ^ proxy ^ 0x85ebca6b)
  return high * 2 ** 21 + (low >>> 11)
}
