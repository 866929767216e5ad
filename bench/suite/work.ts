/** What a proxy does during a measurement, and what others do on its core. */
import { coreBusyMs } from '../measure/core-usage.ts'
import { treeUsage } from '../measure/process-tree.ts'
import type { Target } from './scenario.ts'

/** As a child is pinned. */
const CORE = 0

export interface Work {
  readonly cpuMs: number
  /** Percent of the core's time that somebody else had: the kernel, another process, another machine. */
  readonly foreign: number
}

/** Starts counting. @returns what to call at the end */
export function startWork({ proxy }: Target): () => Work {
  const { pid } = proxy.child
  const start = performance.now()
  const cpuBefore = treeUsage(pid).cpuMs
  const coreBefore = coreBusyMs(CORE)
  return () => {
    const cpuMs = treeUsage(pid).cpuMs - cpuBefore
    const others = coreBusyMs(CORE) - coreBefore - cpuMs
    return { cpuMs, foreign: (Math.max(0, others) / (performance.now() - start)) * 100 }
  }
}
