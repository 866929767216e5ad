/** What is said of a change from one configuration to the next. */
import { isDeepStrictEqual } from 'node:util'
import { type Changed, changed } from '../backend/changed.ts'
import type { LogFile } from '../observe/outputs.ts'
import { listenersByKey } from './front-change.ts'
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

/** What a change would say that no proxy is there for: whoever starts later begins with it. */
export function changesBetween(before: ProxySetup, after: ProxySetup): ChangeSummary {
  const differs = (was: unknown, is: unknown) => !isDeepStrictEqual(was, is)
  const named = ({ backends }: ProxySetup) => new Map<string, unknown>(Object.entries(backends))
  return {
    listeners: changed<unknown>(listenersByKey(before.listeners), listenersByKey(after.listeners), differs),
    backends: changed(named(before), named(after), differs),
    needsRestart: needsRestart(before, after),
  }
}

/** The ends of logs are opened once, and a process becomes no primary. */
export function needsRestart(before: ProxySetup, after: ProxySetup): string[] {
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
