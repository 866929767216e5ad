/**
 * What `bench` does to somebody's service at most, and what it needs itself at most. The help names each bound,
 * and so does the error for a value beyond it.
 */
export interface Bound {
  readonly least: number
  readonly most: number
  /** The value where none is given. */
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
  /** Seconds of warm-up for each address. */
  warmUp: { least: 0, most: 60, usual: 1 },
  timeoutMs: { least: 1, most: 60_000, usual: 10_000 },
} as const satisfies Readonly<Record<string, Bound>>

/** Bytes of one request message: what gRPC servers take by default. */
export const MESSAGE_BYTES_MAX = 4_194_304
/** Bytes of all `--metadata`, names and values: what servers take by default. */
export const METADATA_BYTES_MAX = 8_192
/** Characters that are shown of what a server said about a failure. */
export const DETAIL_SHOWN_MAX = 200
/** Calls begun and not ended in the open loop: with more, the service does not carry the rate. */
export const OPEN_CALLS_MAX = 10_000
/** Request bytes of all open calls together: a slow reader makes us hold them. */
export const OPEN_BYTES_MAX = 268_435_456
/** Slices that each address gets. They are enough for an interval, and few enough for each to hold many calls. */
export const SLICES = 20
/**
 * The lead-in as a share of a slice's time. Calls in it do not count, because the other address had the machine before.
 */
export const LEAD_IN_SHARE = 0.1
/** A longer lead-in is of no use, except for calls that last. */
export const LEAD_IN_MS_MAX = 200
/**
 * For calls that last, the lead-in of the open loop is this often the p99 of the warm-up, up to the length of a slice.
 */
export const LEAD_IN_MARGIN = 1.25
/** The load ends at the latest after this many times `duration`, because slices wait for their calls. */
export const LOAD_TIMES_MAX = 4
/** Added to it for each address, so that one slow moment does not end a short run. */
export const LOAD_GRACE_MS = 3_000
/** Share of calls that may fail. With more, the numbers would show how fast it fails. */
export const FAILED_SHARE_MAX = 0.01
/** The seed of all random draws (times of the open loop, resamples of intervals), so that each run draws the same. */
export const SEED = 1
