/**
 * Counts the system calls of a process tree while something is done, with `strace -c`, in a run of its own because that
 * is slow.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { processTree } from '../measure/process-tree.ts'

const ATTACH_MS = 5_000
const DETACH_MS = 5_000
export const STRACE_INSTALL = 'apt-get install strace'

/** Whether strace is installed and may watch a process that is not its child. */
export function canCountSyscalls(): boolean {
  return process.platform === 'linux' && spawnSync('strace', ['-V']).status === 0
}

/** @returns system calls of all the tree's threads during `action` @throws Error when strace may not attach */
export async function countSyscalls(root: number, action: () => Promise<void>): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'grpc-verbatim-strace-'))
  const file = join(folder, 'counts')
  const attach = processTree(root).flatMap(pid => ['-p', String(pid)])
  const strace = spawn('strace', ['-c', '-f', '-o', file, ...attach], { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(strace, 'close')
  const killNow = (): void => void strace.kill('SIGKILL')
  const leaveNothing = (): void => {
    killNow()
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', leaveNothing)
  try {
    await attached(strace.stderr, ended)
    await action()
    strace.kill('SIGINT')
    const late = setTimeout(killNow, DETACH_MS)
    await ended
    clearTimeout(late)
    return parseSyscalls(readFileSync(file, 'utf8'))
  } finally {
    process.off('exit', leaveNothing)
    leaveNothing()
  }
}

/** Resolves when it says `Process N attached`. */
async function attached(stderr: NodeJS.ReadableStream, ended: Promise<unknown>): Promise<void> {
  let said = ''
  const first = new Promise<'attached'>(resolve => {
    stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk).slice(-1_000)
      if (/ attached/.test(said)) resolve('attached')
    })
  })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>(resolve => {
    timer = setTimeout(resolve, ATTACH_MS, 'late')
  })
  const outcome = await Promise.race([first, late, ended.then(() => 'ended')])
  clearTimeout(timer)
  if (outcome !== 'attached') throw new Error(`strace did not attach: ${said.trim() || outcome}`)
}

/** `% time, seconds, usecs/call, calls, errors, syscall`, and a last line `total`. @throws Error for anything else */
export function parseSyscalls(text: string): number {
  const total = /^\s*[\d.]+\s+[\d.]+\s+(?:\d+\s+)?(\d+)\s+(?:\d+\s+)?total\s*$/m.exec(text)
  if (total === null) throw new Error(`strace said: ${text.slice(-400).trim() || 'nothing'}`)
  return Number(total[1])
}
