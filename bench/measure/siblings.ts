/** Which processors are threads of one core: they share the units that compute, so neither has them alone. */
import { readFileSync } from 'node:fs'

/** @returns as Linux numbers them, with itself; only itself where the kernel does not say */
export function siblingsOf(cpu: number, folder = '/sys/devices/system/cpu'): number[] {
  try {
    return parseCpuList(readFileSync(`${folder}/cpu${cpu}/topology/thread_siblings_list`, 'latin1'))
  } catch {
    return [cpu]
  }
}

/** `0-3,8` (cpulist of Linux). */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .flatMap(part => {
      const [first = 0, last = first] = part.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })
}
