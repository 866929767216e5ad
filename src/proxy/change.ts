/**
 * From one configuration to the next while calls run.
 *
 * ```
 *   prepare   the routes are compiled, certificates tried, new listeners bound   may fail: nothing has changed then
 *   commit    backends added and updated ─▶ routes ─▶ backends retired ─▶ listeners drained       cannot fail
 * ```
 *
 * What is new is there before anything is sent to it, and what goes serves what it has. A call in flight keeps its
 * backend, a session what it was made with.
 */

import type { Fleet } from '../backend/fleet.ts'
import type { Director } from '../routing/director.ts'
import { createRouter } from '../routing/router.ts'
import { type ChangeSummary, needsRestart } from './change-summary.ts'
import type { Front } from './front.ts'
import type { ProxySetup } from './setup.ts'

export type { ChangeSummary } from './change-summary.ts'

/** A change that is ready; one of the two is called, once. */
export interface Change {
  readonly summary: ChangeSummary
  commit(): void
  /** Closes what was opened for it. */
  discard(): Promise<void>
}

/** What of a running proxy a change works on. */
export interface Live {
  readonly setup: ProxySetup
  readonly fleet: Fleet
  readonly front: Front
  /** The next call is made with these, the next session with the limits of `setup`. */
  adopt(setup: ProxySetup, director: Director): void
}

/**
 * @throws UnfitChange; the system's error where an address cannot be had, with nothing changed and nothing left open
 */
export async function prepareChange(live: Live, next: ProxySetup): Promise<Change> {
  const { fleet, front } = live
  const director = next.director ?? createRouter(next.routes, { services: fleet })
  const listeners = await front.prepare(next)
  const backends = fleet.compare(next.backends)
  return {
    summary: { listeners: listeners.summary, backends, needsRestart: needsRestart(live.setup, next) },
    commit() {
      fleet.update(next.backends)
      live.adopt(next, director)
      fleet.retire(backends.removed)
      listeners.commit()
    },
    discard: () => listeners.discard(),
  }
}
