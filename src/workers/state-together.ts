/** What goes on in several workers, as that of one proxy. */
import { type BackendState, type EndpointState, MOST_SESSIONS } from '../backend/backend-state.ts'
import { failuresTogether } from '../observe/recent-failures.ts'
import type { ListenerState } from '../proxy/front-state.ts'
import type { ProxyState, StateOptions } from '../proxy/state.ts'
import { MOST_ENDPOINTS, MOST_ON_A_PAGE } from '../proxy/state-page.ts'

/** By the number of the worker. */
export interface StateTogether extends ProxyState {
  readonly workers: readonly WorkerState[]
}

/** One of them. `/state?worker=1` tells all of it. */
export interface WorkerState {
  readonly worker: number
  readonly pid: number
  readonly counts: ProxyState['counts']
}

/** What the workers are asked for, so that any part of the joined lists is there. */
export function askedOfEach(options: StateOptions): StateOptions {
  const { firstSession = 0, mostSessions = USUAL, firstCall = 0, mostCalls = USUAL } = options
  return {
    ...options,
    ...{ firstSession: 0, mostSessions: firstSession + mostSessions },
    ...{ firstCall: 0, mostCalls: firstCall + mostCalls },
  }
}

/** As for one proxy. */
const USUAL = 100

type Told = ProxyState & { readonly worker: number; readonly pid: number }

/**
 * What can be added up is. Of everything else (the settings, the source, why an endpoint is not used) the workers have the
 * same, or one of them found it out before the others.
 * @param states one at least
 */
export function stateTogether(states: readonly [Told, ...Told[]], options: StateOptions): StateTogether {
  const { firstSession = 0, mostSessions = USUAL, firstCall = 0, mostCalls = USUAL, mostFailures = USUAL } = options
  const [first] = states
  const sessions = states.flatMap(state => state.sessions)
  const calls = states.flatMap(state => state.calls).sort((a, b) => (b.ageMs ?? 0) - (a.ageMs ?? 0))
  const failures = failuresTogether(states.flatMap(state => state.failures))
  return {
    counts: states.map(({ counts }) => counts).reduce(sumOf),
    listeners: joined(
      states.flatMap(state => state.listeners),
      listenerKey,
      listenerTogether,
    ),
    routeCount: first.routeCount,
    routes: joined(
      states.flatMap(state => state.routes),
      ({ order }) => order,
      (one, other) => ({
        ...one,
        hits: one.hits + other.hits,
      }),
    ),
    unrouted: states.reduce((sum, { unrouted }) => sum + unrouted, 0),
    backendCount: Math.max(...states.map(({ backendCount }) => backendCount)),
    // One that was removed finishes its calls beside another of its name.
    backends: joined(
      states.flatMap(state => state.backends),
      ({ retiring, name }) => `${retiring} ${name}`,
      backendTogether,
    ),
    sessions: sessions.slice(firstSession, firstSession + Math.min(mostSessions, MOST_ON_A_PAGE)),
    calls: calls.slice(firstCall, firstCall + Math.min(mostCalls, MOST_ON_A_PAGE)),
    failures: failures.slice(0, Math.min(mostFailures, MOST_ON_A_PAGE)),
    workers: states.map(({ worker, pid, counts }) => ({ worker, pid, counts })),
  }
}

/** Those with the same key as one, in the order in which they first came. */
function joined<Thing>(
  all: readonly Thing[],
  keyOf: (one: Thing) => unknown,
  together: (one: Thing, other: Thing) => Thing,
) {
  const byKey = new Map<unknown, Thing>()
  for (const one of all) {
    const key = keyOf(one)
    const known = byKey.get(key)
    byKey.set(key, known === undefined ? one : together(known, one))
  }
  return [...byKey.values()]
}

/** One that drains is beside the one that took its address. */
function listenerKey({ address, draining, transport }: ListenerState): string {
  return `${address} ${draining} ${transport}`
}

function listenerTogether(one: ListenerState, other: ListenerState): ListenerState {
  return { ...one, connections: one.connections + other.connections, sessions: one.sessions + other.sessions }
}

function backendTogether(one: BackendState, other: BackendState): BackendState {
  return {
    ...one,
    ...((one.sourceProblem ?? other.sourceProblem) && { sourceProblem: one.sourceProblem ?? other.sourceProblem! }),
    calls: one.calls + other.calls,
    waiting: one.waiting + other.waiting,
    sessions: one.sessions + other.sessions,
    totals: sumOf(one.totals, other.totals),
    endpointCount: Math.max(one.endpointCount, other.endpointCount),
    usableCount: Math.min(one.usableCount, other.usableCount),
    endpoints: joined([...one.endpoints, ...other.endpoints], ({ address }) => address, endpointTogether).slice(
      0,
      MOST_ENDPOINTS,
    ),
  }
}

function endpointTogether(one: EndpointState, other: EndpointState): EndpointState {
  const lastError = [one.lastError, other.lastError]
    .filter(error => error !== undefined)
    .sort((a, b) => a.agoMs - b.agoMs)[0]
  return {
    // The one that has something against it has more to tell.
    ...(one.usable ? other : one),
    inUse: one.inUse || other.inUse,
    calls: one.calls + other.calls,
    ...(one.callLimit !== undefined && { callLimit: one.callLimit + (other.callLimit ?? 0) }),
    waiting: one.waiting + other.waiting,
    sessionCount: one.sessionCount + other.sessionCount,
    sessions: [...one.sessions, ...other.sessions].slice(0, MOST_SESSIONS),
    ...(lastError && { lastError }),
    totals: sumOf(one.totals, other.totals),
  }
}

/** Of objects with the same fields, all of them numbers. */
function sumOf<Counts extends object>(one: Counts, other: Counts): Counts {
  const added = Object.entries(one).map(([name, value]) => [name, value + (other as Record<string, number>)[name]!])
  return Object.fromEntries(added) as Counts
}
