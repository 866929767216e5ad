/** What is open in a proxy, and what it has counted. */
import { type BackendState, stateOfBackend } from '../backend/backend-state.ts'
import type { Fleet, FleetCounts } from '../backend/fleet.ts'
import { type CallState, stateOfCall } from '../call/call-state.ts'
import type { LiveCalls } from '../call/live-calls.ts'
import { shownAuthority, shownPath, shownText } from '../observe/log-fields.ts'
import type { RecentFailure } from '../observe/recent-failures.ts'
import type { Director } from '../routing/director.ts'
import { systemClock } from '../transport/clock.ts'
import type { TimerWheel } from '../transport/timer-wheel.ts'
import type { Front, FrontCounts } from './front.ts'
import { type ClientSessionState, type ListenerState, listenerStates, sessionStates } from './front-state.ts'
import { type RouteState, routeStates, unroutedOf } from './route-state.ts'
import { MOST_ENDPOINTS, MOST_ON_A_PAGE, type Page, pageOf } from './state-page.ts'

/** Everything that is open now; all zero (but sessions kept ready) when the proxy is idle. */
export interface OpenCounts extends FrontCounts, FleetCounts {
  readonly calls: number
  /** Deadlines and queue timers. */
  readonly timers: number
}

export function openCounts(live: LiveCalls, front: Front, fleet: Fleet, wheel: TimerWheel): OpenCounts {
  return { calls: live.size, ...front.counts, ...fleet.counts, timers: wheel.size }
}

/** Which part of the state is told: a proxy may have tens of thousands of endpoints, sessions and calls. */
export interface StateOptions {
  /** Only backends of this name; default: all. */
  readonly backend?: string
  /** The first endpoint of each backend that is told, from 0; default: 0. */
  readonly firstEndpoint?: number
  /** Most endpoints of each backend that are told; default: 100. */
  readonly mostEndpoints?: number
  /** The first route that is told, from 0; default: 0. */
  readonly firstRoute?: number
  /** Most routes that are told; default: 100. */
  readonly mostRoutes?: number
  /** The first session of a client that is told, from 0; default: 0. */
  readonly firstSession?: number
  /** Most sessions of clients that are told; default: 100. */
  readonly mostSessions?: number
  /** The first call that is told, from 0, the oldest; default: 0. */
  readonly firstCall?: number
  /** Most calls that are told; default: 100. */
  readonly mostCalls?: number
  /** Most failures that are told; default: 100, which is more than there are. */
  readonly mostFailures?: number
}

/**
 * What goes on in a proxy: plain data, without secrets, as JSON can hold it. That of several proxies with one
 * configuration is one: numbers are added up (also within what has the same `address`, route or backend name), lists are
 * joined, and calls and failures are in their order again.
 */
export interface ProxyState {
  readonly counts: OpenCounts
  /** Where clients connect. At most 1,000. */
  readonly listeners: readonly ListenerState[]
  readonly routeCount: number
  /** In their order, as `state` was asked for. None where a director in code decides. */
  readonly routes: readonly RouteState[]
  /** How often no route took a call. */
  readonly unrouted: number
  /** How many backends there are, of the name that was asked for. */
  readonly backendCount: number
  /** The first 1,000 of them: those of the configuration, those of a director, and those that have been removed and finish. */
  readonly backends: readonly BackendState[]
  /** Of clients: the oldest of each listener first, as `state` was asked for. `counts.clientSessions` is how many there are. */
  readonly sessions: readonly ClientSessionState[]
  /** Calls in flight: the oldest first, as `state` was asked for. `counts.calls` is how many there are. */
  readonly calls: readonly CallState[]
  /** The latest calls that failed, the latest first. None where there is no admin address. */
  readonly failures: readonly RecentFailure[]
}

/** A screen or two; a program that wants all asks for pages. */
const USUAL = 100
const MOST_BACKENDS = 1_000

/** Only what is counted: nothing of any list but that of backends. */
export const COUNTS_ONLY: StateOptions = {
  mostEndpoints: 0,
  mostRoutes: 0,
  mostSessions: 0,
  mostCalls: 0,
  mostFailures: 0,
}

/** What of a proxy is looked at. */
export interface ProxyParts {
  readonly fleet: Fleet
  readonly front: Front
  readonly live: LiveCalls
  readonly observers: { failures(most: number): readonly RecentFailure[] }
  readonly director: Director
  readonly counts: OpenCounts
}

/** @throws RangeError for numbers that are none */
export function proxyState(
  { fleet, front, live, observers, director, counts }: ProxyParts,
  options: StateOptions,
): ProxyState {
  const { backend, firstEndpoint = 0, mostEndpoints = USUAL, firstRoute = 0, mostRoutes = USUAL } = options
  const { firstSession = 0, mostSessions = USUAL, firstCall = 0, mostCalls = USUAL, mostFailures = USUAL } = options
  const endpoints = pageOf('Endpoint', firstEndpoint, mostEndpoints, MOST_ENDPOINTS)
  const routes = pageOf('Route', firstRoute, mostRoutes, MOST_ON_A_PAGE)
  const sessions = pageOf('Session', firstSession, mostSessions, MOST_ON_A_PAGE)
  const calls = pageOf('Call', firstCall, mostCalls, MOST_ON_A_PAGE)
  const nowMs = systemClock.now()
  const { doors } = front
  const view = {
    nowMs,
    shownPath: (path: string) => shownText(shownPath(path)),
    shownAuthority: shownHost,
    shown: shownText,
  }
  return {
    counts,
    listeners: listenerStates(doors),
    ...routeStates(director, routes),
    unrouted: unroutedOf(director),
    ...backendStates(fleet, backend, endpoints, nowMs),
    sessions: sessionStates(doors, sessions, nowMs),
    calls: live.oldest(calls.first, calls.most).map(({ parts }) => stateOfCall(parts, view)),
    failures: observers.failures(pageOf('Failure', 0, mostFailures, MOST_ON_A_PAGE).most),
  }
}

function backendStates(fleet: Fleet, name: string | undefined, { first, most }: Page, nowMs: number) {
  const all = fleet.all.filter(backend => name === undefined || backend.name === name)
  let left = MOST_ENDPOINTS
  const backends = all.slice(0, MOST_BACKENDS).map(backend => {
    const state = stateOfBackend(backend, { first, most: Math.min(most, left), nowMs, shown: shownText })
    left -= state.endpoints.length
    return state
  })
  return { backendCount: all.length, backends }
}

function shownHost(authority: string): string {
  return shownText(shownAuthority(authority))
}

/** How often something happened, by its token. The tokens are the code's own, so there are few. */
export class Tally {
  readonly #counts = new Map<string, number>()

  readonly add = (token: string): void => {
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1)
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }
}
