/** The parts of the micro benchmarks, by name. */
import type { Case } from './case.ts'

/** What a part's file exports: new cases, none of them run before. */
export interface Part {
  cases(): readonly Case[]
}

/**
 * The parts, each in a file of its own. A file is loaded only when it is asked for, because a process that measures one
 * part must not have run any of the others.
 */
export const PARTS = {
  hpack: (): Promise<Part> => import('./hpack.ts'),
  frames: (): Promise<Part> => import('./frames.ts'),
  windows: (): Promise<Part> => import('./windows.ts'),
  connection: (): Promise<Part> => import('./connection.ts'),
  router: (): Promise<Part> => import('./router.ts'),
  balancers: (): Promise<Part> => import('./balancers.ts'),
  treatments: (): Promise<Part> => import('./treatments.ts'),
} as const satisfies Readonly<Record<string, () => Promise<Part>>>
export type PartName = keyof typeof PARTS
export const PART_NAMES: readonly PartName[] = Object.keys(PARTS) as PartName[]

/** Whether one of the words is in `part: name`. Without words every case is wanted. */
export function isWanted(part: PartName, { name }: Case, words: readonly string[]): boolean {
  return words.length === 0 || words.some(word => `${part}: ${name}`.includes(word))
}
