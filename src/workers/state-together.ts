/** What goes on in several workers, as that of one proxy. */
import type { BackendState, EndpointState } from '../backend/backend-state.ts'
import { MOST_SESSIONS } from '../backend/backend-state.ts'
import type { ProxyState } from '../proxy/state.ts'

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

/**
 * What can be added up is. Of everything else (the settings, the source, why an endpoint is not used) the workers have the
 * same, or one of them found it out before the others: the first that has it tells.
 */
export function stateTogether(
  states: readonly (ProxyState & { readonly worker: number; readonly pid: number })[],
): StateTogether {
  const backends = new Map<string, BackendState>()
  for (const { backends: own } of states) {
    for (const backend of own) {
      // One that was removed finishes its calls beside another of its name.
      const key = `${backend.retiring} ${backend.name}`
      const known = backends.get(key)
      backends.set(key, known === undefined ? backend : backendTogether(known, backend))
    }
  }
  return {
    counts: states.map(({ counts }) => counts).reduce(sumOf),
    backendCount: Math.max(...states.map(({ backendCount }) => backendCount)),
    backends: [...backends.values()],
    workers: states.map(({ worker, pid, counts }) => ({ worker, pid, counts })),
  }
}

function backendTogether(one: BackendState, other: BackendState): BackendState {
  const endpoints = new Map(one.endpoints.map(endpoint => [endpoint.address, endpoint]))
  for (const endpoint of other.endpoints) {
    const known = endpoints.get(endpoint.address)
    endpoints.set(endpoint.address, known === undefined ? endpoint : endpointTogether(known, endpoint))
  }
  return {
    ...one,
    ...((one.sourceProblem ?? other.sourceProblem) && { sourceProblem: one.sourceProblem ?? other.sourceProblem! }),
    calls: one.calls + other.calls,
    waiting: one.waiting + other.waiting,
    sessions: one.sessions + other.sessions,
    totals: sumOf(one.totals, other.totals),
    endpointCount: Math.max(one.endpointCount, other.endpointCount),
    usableCount: Math.min(one.usableCount, other.usableCount),
    endpoints: [...endpoints.values()],
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
