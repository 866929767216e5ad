/** What is open in a proxy, and what it has counted. */
import type { Fleet, FleetCounts } from '../backend/fleet.ts'
import type { LiveCalls } from '../call/live-calls.ts'
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
