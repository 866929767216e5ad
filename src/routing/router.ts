/**
 * The declarative router: a list of routes as a director. The first route that matches decides.
 *
 * Routes are indexed by exact service, else by exact authority, so that a call looks at few of a thousand; routes with
 * neither (prefixes, metadata alone), and those of one service, are tried one by one, some 30 ns each
 * (bench/micro/router.ts). The indexes keep the order of the list, so "first match wins" holds across them.
 */
import { hostEndOf, normalAuthority } from '../grpc/authority.ts'
import { GrpcError, type StatusName } from '../grpc/status.ts'
import type { CallInfo, CallPriority, Director, Target } from './director.ts'
import type { MetadataChanges } from './field-changes.ts'
import type { Gate } from './gate.ts'
import type { HashKey } from './hash-key.ts'
import { type AskedHost, compileMatch, type Matcher, matches, type RouteMatch } from './match.ts'
import { changesOf } from './metadata-changes.ts'
import { type CallPolicy, policyOf } from './policy.ts'
import type { Services } from './services.ts'
import { WeightedTargets } from './weighted.ts'

/** A rule: what a call must look like (`match`), and exactly one of `backend`, `backends` and `deny`. */
export interface Route extends CallPolicy, MetadataChanges {
  /** Without it the rule takes every call. */
  readonly match?: RouteMatch
  readonly backend?: string
  /** Calls are spread in proportion to the weights, which are positive and of any sum: at random, or by `hashKey`. */
  readonly backends?: readonly WeightedBackend[]
  /** Calls with the same key go to the same one of `backends`. A call without it may go to any. */
  readonly hashKey?: HashKey | undefined
  /** The call is refused with this status. */
  readonly deny?: StatusName
  /** The `grpc-message` that goes with `deny`. */
  readonly message?: string
  /** Replaces `:authority` on the way to the backend. */
  readonly rewriteAuthority?: string
  /** Which calls give way first when many wait for the backend. */
  readonly priority?: CallPriority | undefined
  /** What a call must pass before it goes to the backend. */
  readonly gate?: Gate | undefined
  /** Added to the request; a name that the client sent too is replaced. */
  readonly addMetadata?: Readonly<Record<string, string | readonly string[]>>
}

export interface WeightedBackend {
  readonly backend: string
  readonly weight: number
}

export interface RouterOptions {
  /** At least 0 and less than 1, like `Math.random`, which is the default. */
  readonly random?: () => number
  /** For the gates of routes. */
  readonly services?: Services
}

/** A director that counts how often each of its routes decided. */
export interface Router extends Director {
  readonly routes: readonly Route[]
  /** By the place of the route; the last one counts the calls that no route took. */
  readonly hits: Float64Array
}

/** Routes of `next` that were in `before` as they are go on with what was counted there. */
export function continueHits(before: Director, next: Director): void {
  if (!isRouter(before) || !isRouter(next)) return
  const counted = new Map(before.routes.map((route, i) => [JSON.stringify(route), before.hits[i]!]))
  for (const [i, route] of next.routes.entries()) {
    const key = JSON.stringify(route)
    // Of two that are equal the second takes no calls.
    next.hits[i]! += counted.get(key) ?? 0
    counted.delete(key)
  }
  next.hits[next.routes.length]! += before.hits[before.routes.length]!
}

export function isRouter(director: Director): director is Router {
  return 'hits' in director
}

/**
 * Makes a synchronous director of `routes`. It allocates nothing per call: the targets it returns
 * and the errors it throws are made here, once.
 * @throws TypeError for a route without exactly one action, or with a weight that is not positive
 */
export function createRouter(routes: readonly Route[], options: RouterOptions = {}): Router {
  const hits = new Float64Array(routes.length + 1)
  return Object.assign(directorOf(routes, hits, options), { routes, hits })
}

function directorOf(routes: readonly Route[], hits: Float64Array, options: RouterOptions): Director {
  const { random = Math.random, services } = options
  const compiled = routes.map((route, order) => compile(route, order, random, services))
  const first = compiled[0]?.action
  if (first !== undefined && takesEveryCall(routes[0]!)) {
    return call => {
      hits[0]!++
      return actOn(first, call)
    }
  }
  const index = buildIndex(compiled)
  // Most calls of a connection name the same authority: so the last one is remembered with the result.
  let asked = NO_HOST

  return call => {
    if (asked.given !== call.authority || asked.encrypted !== call.peer.encrypted)
      asked = askedHost(call.authority, call.peer.encrypted)
    // An authority that is not a host and port can be read in two ways, and could get past a route that looks for one.
    const route = asked.unclear && index.byAuthorities ? undefined : firstMatch(index, call, asked)
    if (route === undefined) {
      hits[routes.length]!++
      return undefined
    }
    hits[route.order]!++
    return actOn(route.action, call)
  }
}

/** An authority as calls give it, and the form that is looked up. */
interface GivenHost extends AskedHost {
  readonly given: string
  readonly encrypted: boolean
  /** It is not a host and port. */
  readonly unclear: boolean
  readonly host: string
}

function askedHost(given: string, encrypted: boolean): GivenHost {
  const normal = normalAuthority(given, encrypted)
  const authority = normal ?? ''
  const hostEnd = hostEndOf(authority)
  return { given, encrypted, unclear: normal === undefined, authority, hostEnd, host: authority.slice(0, hostEnd) }
}

const NO_HOST = askedHost('', false)

/** A proxy with one backend has one such route: it need not look at the call. */
function takesEveryCall({ match }: Route): boolean {
  return match === undefined || Object.values(match).every(condition => condition === undefined)
}

type Action = Ungated | { readonly kind: 'gated'; readonly director: Director }

type Ungated =
  | { readonly kind: 'target'; readonly target: Target }
  | { readonly kind: 'weighted'; readonly targets: WeightedTargets }
  | { readonly kind: 'deny'; readonly error: GrpcError }

interface CompiledRoute {
  /** Place in the list. */
  readonly order: number
  readonly matcher: Matcher
  readonly action: Action
}

/** Each list in the order of the routes. A route is in exactly one of the five. */
interface RouteIndex {
  /** Routes that have only exact services. */
  readonly byService: Map<string, CompiledRoute[]>
  /** The same for routes that deny, in lower case. */
  readonly byLowerService: Map<string, CompiledRoute[]>
  /** Routes that have only exact authorities without a port, and any service or prefixes. */
  readonly byHost: Map<string, CompiledRoute[]>
  /** Routes that have only exact authorities with a port. */
  readonly byAuthority: Map<string, CompiledRoute[]>
  readonly rest: CompiledRoute[]
  /** Whether some route looks at services in lower case. */
  readonly byCase: boolean
  /** Whether some route looks at authorities. */
  readonly byAuthorities: boolean
}

function compile(route: Route, order: number, random: () => number, services: Services | undefined): CompiledRoute {
  const action = compileAction(route, order, random)
  const { gate } = route
  return {
    order,
    matcher: compileMatch(route.match ?? {}, route.deny !== undefined || route.gate !== undefined),
    action: gate === undefined ? action : { kind: 'gated', director: gate(call => decide(action, call), services) },
  }
}

function compileAction(route: Route, order: number, random: () => number): Ungated {
  const given = [route.backend, route.backends, route.deny].filter(action => action !== undefined).length
  if (given !== 1)
    throw new TypeError(`route ${order} needs exactly one of backend, backends and deny, it has ${given}`)
  if (route.deny !== undefined) {
    // All calls that the route refuses share one error, because a stack trace for each call would help an attacker to
    // flood us.
    return { kind: 'deny', error: new GrpcError(route.deny, route.message ?? 'refused by a route of the proxy') }
  }
  const toTarget = targetsOf(route)
  if (route.backend !== undefined) return { kind: 'target', target: toTarget(route.backend) }
  const parts = (route.backends ?? []).map(({ backend, weight }) => {
    if (!(weight > 0 && Number.isFinite(weight))) {
      throw new TypeError(`route ${order}: the weight of ${backend} must be a positive number, it is ${weight}`)
    }
    return { name: backend, weight, target: toTarget(backend) }
  })
  if (parts.length === 0) throw new TypeError(`route ${order}: backends is empty`)
  return { kind: 'weighted', targets: new WeightedTargets(parts, route.hashKey, random) }
}

/** Targets of a route differ in their backends. */
function targetsOf(route: Route): (backend: string) => Target {
  const [policy, changes] = [policyOf(route), changesOf(route)]
  const metadata = route.addMetadata && Object.freeze({ ...route.addMetadata })
  const { rewriteAuthority: authority, priority } = route
  return backend => Object.freeze({ backend, authority, metadata, priority, changes, policy })
}

function buildIndex(routes: readonly CompiledRoute[]): RouteIndex {
  const index: RouteIndex = {
    byService: new Map(),
    byLowerService: new Map(),
    byHost: new Map(),
    byAuthority: new Map(),
    rest: [],
    byCase: routes.some(({ matcher }) => matcher.anyCase && matcher.services !== undefined),
    byAuthorities: routes.some(({ matcher }) => matcher.authorities !== undefined),
  }
  for (const route of routes) {
    const { services, authorities, anyCase } = route.matcher
    if (services?.every(pattern => !pattern.wildcard)) {
      for (const { text } of services) addTo(anyCase ? index.byLowerService : index.byService, text, route)
    } else if (authorities?.every(pattern => !pattern.wildcard && !pattern.withPort)) {
      for (const { text } of authorities) addTo(index.byHost, text, route)
    } else if (authorities?.every(pattern => !pattern.wildcard && pattern.withPort)) {
      for (const { text } of authorities) addTo(index.byAuthority, text, route)
    } else {
      index.rest.push(route)
    }
  }
  return index
}

function addTo(map: Map<string, CompiledRoute[]>, key: string, route: CompiledRoute): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [route])
  else if (list.at(-1) !== route) list.push(route)
}

const NONE: readonly CompiledRoute[] = []

/** Tries the routes of the lists in the order of the configuration, like the last step of a merge sort. */
function firstMatch(index: RouteIndex, call: CallInfo, asked: GivenHost): CompiledRoute | undefined {
  const { service } = call
  const lower = index.byCase ? service.toLowerCase() : service
  const a = index.byService.get(service) ?? NONE
  const b = index.byHost.size === 0 ? NONE : (index.byHost.get(asked.host) ?? NONE)
  const c = index.byAuthority.size === 0 ? NONE : (index.byAuthority.get(asked.authority) ?? NONE)
  const d = index.rest
  const e = index.byLowerService.size === 0 ? NONE : (index.byLowerService.get(lower) ?? NONE)
  let i = 0
  let j = 0
  let k = 0
  let l = 0
  let m = 0
  for (;;) {
    const inA = orderAt(a, i)
    const inB = orderAt(b, j)
    const inC = orderAt(c, k)
    const inD = orderAt(d, l)
    const inE = orderAt(e, m)
    const next = Math.min(inA, inB, inC, inD, inE)
    if (next === Infinity) return undefined
    const route = (
      next === inA ? a[i++] : next === inB ? b[j++] : next === inC ? c[k++] : next === inD ? d[l++] : e[m++]
    )!
    if (matches(route.matcher, call, asked, route.matcher.anyCase ? lower : service)) return route
  }
}

function orderAt(list: readonly CompiledRoute[], at: number): number {
  return at < list.length ? list[at]!.order : Infinity
}

function actOn(action: Action, call: CallInfo): ReturnType<Director> {
  return action.kind === 'gated' ? action.director(call) : decide(action, call)
}

function decide(action: Ungated, call: CallInfo): Target {
  if (action.kind === 'target') return action.target
  if (action.kind === 'deny') throw action.error
  return action.targets.of(call)
}
