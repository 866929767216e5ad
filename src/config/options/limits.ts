/** What bounds the proxy: sizes, counts, times. */
import type { ClientKeepaliveOptions } from './lifetimes.ts'

/** Bounds of sizes, counts and times. */
export interface LimitOptions {
  /**
   * Largest header list; each field counts as name + value + 32 (bytes).
   * @defaultValue `65536`
   */
  readonly maxHeaderListBytes?: number
  /**
   * Most fields in a header list.
   * @defaultValue `128`
   */
  readonly maxHeaderFields?: number
  /**
   * Most open streams of one client session.
   * @defaultValue `1000`
   */
  readonly maxConcurrentStreams?: number
  /**
   * How much of a request is kept to be sent again; a call that sent more is not retried (bytes).
   * @defaultValue `65536`
   */
  readonly replayBytes?: number
  /**
   * A client that connected sends its preface and SETTINGS within this time (milliseconds).
   * @defaultValue `10000`
   */
  readonly prefaceTimeoutMs?: number
  /**
   * Most connections of one listener; beyond that the one that is idle longest is closed, or the new one if none is
   * idle.
   * @defaultValue `10000`
   */
  readonly maxClientSessions?: number
  /**
   * Most connections of one listener from one client address; default: no such limit, but the last tenth of all places
   * is not for an address that holds more than half of them (loopback excepted).
   */
  readonly maxClientSessionsPerAddress?: number
  /** How much of an address says which client it is. */
  readonly clientAddressBits?: ClientAddressBits
  /**
   * A client session without calls for this long is drained; 0: never (milliseconds).
   * @defaultValue `3600000`
   */
  readonly clientIdleTimeoutMs?: number
  /**
   * Asks silent clients by PING whether they are there; default: they are not asked, except by TCP (`tcpKeepaliveMs`).
   */
  readonly clientKeepalive?: ClientKeepaliveOptions
  /**
   * A client session that is older than this, give or take a tenth, is drained: its client opens another; 0: never
   * (milliseconds).
   * @defaultValue `0`
   */
  readonly clientMaxAgeMs?: number
  /**
   * How long the calls of a client session may go on that is too old (milliseconds).
   * @defaultValue `600000`
   */
  readonly clientAgeGraceMs?: number
  /**
   * After this long a silence TCP asks whether a client is still there; 0: never (milliseconds).
   * @defaultValue `60000`
   */
  readonly tcpKeepaliveMs?: number
  /**
   * Receive window of a stream: the most that is held for a slow reader (bytes).
   * @defaultValue `262144`
   */
  readonly streamWindowBytes?: number
  /**
   * What the window grows to for a stream whose bytes are taken fast; `frames` only (bytes).
   * @defaultValue `4194304`
   */
  readonly maxStreamWindowBytes?: number
  /**
   * Receive window that a session begins with; default: 65,535 on `frames`, where it grows with use, 1,048,576 on
   * `native` (bytes).
   */
  readonly sessionWindowBytes?: number
  /**
   * The most that is held for slow readers of what came on one session; at this bound the session gets no window;
   * `frames` only (bytes).
   * @defaultValue `67108864`
   */
  readonly maxSessionBufferedBytes?: number
  /**
   * The same for all sessions together, with what their windows promise beyond 65,535 bytes of each; `frames` only
   * (bytes).
   * @defaultValue `268435456`
   */
  readonly maxBufferedBytes?: number
  /**
   * Memory for the calls of all clients, apart from DATA: header lists, requests kept for a retry, 2 KiB for each call;
   * a client that holds as much as is left gets RESOURCE_EXHAUSTED; default: a quarter of V8's heap, at most 256 MiB
   * (bytes).
   */
  readonly maxCallBytes?: number
  /**
   * A peer acknowledges our SETTINGS within this time; `frames` only (milliseconds).
   * @defaultValue `10000`
   */
  readonly settingsTimeoutMs?: number
  /**
   * A header block ends within this time of its beginning; `frames` only (milliseconds).
   * @defaultValue `10000`
   */
  readonly headersTimeoutMs?: number
  /**
   * A peer that for this long takes nothing of what waits for its windows loses the session; `frames` only
   * (milliseconds).
   * @defaultValue `300000`
   */
  readonly stallTimeoutMs?: number
  /**
   * While a backend session has no window left, a call is ended if its client took less than a 16th of what waits for
   * it in this time, the calls that hold most first; so are the calls of a client that took less than half of what
   * waits for it on many calls; `frames` only (milliseconds).
   * @defaultValue `5000`
   */
  readonly slowReaderTimeoutMs?: number
  /**
   * Largest header block as it is sent, before the limits of header lists; a larger one ends the session; `frames` only
   * (bytes).
   * @defaultValue `16777216`
   */
  readonly maxHeaderBlockBytes?: number
  /**
   * Most CONTINUATION frames of a header block; more end the session; `frames` only.
   * @defaultValue `1024`
   */
  readonly maxContinuations?: number
  /** How often a session may do what is of no use; more ends it. */
  readonly floods?: FloodOptions
}

/** The part of an address that says who a client is. */
export interface ClientAddressBits {
  /**
   * Leading bits of an IPv4 address by which clients are told apart.
   * @defaultValue `32`
   */
  readonly ipv4?: number
  /**
   * Leading bits of an IPv6 address by which clients are told apart.
   * @defaultValue `64`
   */
  readonly ipv6?: number
}

/** Limits against floods. */
export interface FloodOptions {
  /**
   * Streams that a peer resets, or makes us reset.
   * @defaultValue `{ burst: 10000, perSecond: 3000 }`
   */
  readonly maxResets?: FloodLimitOptions
  /**
   * PING frames; `frames` only.
   * @defaultValue `{ burst: 200, perSecond: 20 }`
   */
  readonly maxPings?: FloodLimitOptions
  /**
   * SETTINGS and GOAWAY frames; `frames` only.
   * @defaultValue `{ burst: 100, perSecond: 10 }`
   */
  readonly maxSettings?: FloodLimitOptions
  /**
   * PRIORITY frames; `frames` only.
   * @defaultValue `{ burst: 1000, perSecond: 100 }`
   */
  readonly maxPriorities?: FloodLimitOptions
  /**
   * Frames of unknown types; `frames` only.
   * @defaultValue `{ burst: 1000, perSecond: 100 }`
   */
  readonly maxUnknownFrames?: FloodLimitOptions
  /**
   * DATA frames without content and without END_STREAM; `frames` only.
   * @defaultValue `{ burst: 1000, perSecond: 100 }`
   */
  readonly maxEmptyData?: FloodLimitOptions
  /**
   * WINDOW_UPDATE frames beyond four for each useful frame and one for each two bytes that it returns; `frames` only.
   * @defaultValue `{ burst: 10000, perSecond: 10000 }`
   */
  readonly maxWindowUpdates?: FloodLimitOptions
  /**
   * HEADERS frames on streams that we reset; `frames` only.
   * @defaultValue `{ burst: 10000, perSecond: 3000 }`
   */
  readonly maxIgnoredHeaders?: FloodLimitOptions
  /**
   * Responses of 1xx; `frames` only.
   * @defaultValue `{ burst: 1000, perSecond: 1000 }`
   */
  readonly maxInformational?: FloodLimitOptions
}

/** So many at once, and so many a second. */
export interface FloodLimitOptions {
  /** How many at once. */
  readonly burst?: number
  /** How many a second, for long. */
  readonly perSecond?: number
}
