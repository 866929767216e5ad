/** Routes with how often they decided, as plain data. */
import type { Director } from '../routing/director.ts'
import type { RouteMatch } from '../routing/match.ts'
import { isRouter, type Route, type WeightedBackend } from '../routing/router.ts'
import type { Page } from './state-page.ts'

/** A route, as it was configured. What it adds to metadata is not told: often it is a credential. */
export interface RouteState {
  /** Its place, from 0. */
  readonly order: number
  readonly match: RouteMatch
  readonly backend?: string
  readonly backends?: readonly WeightedBackend[]
  /** Which calls go to the same of them; `function` for one of code. */
  readonly hashKey?: string | { readonly metadata: string }
  readonly deny?: string
  /** How many calls it has decided, since it has been there as it is. */
  readonly hits: number
}

export function routeStates(director: Director, { first, most }: Page) {
  if (!isRouter(director)) return { routeCount: 0, routes: [] }
  const { routes, hits } = director
  return {
    routeCount: routes.length,
    routes: routes.slice(first, first + most).map((route, i) => stateOfRoute(route, first + i, hits[first + i]!)),
  }
}

function stateOfRoute(
  { match = {}, backend, backends, hashKey, deny }: Route,
  order: number,
  hits: number,
): RouteState {
  return {
    order,
    match,
    ...(backend && { backend }),
    ...(backends && { backends }),
    ...(hashKey && { hashKey: typeof hashKey === 'function' ? 'function' : hashKey }),
    ...(deny && { deny }),
    hits,
  }
}

/** How many calls no route took. */
export function unroutedOf(director: Director): number {
  return isRouter(director) ? director.hits[director.routes.length]! : 0
}
