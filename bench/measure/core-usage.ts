/** How busy a core is with any work: this shows whether the program that is pinned there was alone. */
import { readFileSync } from 'node:fs'
import { TICK_MS } from './process-tree.ts'

/**
 * Milliseconds of work on this core since the machine started, interrupts and time stolen by other machines included.
 */
export function coreBusyMs(core: number): number {
  return parseCoreBusy(readFileSync('/proc/stat', 'latin1'), core) * TICK_MS
}

/**
 * `/proc/stat` (proc(5)): user nice system idle iowait irq softirq steal guest guest_nice; user holds guest already.
 */
export function parseCoreBusy(text: string, core: number): number {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(text)?.[1]
  if (line === undefined) throw new Error(`no core ${core} in /proc/stat`)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(' ').map(Number)
  return user + nice + system + irq + softirq + steal
}
