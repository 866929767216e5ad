/** What a part of the micro benchmarks hands over: pieces of work that can be repeated for ever and do the same each time. */

/** What throughput is counted in. */
export type Unit = 'block' | 'frame' | 'copy' | 'span' | 'call' | 'decision'

export interface Case {
  /** Within its part. */
  readonly name: string
  readonly unit: Unit
  /** Units of one run. A run is one sample: some 20 µs at least, so that reading the clock costs nothing beside it. */
  readonly perRun: number
  /** Bytes of one run, on average, where there is a throughput in bytes. */
  readonly bytes?: number
  /** What `run` returns, each time. Anything else, and the work is not what the name says. */
  readonly yields: number
  /** Before each run, and not timed: what makes the next run do the same work again. */
  prepare?(): void
  /** Does the work. */
  run(): number
}

/** What a part's file exports: new cases, none of them run before. */
export interface Part {
  cases(): readonly Case[]
}

/**
 * The parts, each in a file of its own. Loaded only when asked for: a process that measures one of them
 * shall not have run any of the others.
 */
export const PARTS = {
  hpack: (): Promise<Part> => import('./hpack.ts'),
  frames: (): Promise<Part> => import('./frames.ts'),
  windows: (): Promise<Part> => import('./windows.ts'),
  connection: (): Promise<Part> => import('./connection.ts'),
  router: (): Promise<Part> => import('./router.ts'),
} as const satisfies Readonly<Record<string, () => Promise<Part>>>
export type PartName = keyof typeof PARTS
export const PART_NAMES: readonly PartName[] = Object.keys(PARTS) as PartName[]

/** Whether one of the words is in `part: name`. No words: everything. */
export function isWanted(part: PartName, { name }: Case, words: readonly string[]): boolean {
  return words.length === 0 || words.some(word => `${part}: ${name}`.includes(word))
}

/** One run as it is measured, with a look at what it did. @throws Error when that was not the work */
export function runOnce(its: Case): void {
  its.prepare?.()
  const yielded = its.run()
  if (yielded !== its.yields) throw new Error(`"${its.name}" yielded ${yielded}, not ${its.yields}`)
}
