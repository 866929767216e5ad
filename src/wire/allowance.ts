/**
 * How much useless work a peer may cause: the limits against floods, for one connection.
 *
 * Each kind has an allowance. It starts full (`burst`), each such frame takes one from it, each useful
 * frame, received or sent (HEADERS, DATA with content), gives `earned` back,
 * and time gives back `perSecond`, when the caller says what time it is (`tick`). When an allowance is empty, the
 * connection is lost with ENHANCE_YOUR_CALM. A peer that does useful work can therefore do the rest in proportion,
 * forever.
 *
 * Honest peers that are chatty do one such frame, or two, for each useful one: PING for each DATA to measure the
 * path, an empty DATA as a flush, PRIORITY_UPDATE and GREASE for each request, 103 before each response. So all but
 * resets and ignored HEADERS earn at least that much. Another bound limits what they may cost others: a connection
 * has its part of a turn and no more, whatever it sends.
 */
import type { FloodPeaks } from './flood-peaks.ts'
import { type ConnectionToken, connectionError } from './protocol-error.ts'

export interface FloodLimit {
  /** Frames at once. Time alone does not make the allowance larger. */
  readonly burst: number
  /** Frames that a second gives back. */
  readonly perSecond: number
  /** Frames that a useful one gives back. */
  readonly earned: number
}

/**
 * Defaults. `maxResets` (CVE-2023-44487, CVE-2025-8671): streams that the peer reset, or made us reset. HEADERS
 * earn nothing there, because the attack is made of them; a call that ended whole earns one. A client
 * that cancels 2,000 calls a second forever stays within it.
 */
export const FLOOD_LIMITS = {
  maxResets: { burst: 10_000, perSecond: 3_000, earned: 1 },
  maxPings: { burst: 200, perSecond: 20, earned: 2 },
  maxSettings: { burst: 100, perSecond: 10, earned: 1 },
  maxPriorities: { burst: 1_000, perSecond: 100, earned: 2 },
  maxUnknownFrames: { burst: 1_000, perSecond: 100, earned: 2 },
  maxEmptyData: { burst: 1_000, perSecond: 100, earned: 2 },
  maxWindowUpdates: { burst: 10_000, perSecond: 10_000, earned: 4 },
  maxIgnoredHeaders: { burst: 10_000, perSecond: 3_000, earned: 2 },
  maxInformational: { burst: 1_000, perSecond: 1_000, earned: 2 },
} as const satisfies Readonly<Record<string, FloodLimit>>

/** `maxPings` and the like. */
export type FloodName = keyof typeof FLOOD_LIMITS
/** The values that differ from `FLOOD_LIMITS`. */
export type FloodLimits = Readonly<Partial<Record<FloodName, Partial<FloodLimit>>>>

/** Their numbers, in the order above. */
export const Flood = {
  RESETS: 0,
  PINGS: 1,
  SETTINGS: 2,
  PRIORITIES: 3,
  UNKNOWN: 4,
  EMPTY_DATA: 5,
  WINDOW_UPDATES: 6,
  IGNORED_HEADERS: 7,
  INFORMATIONAL: 8,
} as const
export type Flood = (typeof Flood)[keyof typeof Flood]

/**
 * A WINDOW_UPDATE earns so much for each byte that it returns, of those that we had sent: an average of two bytes is
 * enough. gRPC's shortest read is the five bytes before a message, and golang.org/x/net of 2022 returns what each
 * read took to the stream and to the connection, however many messages came in one frame. What opens a window
 * further returns nothing, and single bytes stay a flood (CVE-2019-9511).
 */
const EARNED_BY_BYTE = 1 / 2

/**
 * What was earned may be spent later, as an honest peer's frames answer useful ones that are on their way: the two
 * WINDOW_UPDATEs for each frame of one byte in a window of 128 KiB. Resets are kept to their burst, as they cost
 * others something too.
 */
const MOST_EARNED = 262_144

export const FLOOD_NAMES: readonly FloodName[] = Object.keys(FLOOD_LIMITS) as FloodName[]
const TOKENS: readonly ConnectionToken[] = [
  'reset-flood',
  'ping-flood',
  'settings-flood',
  'priority-flood',
  'unknown-frame-flood',
  'empty-data-flood',
  'window-update-flood',
  'ignored-headers-flood',
  'informational-flood',
]

export class Allowance {
  /** The number of useful frames so far. */
  #useful = 0
  /** Calls that ended whole: what `maxResets` earns from. */
  #ended = 0
  readonly #limits: readonly FloodLimit[]
  readonly #left: Float64Array
  /** `#useful` or `#ended` when `#left` was brought up to date. */
  readonly #seen: Float64Array = new Float64Array(FLOOD_NAMES.length)
  readonly #counts: Float64Array = new Float64Array(FLOOD_NAMES.length)
  #tickedAt = -1
  readonly #peaks: FloodPeaks | undefined

  /** @param peaks of all connections of its side; undefined: nobody reads them */
  constructor(limits: FloodLimits = {}, peaks?: FloodPeaks) {
    this.#peaks = peaks
    this.#limits = FLOOD_NAMES.map(name => ({ ...FLOOD_LIMITS[name], ...limits[name] }))
    this.#left = Float64Array.from(this.#limits, limit => limit.burst)
  }

  /** A frame did some work. */
  useful(): void {
    this.#useful++
  }

  /** A call ended whole. */
  callEnded(): void {
    this.#ended++
  }

  /** A WINDOW_UPDATE returned this many bytes that we had sent. `spend` follows. */
  returned(bytes: number): void {
    this.#left[Flood.WINDOW_UPDATES]! += bytes * EARNED_BY_BYTE
  }

  /** A frame of this kind came. Throws the `ConnectionError` of the kind when there were too many. */
  spend(flood: Flood): void {
    const earning = flood === Flood.RESETS ? this.#ended : this.#useful
    const limit = this.#limits[flood]!
    const earned = (earning - this.#seen[flood]!) * limit.earned
    this.#seen[flood] = earning
    this.#counts[flood]!++
    const most = flood === Flood.RESETS ? limit.burst : limit.burst + MOST_EARNED
    const left = Math.min(most, this.#left[flood]! + earned) - 1
    this.#left[flood] = left
    if (left < limit.burst) this.#peaks?.used(flood, Math.min(1, (limit.burst - left) / limit.burst))
    if (left < 0) throw connectionError(TOKENS[flood]!, `${this.#counts[flood]} in all`)
  }

  /** Time passes, by any clock in milliseconds that does not go back. The first call only sets it. */
  tick(nowMs: number): void {
    const seconds = this.#tickedAt < 0 ? 0 : Math.max(0, nowMs - this.#tickedAt) / 1_000
    this.#tickedAt = nowMs
    this.#peaks?.tick(nowMs)
    for (let i = 0; i < FLOOD_NAMES.length; i++) {
      const limit = this.#limits[i]!
      const left = this.#left[i]!
      if (left < limit.burst) this.#left[i] = Math.min(limit.burst, left + limit.perSecond * seconds)
    }
  }

  /** How many frames of each kind came so far. */
  get counts(): Readonly<Record<FloodName, number>> {
    return Object.fromEntries(FLOOD_NAMES.map((name, i) => [name, this.#counts[i]!])) as Record<FloodName, number>
  }
}
