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

import { isDeepStrictEqual } from 'node:util'
import type { Changed } from '../backend/changed.ts'
import type { Fleet } from '../backend/fleet.ts'
import type { LogFile } from '../observe/outputs.ts'
import type { Director } from '../routing/director.ts'
import { createRouter } from '../routing/router.ts'
import type { Front } from './front.ts'
import type { ProxySetup } from './setup.ts'

/** What a change has done, for logs and for whoever asked for it. */
export interface ChangeSummary {
  /** By their addresses as configured. */
  readonly listeners: Changed
  /** By name. */
  readonly backends: Changed
  /** Which options differ and hold from the next start of the process only. */
  readonly needsRestart: readonly string[]
}

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

/** The ends of logs are opened once, and a process becomes no primary. */
function needsRestart(before: ProxySetup, after: ProxySetup): string[] {
  const differs: [path: string, same: boolean][] = [
    ['log.pretty', before.log.pretty === after.log.pretty],
    ['log.maxBufferedBytes', before.log.maxBufferedBytes === after.log.maxBufferedBytes],
    ['log.file', isDeepStrictEqual(before.log.file, after.log.file)],
    ['log.access.file', isDeepStrictEqual(accessFileOf(before), accessFileOf(after))],
    ['logger', before.logger === after.logger],
    ['workers', before.workers === after.workers],
  ]
  return differs.filter(([, same]) => !same).map(([path]) => path)
}

/** Where the records of calls go, if not where the log goes. */
export function accessFileOf({ log: { access } }: ProxySetup): LogFile | undefined {
  return typeof access === 'object' ? access.file : undefined
}
