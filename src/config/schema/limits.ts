/** What bounds the proxy: sizes, counts, times. */
import { z } from 'zod'
import { MAX_BUFFERED_BYTES } from '../../observe/log-destination.ts'
import { FLOOD_LIMITS } from '../../wire/allowance.ts'
import { flag, integer, milliseconds, strict } from './fields.ts'

/** RFC 9113 §6.9.1 allows 2^31-1; half, as a window may be given before the peer knows our SETTINGS. */
const MAX_WINDOW_BYTES = 2 ** 30

/** Linux takes no more: MAX_TCP_KEEPIDLE, in seconds. */
const MAX_TCP_KEEPALIVE_MS = 32_767_000

const COUNT = { min: 1 }

/** How often a client session may do what is of no use: `burst` at once, and `perSecond` for long; more ends it. */
function flood(what: string, { burst, perSecond }: { readonly burst: number; readonly perSecond: number }) {
  return strict({
    burst: integer(burst, `${what} at once`, COUNT),
    perSecond: integer(perSecond, `${what} a second, for long`, COUNT),
  }).prefault({})
}

const { maxResets, maxPings, maxSettings, maxPriorities, maxUnknownFrames } = FLOOD_LIMITS
const { maxEmptyData, maxWindowUpdates, maxIgnoredHeaders, maxInformational } = FLOOD_LIMITS

const floods = strict({
  maxResets: flood('Streams that a peer resets or makes us reset; more than this ends its session:', maxResets),
  maxPings: flood('PING; `frames` only:', maxPings),
  maxSettings: flood('SETTINGS and GOAWAY; `frames` only:', maxSettings),
  maxPriorities: flood('PRIORITY; `frames` only:', maxPriorities),
  maxUnknownFrames: flood('Frames of unknown types; `frames` only:', maxUnknownFrames),
  maxEmptyData: flood('DATA without content and without END_STREAM; `frames` only:', maxEmptyData),
  maxWindowUpdates: flood(
    'WINDOW_UPDATE beyond four a useful frame and one for two bytes that it returns; `frames` only:',
    maxWindowUpdates,
  ),
  maxIgnoredHeaders: flood('HEADERS on streams that we reset; `frames` only:', maxIgnoredHeaders),
  maxInformational: flood('Responses of 1xx; `frames` only:', maxInformational),
})

export const limits = strict({
  maxHeaderListBytes: integer(65_536, 'Largest header list, each field counted as name + value + 32 bytes', {
    min: 1024,
  }),
  maxHeaderFields: integer(128, 'Most fields in a header list', {
    min: 8,
    max: 65_536,
  }),
  maxConcurrentStreams: integer(1000, 'Most open streams of one client session', { min: 1 }),
  replayBytes: integer(
    65_536,
    'Request bytes kept of a call for a transparent retry; a call that sent more is not retried',
  ),
  prefaceTimeoutMs: milliseconds(10_000, 'A client that connected sends its preface and SETTINGS within this time', {
    min: 1,
  }),
  maxClientSessions: integer(
    10_000,
    'Most connections of one listener; beyond, the one that is idle longest goes, or the new one where none is idle',
    { min: 1 },
  ),
  maxClientSessionsPerAddress: z
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .optional()
    .meta({
      description:
        'The same of one client address; default: none, but the last tenth of all places is not for an address that holds more than half of them (loopback apart)',
    }),
  clientAddressBits: strict({
    ipv4: integer(32, 'Leading bits of an IPv4 address by which clients are told apart', { min: 1, max: 32 }),
    // RFC 6177: an end site gets a /64 at least, so what comes after says nothing about who it is.
    ipv6: integer(64, 'The same of an IPv6 address', { min: 1, max: 128 }),
  }).prefault({}),
  // Envoy's default too: long enough for whoever calls now and then, and nothing is kept for ever.
  clientIdleTimeoutMs: milliseconds(3_600_000, 'A client session without calls for so long is drained; 0: never'),
  // With the system's ten probes a second apart (Node's choice) a client that vanished is gone after 70 seconds.
  tcpKeepaliveMs: milliseconds(60_000, 'After so long a silence TCP asks whether a client is still there; 0: never', {
    max: MAX_TCP_KEEPALIVE_MS,
  }),
  streamWindowBytes: integer(262_144, 'Receive window of a stream: what is held at most for a slow reader', {
    min: 16_384,
    max: MAX_WINDOW_BYTES,
  }),
  maxStreamWindowBytes: integer(4_194_304, 'What it grows to for a stream that drains fast; `frames` only', {
    min: 16_384,
    max: MAX_WINDOW_BYTES,
  }),
  // RFC 9113 §6.9.2: a connection starts with 65,535 and its window cannot be lowered by SETTINGS.
  sessionWindowBytes: z.int().min(65_535).max(MAX_WINDOW_BYTES).optional().meta({
    description:
      'Receive window that a session begins with; default: 65,535 on `frames`, where it grows with use, 1,048,576 on `native`',
  }),
  maxSessionBufferedBytes: integer(
    67_108_864,
    'Bytes held for slow readers that came on one session; at the bound it gets no window; `frames` only',
    { min: 65_535 },
  ),
  maxBufferedBytes: integer(
    268_435_456,
    'The same of all sessions together, with what their windows promise, beyond 65,535 bytes of each; `frames` only',
    { min: 1_048_576 },
  ),
  maxCallBytes: z.int().min(1_048_576).optional().meta({
    description:
      "What the calls of all clients take in memory beside DATA: header lists, requests kept for a retry, 2 KiB for each call; a client that holds as much as is left gets RESOURCE_EXHAUSTED. Default: a quarter of V8's heap, 256 MiB at most",
  }),
  settingsTimeoutMs: milliseconds(10_000, 'A peer acknowledges our SETTINGS within this time; `frames` only', {
    min: 1,
  }),
  headersTimeoutMs: milliseconds(10_000, 'A header block ends within this time of its beginning; `frames` only', {
    min: 1,
  }),
  stallTimeoutMs: milliseconds(
    300_000,
    'A peer that takes nothing of what waits for its windows loses the session after this time; `frames` only',
    { min: 1 },
  ),
  slowReaderTimeoutMs: milliseconds(
    5_000,
    'While a backend session has no window left, calls whose clients took less than a 16th of what waits for them in this time are ended, those that hold most first, and so are those of a client that took less than half of what waits for it on many calls; `frames` only',
    { min: 1 },
  ),
  // What grpc-go takes by default. What is above the limits of header lists costs time alone: it is dropped as it comes.
  maxHeaderBlockBytes: integer(
    16_777_216,
    'Most bytes of a header block as it is sent, most of which a call may not have; more end the session; `frames` only',
    { min: 16_384 },
  ),
  maxContinuations: integer(1_024, 'Most CONTINUATION frames of a header block; more end the session; `frames` only', {
    min: 1,
  }),
  floods: floods.prefault({}),
})

export const log = strict({
  level: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .meta({ description: 'Least level that is logged' }),
  access: flag(true, 'One record a call, at level info'),
  pretty: z
    .union([z.boolean(), z.literal('auto')])
    .default('auto')
    .meta({
      description: 'Lines for people instead of JSON; `auto`: in a terminal',
    }),
  maxBufferedBytes: integer(
    MAX_BUFFERED_BYTES,
    'Log lines that wait while standard output takes none; further ones are dropped and counted',
    { min: 65_536 },
  ),
})

export const drain = strict({
  graceMs: milliseconds(30_000, 'How long calls in flight may go on after the proxy was told to stop'),
})
