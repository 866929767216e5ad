/** What goes on at a backend, as plain data, for people and for programs. */
import type { Backend } from './backend.ts'
import type { Endpoint, PoolName } from './endpoint.ts'
import { type EndpointTotals, Totals } from './endpoint-totals.ts'
import type { Lease } from './lease.ts'
import type { PoolState } from './session-pool.ts'

/** A group of endpoints. */
export interface BackendState {
  readonly name: string
  /** It has been removed, and finishes the calls that it has. */
  readonly retiring: boolean
  /** `round-robin` and its like. */
  readonly balancer: string
  /** `list`, or what it asks: `dns:…`, `srv:…`, `file:…`, or the name of a source of your own. */
  readonly source: string
  /** Why the endpoints are not those that they should be, if that is so. */
  readonly sourceProblem?: SourceProblemState
  /** Calls that have a stream now. */
  readonly calls: number
  /** Calls that wait for one. */
  readonly waiting: number
  readonly sessions: number
  /** Of all endpoints, also those that have left. */
  readonly totals: EndpointTotals
  /** How many the source told; a subset uses fewer. */
  readonly toldCount: number
  /** How many there are here, also those that have left and finish their calls. */
  readonly endpointCount: number
  /** How many of them nothing speaks against. */
  readonly usableCount: number
  /** Some of them, as `state` was asked for. Those that have left come last. */
  readonly endpoints: readonly EndpointState[]
}

export interface SourceProblemState {
  /** `lost`: there is no list, and that from before stays. `partial`: not all of the list is used. */
  readonly kind: 'lost' | 'partial'
  readonly text: string
}

/** One address of a backend. */
export interface EndpointState {
  readonly address: string
  /** Who says that it is there: the backend's source, or `code` after `setEndpoints`. */
  readonly source: string
  /** As its source says. */
  readonly weight: number
  /** With what changes it for a while, such as slow start. */
  readonly effectiveWeight: number
  /** `''` if it is not known. */
  readonly locality: string
  /** 0 is used first. */
  readonly priority: number
  /** Nothing speaks against it. */
  readonly usable: boolean
  /** What speaks against it. */
  readonly reasons: readonly UnusableReason[]
  /** Calls go to it now. In a panic that is so although it is not usable; in another priority it is not although it is. */
  readonly inUse: boolean
  /** Of its shared sessions. */
  readonly state: PoolState
  /** Calls that have a stream there now. */
  readonly calls: number
  /** Most calls that it may have now (`endpointLimit`), if there is a limit. */
  readonly callLimit?: number
  /** Calls that wait for its first session. */
  readonly waiting: number
  readonly sessionCount: number
  /** Those that are ready or finish their calls, at most 16. */
  readonly sessions: readonly SessionState[]
  /** Why the last session, or attempt to have one, ended. */
  readonly lastError?: { readonly text: string; readonly agoMs: number }
  readonly totals: EndpointTotals
}

export interface UnusableReason {
  /**
   * `health`: a health check; `outlier`: how calls ended there; `connect`: it cannot be reached, and `state` says whether
   * the proxy waits before it tries again; `weight`: it is 0; `retiring`: it is not on the list any more.
   */
  readonly by: 'health' | 'outlier' | 'connect' | 'weight' | 'retiring'
  readonly text: string
}

export interface SessionState {
  /** `shared`: for all clients; `reserve`: for those with few calls; `apart`: for one that would harm others. */
  readonly pool: PoolName
  /** It takes no new calls. */
  readonly draining: boolean
  readonly ageMs: number
  readonly streams: number
  /** Streams that may be opened now. */
  readonly room: number
}

/** Usual backends have a few. */
export const MOST_SESSIONS = 16

/** Which endpoints are told, and how texts of strangers are shown. */
export interface StateView {
  readonly first: number
  readonly most: number
  readonly nowMs: number
  readonly shown: (text: string) => string
}

export function stateOfBackend(backend: Backend, view: StateView): BackendState {
  const { set, settings } = backend
  const here = [...set.all, ...set.leaving]
  const totals = new Totals()
  totals.add(set.totalsOfGone)
  let [calls, sessions, usableCount] = [0, 0, 0]
  for (const endpoint of here) {
    totals.add(endpoint.totals)
    calls += endpoint.inFlight
    sessions += endpoint.sessionCount
    if (isUsable(endpoint)) usableCount++
  }
  const { balancer = 'round-robin', source } = settings
  const origin = source === undefined ? 'list' : view.shown(source.name)
  const problem = set.sourceProblem
  const told = here.slice(view.first, view.first + view.most)
  return {
    name: view.shown(backend.name),
    retiring: backend.retired !== undefined,
    balancer: typeof balancer === 'string' ? balancer : balancer.kind,
    source: origin,
    ...(problem && { sourceProblem: { kind: problem.kind, text: view.shown(problem.text) } }),
    calls,
    waiting: backend.waiting,
    sessions,
    totals: { ...totals },
    toldCount: set.toldCount,
    endpointCount: here.length,
    usableCount,
    endpoints: told.map(endpoint => stateOfEndpoint(endpoint, set.overridden ? 'code' : origin, view)),
  }
}

function stateOfEndpoint(endpoint: Endpoint, source: string, view: StateView): EndpointState {
  const { spec, lastEnd } = endpoint
  const reasons = reasonsOf(endpoint).map(({ by, text }) => ({ by, text: view.shown(text) }))
  return {
    address: view.shown(endpoint.address.name),
    source,
    weight: spec.weight,
    effectiveWeight: endpoint.weight,
    locality: view.shown(spec.locality),
    priority: spec.priority,
    usable: reasons.length === 0,
    reasons,
    inUse: endpoint.inUse && !endpoint.retiring,
    state: endpoint.state,
    calls: endpoint.inFlight,
    ...(endpoint.limit && { callLimit: endpoint.limit.maxCalls }),
    waiting: endpoint.awaited,
    sessionCount: endpoint.sessionCount,
    sessions: sessionsOf(endpoint, view),
    ...(lastEnd.atMs !== undefined && {
      lastError: { text: view.shown(lastEnd.reason), agoMs: Math.round(view.nowMs - lastEnd.atMs) },
    }),
    totals: { ...endpoint.totals },
  }
}

/** Nothing speaks against it. Nothing is made for the many that are only counted. */
export function isUsable({ barred, failing, spec, retiring }: Endpoint): boolean {
  return !barred && !failing && spec.weight > 0 && !retiring
}

function reasonsOf(endpoint: Endpoint): UnusableReason[] {
  const reasons: UnusableReason[] = [...endpoint.bars].map(([by, text]) => ({ by, text }))
  if (endpoint.failing) reasons.push({ by: 'connect', text: endpoint.lastError })
  if (endpoint.spec.weight === 0) reasons.push({ by: 'weight', text: 'its weight is 0' })
  if (endpoint.retiring) reasons.push({ by: 'retiring', text: 'it is not on the list any more' })
  return reasons
}

function sessionsOf(endpoint: Endpoint, { nowMs }: StateView): SessionState[] {
  const sessions: SessionState[] = []
  if (endpoint.sessionCount === 0) return sessions
  for (const [pool, { leases }] of endpoint.pools) {
    const add = (draining: boolean) => (lease: Lease) => {
      if (sessions.length < MOST_SESSIONS) sessions.push(stateOfSession(pool, draining, lease, nowMs))
    }
    leases.open.forEach(add(false))
    leases.draining.forEach(add(true))
  }
  return sessions
}

function stateOfSession(pool: PoolName, draining: boolean, lease: Lease, nowMs: number): SessionState {
  const { session, readyMs, free } = lease
  const ageMs = Math.round(nowMs - readyMs)
  return { pool, draining, ageMs, streams: session.streams, room: draining ? 0 : free }
}
