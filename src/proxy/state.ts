/** What is open in a proxy, and what it has counted. */
import { type BackendState, stateOfBackend } from '../backend/backend-state.ts'
import type { Fleet, FleetCounts } from '../backend/fleet.ts'
import type { LiveCalls } from '../call/live-calls.ts'
import { shownText } from '../observe/log-fields.ts'
import { systemClock } from '../transport/clock.ts'
import type { TimerWheel } from '../transport/timer-wheel.ts'
import type { Front, FrontCounts } from './front.ts'

/** Everything that is open now; all zero (but sessions kept ready) when the proxy is idle. */
export interface OpenCounts extends FrontCounts, FleetCounts {
  readonly calls: number
  /** Deadlines and queue timers. */
  readonly timers: number
}

export function openCounts(live: LiveCalls, front: Front, fleet: Fleet, wheel: TimerWheel): OpenCounts {
  return { calls: live.size, ...front.counts, ...fleet.counts, timers: wheel.size }
}

/** Which part of the state is told: a proxy may have tens of thousands of endpoints. */
export interface StateOptions {
  /** Only backends of this name; default: all. */
  readonly backend?: string
  /** The first endpoint of each backend that is told, from 0; default: 0. */
  readonly firstEndpoint?: number
  /** Most endpoints of each backend that are told; default: 100. */
  readonly mostEndpoints?: number
}

/** What goes on in a proxy: plain data, without secrets, as JSON can hold it. */
export interface ProxyState {
  readonly counts: OpenCounts
  /** How many backends there are, of the name that was asked for. */
  readonly backendCount: number
  /** The first 1,000 of them: those of the configuration, those of a director, and those that have been removed and finish. */
  readonly backends: readonly BackendState[]
}

/** A screen or two; a program that wants all asks for pages. */
export const USUAL_ENDPOINTS = 100
/** Of all backends together. With some 500 bytes each they are 5 MB of JSON. */
export const MOST_ENDPOINTS = 10_000
const MOST_BACKENDS = 1_000

/** @throws RangeError for numbers that are none */
export function proxyState(fleet: Fleet, counts: OpenCounts, options: StateOptions): ProxyState {
  const { backend: name, firstEndpoint: first = 0, mostEndpoints = USUAL_ENDPOINTS } = options
  for (const [option, value] of Object.entries({ firstEndpoint: first, mostEndpoints })) {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${option} must be a whole number from 0`)
  }
  const nowMs = systemClock.now()
  const all = fleet.all.filter(backend => name === undefined || backend.name === name)
  let left = MOST_ENDPOINTS
  const backends = all.slice(0, MOST_BACKENDS).map(backend => {
    const most = Math.min(mostEndpoints, left)
    const state = stateOfBackend(backend, { first, most, nowMs, shown: shownText })
    left -= state.endpoints.length
    return state
  })
  return { counts, backendCount: all.length, backends }
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
