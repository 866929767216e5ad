/**
 * What bounds a proxy as a whole, divided among its workers: together they have what the configuration says. What bounds one
 * connection, one call or one client is the same in each of them.
 */
import type { ProxySetup } from '../proxy/setup.ts'

type BackendSetup = ProxySetup['backends'][string]

/** With less a worker could not even take what a session's first windows promise. */
const LEAST_BUFFERED_BYTES = 1_048_576
/** Some two hundred lines of calls. */
const LEAST_LOG_BYTES = 65_536

/** @param number of the worker, from 1 */
export function shareOf(setup: ProxySetup, number: number, count: number): ProxySetup {
  const part = (whole: number, least = 1) => partOf(whole, number, count, least)
  const { limits, log, backends } = setup
  return {
    ...setup,
    log: { ...log, maxBufferedBytes: part(log.maxBufferedBytes, LEAST_LOG_BYTES) },
    limits: {
      ...limits,
      maxClientSessions: part(limits.maxClientSessions),
      maxBufferedBytes: part(limits.maxBufferedBytes, LEAST_BUFFERED_BYTES),
      // The default follows from the heap, which each worker has for itself.
      ...(limits.maxCallBytes !== undefined && { maxCallBytes: part(limits.maxCallBytes, LEAST_BUFFERED_BYTES) }),
    },
    backends: Object.fromEntries(
      Object.entries(backends).map(([name, backend]) => [name, backendShare(backend, part)]),
    ),
  }
}

type Part = (whole: number) => number

function backendShare(backend: BackendSetup, part: Part): BackendSetup {
  const { sessions, queue, breaker, endpointLimit } = backend
  const { max, maxDraining, reserve, apart, ready } = sessions
  return {
    ...backend,
    sessions: {
      ...sessions,
      ...{ max: part(max), maxDraining: part(maxDraining) },
      ...{ reserve: part(reserve), apart: part(apart), ready: part(ready) },
    },
    queue: { ...queue, maxCalls: part(queue.maxCalls) },
    ...(breaker && { breaker: partOfEach(breaker, part) }),
    ...(endpointLimit && { endpointLimit: endpointShare(endpointLimit, part) }),
  }
}

function endpointShare(limit: NonNullable<BackendSetup['endpointLimit']>, part: Part): typeof limit {
  if ('maxCalls' in limit) return { ...limit, maxCalls: part(limit.maxCalls) }
  return { ...limit, min: part(limit.min), max: part(limit.max) }
}

function partOfEach<Numbers extends object>(numbers: Numbers, part: Part): Numbers {
  const parts = Object.entries(numbers).map(([name, whole]) => [name, whole === undefined ? undefined : part(whole)])
  return Object.fromEntries(parts) as Numbers
}

/** Parts differ by one at most. What is 0 stays 0; of everything else each worker has something, or it would serve nobody. */
function partOf(whole: number, number: number, count: number, least: number): number {
  if (whole === 0) return 0
  return Math.max(least, Math.floor(whole / count) + (number <= whole % count ? 1 : 0))
}
