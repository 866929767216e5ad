/**
 * What an operator sees at a glance: what goes on now, and how fast, made of what a proxy counts. It is made once a second
 * while somebody looks, and only then; what it compares with is forgotten when nobody does.
 */
import type { BackendState, EndpointState } from '../backend/backend-state.ts'
import type { CallState } from '../call/call-state.ts'
import type { RecentFailure } from '../observe/recent-failures.ts'
import type { Reading } from '../observe/registry.ts'
import type { ListenerState } from './front-state.ts'
import { type ProcessRates, processRates } from './process-rates.ts'
import type { OpenCounts, ProxyState, StateOptions } from './state.ts'
import { type Traffic, trafficBetween } from './traffic.ts'

export interface Overview {
  /** Since the epoch. */
  readonly atMs: number
  readonly counts: OpenCounts
  /** Absent where metrics are off, and before there is anything to compare with. */
  readonly traffic?: Traffic
  readonly process?: ProcessRates
  readonly listeners: readonly ListenerState[]
  readonly backendCount: number
  readonly backends: readonly BackendOverview[]
  /** The oldest first. */
  readonly calls: readonly CallState[]
  /** The latest first. */
  readonly failures: readonly RecentFailure[]
}

export interface BackendOverview extends Omit<BackendState, 'endpoints'> {
  readonly endpoints: readonly EndpointOverview[]
}

/** What of an endpoint fits into a line. */
export interface EndpointOverview
  extends Pick<
    EndpointState,
    ('address' | 'usable' | 'reasons' | 'inUse' | 'state') | ('calls' | 'waiting' | 'sessionCount' | 'lastError')
  > {
  /** Calls that it got of those of its backend, over the last ten seconds; absent where there were none. */
  readonly share?: number
  /** Calls that it got, and those of them that broke, each second. */
  readonly perSecond: number
  readonly brokenPerSecond: number
}

/** Enough for a screen, and so little that a hundred of them are nothing. */
export const OVERVIEW_STATE: StateOptions = {
  ...{ mostEndpoints: 30, mostRoutes: 0, mostSessions: 0, mostCalls: 12, mostFailures: 12 },
}
const MOST_BACKENDS = 50
/** Of all backends together: a line of each takes 250 bytes. */
const MOST_ENDPOINTS = 300
/** Over which latencies and shares are computed: with fewer calls they would jump. */
const WINDOW = 10

/** What was there at one moment. */
interface Moment {
  readonly nowMs: number
  readonly readings: readonly Reading[]
  readonly totals: ReadonlyMap<string, EndpointState['totals']>
}

export class OverviewMaker {
  /** The oldest first. */
  #moments: Moment[] = []

  /** @param nowMs of a clock that never goes back. @param readings none where metrics are off */
  next(state: ProxyState, readings: readonly Reading[], nowMs: number, atMs: number): Overview {
    const moment = { nowMs, readings, totals: totalsOf(state.backends) }
    const [last, first] = [this.#moments.at(-1), this.#moments[0]]
    this.#moments = [...this.#moments.slice(-(WINDOW - 1)), moment]
    const { counts, listeners, backendCount, backends, calls, failures } = state
    const traffic = last && first && trafficBetween(first, last, moment)
    const process = last && processRates(last, moment)
    let left = MOST_ENDPOINTS
    return {
      atMs,
      counts,
      ...(traffic && { traffic }),
      ...(process && { process }),
      listeners,
      backendCount,
      backends: backends.slice(0, MOST_BACKENDS).map(backend => {
        const endpoints = backend.endpoints.slice(0, left)
        left -= endpoints.length
        return { ...backend, endpoints: endpointsOf(backend.name, endpoints, first, last, moment) }
      }),
      calls,
      failures,
    }
  }

  /** Nobody looks any more. */
  forget(): void {
    this.#moments = []
  }
}

function keyOf(backend: string, address: string): string {
  return `${backend}\n${address}`
}

function totalsOf(backends: readonly BackendState[]): Map<string, EndpointState['totals']> {
  return new Map(
    backends.flatMap(({ name, endpoints }) =>
      endpoints.map(({ address, totals }) => [keyOf(name, address), totals] as const),
    ),
  )
}

function endpointsOf(
  backend: string,
  endpoints: readonly EndpointState[],
  first: Moment | undefined,
  last: Moment | undefined,
  now: Moment,
): EndpointOverview[] {
  const sinceThen = (then: Moment | undefined, { address, totals }: EndpointState, of: 'calls' | 'broken') => {
    const before = then?.totals.get(keyOf(backend, address))
    return before === undefined ? 0 : Math.max(0, totals[of] - before[of])
  }
  const seconds = last === undefined ? 1 : Math.max(now.nowMs - last.nowMs, 1) / 1_000
  const all = endpoints.reduce((sum, endpoint) => sum + sinceThen(first, endpoint, 'calls'), 0)
  return endpoints.map(endpoint => {
    const { address, usable, reasons, inUse, state, calls, waiting, sessionCount, lastError } = endpoint
    return {
      ...{ address, usable, reasons, inUse, state, calls, waiting, sessionCount },
      ...(lastError && { lastError }),
      ...(all > 0 && { share: sinceThen(first, endpoint, 'calls') / all }),
      perSecond: sinceThen(last, endpoint, 'calls') / seconds,
      brokenPerSecond: sinceThen(last, endpoint, 'broken') / seconds,
    }
  })
}
