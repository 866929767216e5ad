/** The machine of the run, and what it cannot measure. */
import { execFileSync, spawnSync } from 'node:child_process'
import os from 'node:os'
import { type Core, PINS } from '../measure/child.ts'
import { siblingsOf } from '../measure/siblings.ts'
import type { Machine, RunRecord } from '../report/record.ts'
import { NODE, THIS_TREE } from '../subjects/verbatim.ts'
import { canCountSyscalls, STRACE_INSTALL } from './syscalls.ts'
import { COUNTS_WORK } from './work.ts'

/** The cores that children are pinned to. */
const SUBJECT: Core = 0
const LOAD: Core = 1

export function describeMachine(): Machine {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? os.arch(),
    cores: os.cpus().length,
    memoryBytes: os.totalmem(),
    system: `${os.type()} ${os.release()}`,
    pinned: PINS,
  }
}

/** How processors are shared out. */
interface Sharing {
  readonly pins: boolean
  /** Threads of the core that the subject has, by number. */
  readonly siblings: readonly number[]
}

/** @param syscalls whether they are to be counted in this run */
export function shortcomings(
  syscalls: boolean,
  { pins, siblings }: Sharing = { pins: PINS, siblings: siblingsOf(SUBJECT) },
): RunRecord['leftOut'] {
  const leftOut = []
  if (!COUNTS_WORK) {
    const why = 'they are read from /proc, which this machine does not have'
    leftOut.push({ what: 'CPU time, memory and context switches', why })
  }
  if (pins && siblings.includes(LOAD)) {
    const why =
      `processors ${SUBJECT} and ${LOAD} are two threads of one core: what load and backend do slows the subject; ` +
      'compare within this run only'
    leftOut.push({ what: 'a core for the subject alone', why })
  }
  if (!pins) {
    const why =
      os.cpus().length < 2
        ? 'it has one core: subject, load and backend share it, so compare nothing but orders of magnitude'
        : 'taskset is not here (Debian: apt-get install util-linux): compare nothing but orders of magnitude'
    leftOut.push({ what: 'a core for the subject alone', why })
  }
  if (syscalls && !canCountSyscalls()) {
    leftOut.push({ what: 'system calls', why: `strace is not here (Debian: ${STRACE_INSTALL})` })
  }
  return leftOut
}

/** The version of the Node that subjects and load run on. */
export function nodeVersion(): string {
  return execFileSync(NODE, ['--version'], { encoding: 'utf8' }).trim()
}

/** The revision of this tree; undefined where there is no repository. */
export function revision(): string | undefined {
  const { status, stdout } = spawnSync('git', ['describe', '--always', '--dirty', '--tags'], {
    cwd: THIS_TREE,
    encoding: 'utf8',
  })
  return status === 0 ? stdout.trim() : undefined
}
