/** The work of a subject during a measurement, and that of others on its core. */
import { existsSync } from 'node:fs'
import { PINS } from '../measure/child.ts'
import { coreBusyMs } from '../measure/core-usage.ts'
import { resetPeak, treeUsage } from '../measure/process-tree.ts'
import type { Sample } from '../report/record.ts'
import { BUSY, FOREIGN, PEAK, STEADY, type Unit, unitMetrics } from './metrics.ts'
import type { Target } from './scenario.ts'

/** The core that the subject is pinned to. */
const CORE = 0
const MEBIBYTE = 2 ** 20
/** CPU time, memory and context switches are read there. */
export const COUNTS_WORK = existsSync('/proc/self/stat')

export interface Work {
  readonly cpuMs: number
  /** The user part of `cpuMs`, as far as ticks of 10 ms tell. */
  readonly userMs: number
  readonly contextSwitches: number
  readonly steadyBytes: number
  readonly peakBytes: number
  /**
   * Percent of the core's time that somebody else had: the kernel, another process, another machine. It counts all the
   * time that was watched, with the start of the load, because others do not wait for it.
   */
  readonly foreign: number | undefined
}

/** Starts counting. @returns what to call at the end; that gives undefined where there is no process to count */
export function startWork({ proxy: { child } }: Target): () => Work | undefined {
  if (child === undefined || !COUNTS_WORK) return () => undefined
  resetPeak(child.pid)
  const start = performance.now()
  const before = treeUsage(child.pid)
  const coreBefore = PINS ? coreBusyMs(CORE) : 0
  return () => {
    const after = treeUsage(child.pid)
    const wallMs = performance.now() - start
    const cpuMs = after.cpuMs - before.cpuMs
    const userTime = after.userMs - before.userMs
    const ticked = userTime + after.systemMs - before.systemMs
    const othersMs = PINS ? Math.max(0, coreBusyMs(CORE) - coreBefore - cpuMs) : 0
    return {
      cpuMs,
      userMs: ticked > 0 ? (cpuMs * userTime) / ticked : cpuMs,
      contextSwitches: after.contextSwitches - before.contextSwitches,
      steadyBytes: after.rssBytes,
      peakBytes: after.peakBytes,
      foreign: PINS ? (othersMs / wallMs) * 100 : undefined,
    }
  }
}

/**
 * @param count units of work: calls, messages, or gigabytes
 * @param seconds how long the load lasted, without the start of its process; `busy` is a share of it
 */
export function workSample(work: Work | undefined, unit: Unit, count: number, seconds: number): Sample {
  if (work === undefined) return {}
  const { cpu, user, system, switches } = unitMetrics(unit)
  const each = (ms: number): number => (unit === 'GB' ? ms : ms * 1000) / count
  return {
    [cpu.name]: each(work.cpuMs),
    [user.name]: each(work.userMs),
    [system.name]: each(work.cpuMs - work.userMs),
    [switches.name]: work.contextSwitches / count,
    [STEADY.name]: work.steadyBytes / MEBIBYTE,
    [PEAK.name]: work.peakBytes / MEBIBYTE,
    // Connections are made before the load, so the result can be a little more than all of its time.
    [BUSY.name]: Math.min(100, work.cpuMs / seconds / 10),
    ...(work.foreign === undefined ? {} : { [FOREIGN.name]: work.foreign }),
  }
}
