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

/** One run as it is measured, with a look at what it did. @throws Error when that was not the work */
export function runOnce(its: Case): void {
  its.prepare?.()
  const yielded = its.run()
  if (yielded !== its.yields) throw new Error(`"${its.name}" yielded ${yielded}, not ${its.yields}`)
}
