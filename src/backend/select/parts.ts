/**
 * From the endpoints of a backend to those that calls go to, in parts with their shares:
 *
 * ```
 *   endpoints ─▶ without weight 0 ─▶ levels of priority ─▶ without those that are barred ─▶ localities ─▶ parts
 *                                    (each has a share)    (unless the level panics)        (shares of that)
 * ```
 *
 * Nothing here happens for a call: it is done once when something has changed.
 */
import { type Endpoint, UNCHECKED } from '../endpoint.ts'
import { type LocalitySettings, localityShares } from './locality.ts'
import { levelShares } from './priority.ts'

/** What is looked at of an endpoint. */
export type Selectable = Pick<Endpoint, 'spec' | 'barred' | 'bars' | 'failing'>

export interface SelectSettings {
  /** See `levelShares`. */
  readonly panicThreshold: number
  /** Undefined: calls go to all localities alike. */
  readonly locality: LocalitySettings | undefined
}

/** Endpoints that share a part of the calls. */
export interface Group<E extends Selectable = Endpoint> {
  readonly endpoints: readonly E[]
  /** All shares together are 1. 0: for calls that the other groups of this level cannot take. */
  readonly share: number
}

/** Nothing is said of the endpoints that would tell them apart, so all of them are used. Most backends are like that. */
export function areAllAlike(all: readonly Selectable[], { locality }: SelectSettings): boolean {
  if (locality !== undefined || all.length === 0) return false
  const { priority } = all[0]!.spec
  for (const { spec, barred } of all) if (barred || spec.weight === 0 || spec.priority !== priority) return false
  return true
}

/** @returns none where no endpoint may be used */
export function partsOf<E extends Selectable>(all: readonly E[], settings: SelectSettings): readonly Group<E>[] {
  if (areAllAlike(all, settings)) return [{ endpoints: all, share: 1 }]
  const levels = levelsOf(all)
  const measured = levels.map(level => ({ total: totalOf(level), usable: weightOf(level.filter(isUsable)) }))
  const shares = levelShares(measured, settings.panicThreshold)
  const groups = levels.flatMap((level, i) => {
    const { share, panics } = shares[i]!
    if (share === 0) return []
    if (panics) return [{ endpoints: level, share }]
    return inLocalities(level, share, settings.locality)
  })
  if (groups.length > 0) return groups
  // Nothing can be reached, and there is no panic: the first that is not barred may be back the next time.
  const endpoints = levels.map(withoutBarred).find(({ length }) => length > 0)
  return endpoints === undefined ? [] : [{ endpoints, share: 1 }]
}

/** The first level first. An endpoint of weight 0 finishes the calls that it has, and counts nowhere. */
function levelsOf<E extends Selectable>(all: readonly E[]): (readonly E[])[] {
  const some = all.every(({ spec }) => spec.weight > 0) ? all : all.filter(({ spec }) => spec.weight > 0)
  if (some.length === 0) return []
  const { priority } = some[0]!.spec
  if (some.every(({ spec }) => spec.priority === priority)) return [some]
  return [...Map.groupBy(some, ({ spec }) => spec.priority)].sort(([a], [b]) => a - b).map(([, level]) => level)
}

/**
 * Endpoints that nobody has asked yet how they are do not count: a backend that grows from three endpoints to ten has not
 * lost seven. Envoy excludes them likewise, where it is told to (`ignore_new_hosts_until_first_hc`).
 */
function totalOf(level: readonly Selectable[]): number {
  const known = level.some(isUnchecked) ? level.filter(endpoint => !isUnchecked(endpoint)) : level
  return weightOf(known.length === 0 ? level : known)
}

function isUnchecked({ bars }: Selectable): boolean {
  return bars.get('health') === UNCHECKED
}

/** What its source says, and not what it has for a while: an endpoint that warms up can do as much as another. */
function weightOf(endpoints: readonly Selectable[]): number {
  let sum = 0
  for (const { spec } of endpoints) sum += spec.weight
  return sum
}

function isUsable({ barred, failing }: Selectable): boolean {
  return !barred && !failing
}

/** One that cannot be reached stays: calls pass over it, and what asks for it dials it again. */
function withoutBarred<E extends Selectable>(level: readonly E[]): readonly E[] {
  return level.some(({ barred }) => barred) ? level.filter(({ barred }) => !barred) : level
}

function inLocalities<E extends Selectable>(
  level: readonly E[],
  share: number,
  settings: LocalitySettings | undefined,
): readonly Group<E>[] {
  const endpoints = withoutBarred(level)
  if (endpoints.length === 0) return []
  if (settings === undefined) return [{ endpoints, share }]
  // A locality whose endpoints are all barred still sends calls.
  const usable = new Map(level.map(({ spec }) => [spec.locality, 0]))
  for (const endpoint of endpoints)
    if (isUsable(endpoint))
      usable.set(endpoint.spec.locality, usable.get(endpoint.spec.locality)! + endpoint.spec.weight)
  const isPlain = usable.size === 1 || !usable.has(settings.own) || [...usable.values()].every(weight => weight === 0)
  if (isPlain) return [{ endpoints, share }]
  const shares = localityShares(usable, settings)
  const groups = [...Map.groupBy(endpoints, ({ spec }) => spec.locality)].map(([locality, those]) => ({
    endpoints: those,
    share: share * (shares.get(locality) ?? 0),
  }))
  const others = groups.filter(group => group.share === 0).flatMap(group => group.endpoints)
  const sharing = groups.filter(group => group.share > 0)
  return others.length === 0 ? sharing : [...sharing, { endpoints: others, share: 0 }]
}
