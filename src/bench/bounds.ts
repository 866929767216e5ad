/**
 * What `bench` does to somebody's service at most, and what it needs itself at most. Each bound is named in the help
 * and in the error of who asks for more.
 */
export interface Bound {
  readonly least: number
  readonly most: number
  /** Where nothing is said. */
  readonly usual: number
}

export const BOUNDS = {
  /** Calls at a time in the closed loop: one is the politest load there is. */
  concurrency: { least: 1, most: 1_000, usual: 1 },
  connections: { least: 1, most: 100, usual: 1 },
  /** Calls a second: what one core can begin on time, and enough to trouble a service. */
  rate: { least: 0.1, most: 50_000, usual: 0 },
  /** Seconds of measuring for each address. */
  duration: { least: 0.2, most: 600, usual: 10 },
  /** Seconds for each address, before. */
  warmUp: { least: 0, most: 60, usual: 1 },
  timeoutMs: { least: 1, most: 60_000, usual: 10_000 },
} as const satisfies Readonly<Record<string, Bound>>

/** Bytes of one request message: what gRPC servers take by default. */
export const MESSAGE_BYTES_MAX = 4_194_304
/** Bytes of all `--metadata`, names and values: what servers take by default. */
export const METADATA_BYTES_MAX = 8_192
/** Characters of what a server said of a failure. */
export const DETAIL_SHOWN_MAX = 200
/** Calls begun and not ended in the open loop: beyond it the service does not carry the rate. */
export const OPEN_CALLS_MAX = 10_000
/** Request bytes of all calls at a time: what a slow reader makes us hold. */
export const OPEN_BYTES_MAX = 268_435_456
/** Slices that each address gets: enough for an interval, few enough for each to hold many calls. */
export const SLICES = 20
/** Share of a slice's time that goes before it, in which calls do not count: the other address had the machine. */
export const LEAD_IN_SHARE = 0.1
/** More of it is of no use, but for calls that last. */
export const LEAD_IN_MS_MAX = 200
/** Times the p99 of the warm-up: so long the open loop leads in for calls that last, up to the length of a slice. */
export const LEAD_IN_MARGIN = 1.25
/** Times `duration`: slices wait for their calls, and the load ends here at the latest. */
export const LOAD_TIMES_MAX = 4
/** Beside it, for each address: a short run is not ended by one slow moment. */
export const LOAD_GRACE_MS = 3_000
/** Share of calls that may fail: with more, numbers would tell of how fast it fails. */
export const FAILED_SHARE_MAX = 0.01
/** What is drawn (times of the open loop, resamples of intervals) is drawn from this: the same again in each run. */
export const SEED = 1
