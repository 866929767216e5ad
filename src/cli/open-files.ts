/** How many descriptors the process may have, against how many connections it may take. */
import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'

/** Of the process itself: its log, its event loop, its listeners, a few sessions to backends. */
const OWN_FILES = 50

/**
 * Says so at the start, because nobody hears of it later: when none is left, libuv accepts connections and closes them at
 * once, so that the process does not spin, and tells nothing.
 */
export function warnOfFewFiles(log: Logger, maxConnections: number, limits = '/proc/self/limits'): void {
  const files = maxOpenFiles(limits)
  if (files === undefined || files >= maxConnections + OWN_FILES) return
  log.warn(
    { openFiles: files, maxClientSessions: maxConnections },
    `the process may have ${files} open files: connections beyond some ${Math.max(0, files - OWN_FILES)} are closed as ` +
      'they come. Raise the limit (ulimit -n, or LimitNOFILE of a unit), or lower limits.maxClientSessions',
  )
}

/** Node has raised the soft limit to the hard one by now. @returns undefined where it cannot be read, or there is none */
function maxOpenFiles(path: string): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync(path, 'utf8')) ?? []
    return soft === undefined ? undefined : Number(soft)
  } catch {
    // Not Linux.
    return undefined
  }
}
