/** CPU time and memory of a process and all that descend from it, as Linux counts them. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** What the kernel counts CPU time in, for programs. */
export const TICK_MS = 1000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

export interface TreeUsage {
  /** User and system time so far, in steps of 10 ms; children that ended and were waited for are in it. */
  readonly cpuMs: number
  readonly rssBytes: number
}

export interface StatLine {
  readonly parent: number
  readonly ticks: number
}

/** `/proc/PID/stat` (proc(5)): the name may hold spaces and brackets, so fields count from its last bracket. */
export function parseStat(line: string): StatLine {
  // Field 3, the state, comes first here.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const field = (number: number): number => Number(fields[number - 3])
  return { parent: field(4), ticks: field(14) + field(15) + field(16) + field(17) }
}

/** @throws Error when the process is gone */
export function treeUsage(root: number): TreeUsage {
  let ticks = 0
  let rssBytes = 0
  for (const pid of [root, ...descendants(root)]) {
    try {
      ticks += parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1')).ticks
      const rss = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
      rssBytes += Number(rss?.[1] ?? 0) * 1024
    } catch (error) {
      if (pid === root) throw new Error(`process ${pid} is gone`, { cause: error })
    }
  }
  return { cpuMs: ticks * TICK_MS, rssBytes }
}

function descendants(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const { parent } = parseStat(readFileSync(`/proc/${entry}/stat`, 'latin1'))
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)])
    } catch {
      // It ended while we looked.
    }
  }
  const found: number[] = []
  for (const queue = [root]; queue.length > 0; ) {
    const next = children.get(queue.pop()!) ?? []
    found.push(...next)
    queue.push(...next)
  }
  return found
}
