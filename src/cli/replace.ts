/** `serve --replace`: asks the process that runs for a successor with these options, and tells what became of it. */
import { readFileSync } from 'node:fs'
import { Failure } from './exit.ts'
import type { PidFile } from './pid-file.ts'
import { ownCommandLine, START_TIMEOUT_MS } from './succession.ts'

/** Between two looks at what was decided. */
const LOOK_MS = 50
/** It decides within START_TIMEOUT_MS. A process that is stopped decides nothing. */
const PATIENCE_MS = START_TIMEOUT_MS + 10_000

/**
 * @returns a sentence about what was done; undefined when no process runs by that file, so this one may
 * @throws Failure where the one that runs goes on, or cannot be asked
 */
export async function replaceRunning(file: PidFile): Promise<string | undefined> {
  const pid = file.pid()
  if (pid === undefined || !isRunning(pid)) return undefined
  checkIsOurs(pid)
  const before = file.identity()
  const line = ownCommandLine()
  file.writeNext({ ...line, args: line.args.filter(arg => arg !== '--replace') })
  process.kill(pid, 'SIGUSR2')
  const ends = performance.now() + PATIENCE_MS
  while (file.identity() === before) {
    if (!isRunning(pid)) throw new Failure(`process ${pid} has ended, and told nothing`)
    if (performance.now() > ends) throw new Failure(`process ${pid} has decided nothing within ${PATIENCE_MS} ms`)
    await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  }
  const now = file.pid()
  if (now === pid || now === undefined) throw new Failure(`process ${pid} goes on; its log says why`)
  return `process ${now} has taken over from process ${pid}, which drains`
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The number may be that of another process by now, which SIGUSR2 would end. */
function checkIsOurs(pid: number): void {
  let command: string
  try {
    command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    // Not Linux, or hidden: the file has to do.
    return
  }
  if (!command.split('\0').some(arg => arg.startsWith('--pid-file')))
    throw new Failure(`process ${pid} was not started with --pid-file: it is something else, or the file is old`)
}
