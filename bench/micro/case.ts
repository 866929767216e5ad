/**
 * What a part of the micro benchmarks hands over: pieces of work that can be repeated forever and do the same each
 * time.
 */

/** The unit of throughput. */
export type Unit = 'block' | 'frame' | 'copy' | 'span' | 'call' | 'decision'

export interface Case {
  /** Its name within its part. */
  readonly name: string
  readonly unit: Unit
  /**
   * Units of one run. A run is one sample of at least about 20 µs, so that reading the clock costs little in
   * comparison.
   */
  readonly perRun: number
  /** Bytes of one run, on average, where there is a throughput in bytes. */
  readonly bytes?: number
  /** What `run` returns each time. If it returns anything else, the work is not what the name says. */
  readonly yields: number
  /** It comes before each run and is not timed. It lets the next run do the same work again. */
  prepare?(): void
  /** Does the work. */
  run(): number
}

/** Makes one run as it is measured, and checks what it did. @throws Error when that was not the work */
export function runOnce(its: Case): void {
  its.prepare?.()
  const yielded = its.run()
  if (yielded !== its.yields) throw new Error(`"${its.name}" yielded ${yielded}, not ${its.yields}`)
}
