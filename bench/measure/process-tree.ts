/** CPU time, memory and context switches of a process and all that descend from it, as Linux counts them. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** The unit in which the kernel counts CPU time for programs. */
export const TICK_MS = 1000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

export interface TreeUsage {
  /** Time on a processor so far, in nanoseconds where the kernel tells. It includes children that were waited for. */
  readonly cpuMs: number
  /** The same as user and system time, but in steps of 10 ms each, for the split between the two. */
  readonly userMs: number
  readonly systemMs: number
  /** Pages that several processes of the tree share count once, where the kernel tells which they are. */
  readonly rssBytes: number
  /**
   * The most that it was since the peak was reset, or ever: the sum of each process's own, maybe of different moments.
   */
  readonly peakBytes: number
  /** Voluntary and involuntary switches of all living threads. */
  readonly contextSwitches: number
}

export interface StatLine {
  readonly parent: number
  readonly userTicks: number
  readonly systemTicks: number
}

/**
 * `/proc/PID/stat` (proc(5)): the name may hold spaces and brackets, so fields count from its last bracket. Times of
 * children that were waited for (16 cutime, 17 cstime) are added to its own (14 utime, 15 stime).
 */
export function parseStat(line: string): StatLine {
  // Field 3, the state, comes first here.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const field = (number: number): number => Number(fields[number - 3])
  return { parent: field(4), userTicks: field(14) + field(16), systemTicks: field(15) + field(17) }
}

/** `/proc/PID/status`: a process that is no longer there but was not waited for has no memory and no line of it. */
export function parseMemory(text: string): { rssBytes: number; peakBytes: number } {
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024
  return { rssBytes: bytes('VmRSS'), peakBytes: bytes('VmHWM') }
}

/** `/proc/PID/task/TID/status`: of this thread alone, unlike memory. */
export function parseSwitches(text: string): number {
  let switches = 0
  for (const [, count] of text.matchAll(/^(?:non)?voluntary_ctxt_switches:\s+(\d+)/gm)) switches += Number(count)
  return switches
}

/** `/proc/PID/task/TID/schedstat`: nanoseconds on a processor, nanoseconds waited for one, times that it had one. */
export function parseRunMs(text: string): number {
  return Number(text.split(' ')[0]) / 1e6
}

/** `/proc/PID/smaps_rollup`: what other processes have mapped too. */
export function parseShared(text: string): number {
  let kilobytes = 0
  for (const [, count] of text.matchAll(/^Shared_(?:Clean|Dirty):\s+(\d+) kB/gm)) kilobytes += Number(count)
  return kilobytes * 1024
}

/**
 * @param proc where the kernel shows processes
 * @throws Error when the process is gone
 */
export function treeUsage(root: number, proc = '/proc'): TreeUsage {
  let [cpuMs, userTicks, systemTicks, rssBytes, peakBytes, contextSwitches] = [0, 0, 0, 0, 0, 0]
  const pids = processTree(root, proc)
  for (const pid of pids) {
    try {
      const stat = parseStat(readFileSync(`${proc}/${pid}/stat`, 'latin1'))
      const memory = parseMemory(readFileSync(`${proc}/${pid}/status`, 'latin1'))
      userTicks += stat.userTicks
      systemTicks += stat.systemTicks
      rssBytes += memory.rssBytes
      peakBytes += memory.peakBytes
      const threads = threadsOf(pid, proc)
      // A thread that ended took its nanoseconds with it; the ticks of the process still have them.
      cpuMs += Math.max(threads.runMs, (stat.userTicks + stat.systemTicks) * TICK_MS)
      contextSwitches += threads.switches
    } catch (error) {
      if (pid === root) throw new Error(`process ${pid} is gone`, { cause: error })
    }
  }
  const twice = pids.length > 1 ? sharedTwice(pids, proc) : 0
  return {
    cpuMs,
    userMs: userTicks * TICK_MS,
    systemMs: systemTicks * TICK_MS,
    rssBytes: rssBytes - twice,
    peakBytes: peakBytes - twice,
    contextSwitches,
  }
}

/**
 * The memory that processes of one program share and that is in each one's sum. It is taken as the largest share of one
 * process. Pss would not do, because it divides pages of Node among all Node processes on the machine.
 */
function sharedTwice(pids: readonly number[], proc: string): number {
  let [sum, most] = [0, 0]
  for (const pid of pids) {
    try {
      const bytes = parseShared(readFileSync(`${proc}/${pid}/smaps_rollup`, 'latin1'))
      sum += bytes
      most = Math.max(most, bytes)
    } catch {
      // It ended while we looked, or the kernel does not say.
    }
  }
  return sum - most
}

/** In `/proc/PID/clear_refs` (proc(5)): the peak of memory becomes what the process holds now. */
const RESET_PEAK = '5'

/** Resets the peaks. @returns whether that worked: a kernel without it, or a foreign process, keeps the old peak */
export function resetPeak(root: number, proc = '/proc'): boolean {
  let reset = true
  for (const pid of processTree(root, proc)) {
    try {
      writeFileSync(`${proc}/${pid}/clear_refs`, RESET_PEAK, { flag: 'r+' })
    } catch {
      reset = false
    }
  }
  return reset
}

/** Sums over the living threads. @throws Error when the process is gone */
function threadsOf(pid: number, proc: string): { runMs: number; switches: number } {
  let [runMs, switches] = [0, 0]
  for (const thread of readdirSync(`${proc}/${pid}/task`)) {
    const folder = `${proc}/${pid}/task/${thread}`
    try {
      switches += parseSwitches(readFileSync(`${folder}/status`, 'latin1'))
      runMs += parseRunMs(readFileSync(`${folder}/schedstat`, 'latin1'))
    } catch {
      // It ended while we looked, or this kernel has no schedstat.
    }
  }
  return { runMs, switches }
}

/** The ids of the process and all its descendants. */
export function processTree(root: number, proc = '/proc'): number[] {
  const children = new Map<number, number[]>()
  for (const entry of readdirSync(proc)) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const { parent } = parseStat(readFileSync(`${proc}/${entry}/stat`, 'latin1'))
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)])
    } catch {
      // It ended while we looked.
    }
  }
  const found = [root]
  for (const queue = [root]; queue.length > 0; ) {
    const next = children.get(queue.pop()!) ?? []
    found.push(...next)
    queue.push(...next)
  }
  return found
}
