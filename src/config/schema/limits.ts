/** What bounds the proxy: sizes, counts, times. */
import { z } from 'zod'
import { bytes, integer, milliseconds, section } from './fields.ts'
import { floods } from './floods.ts'
import { clientLifetimes } from './lifetimes.ts'

/** RFC 9113 §6.9.1 allows 2^31-1; half of it, as a window may be given before the peer knows our SETTINGS. */
const MAX_WINDOW_BYTES = 2 ** 30

/** Linux takes no more: MAX_TCP_KEEPIDLE, in seconds. */
const MAX_TCP_KEEPALIVE_MS = 32_767_000

const clientAddressBits = section('How much of an address says which client it is', {
  ipv4: integer(32, 'Leading bits of an IPv4 address by which clients are told apart', { min: 1, max: 32 }),
  // RFC 6177: an end site gets a /64 at least, so what comes after says nothing about who it is.
  ipv6: integer(64, 'Leading bits of an IPv6 address by which clients are told apart', { min: 1, max: 128 }),
})

export const limits = section('What bounds the proxy: sizes, counts, times', {
  maxHeaderListBytes: bytes(65_536, 'Largest header list; each field counts as name + value + 32', { min: 1024 }),
  maxHeaderFields: integer(128, 'Most fields in a header list', { min: 8, max: 65_536 }),
  maxConcurrentStreams: integer(1000, 'Most open streams of one client session', { min: 1 }),
  replayBytes: bytes(65_536, 'How much of a request is kept to be sent again; a call that sent more is not retried'),
  prefaceTimeoutMs: milliseconds(10_000, 'A client that connected sends its preface and SETTINGS within this time', {
    min: 1,
  }),
  maxClientSessions: integer(
    10_000,
    'Most connections of one listener; beyond that the one that is idle longest is closed, or the new one if none is idle',
    { min: 1 },
  ),
  maxClientSessionsPerAddress: z
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .optional()
    .meta({
      description:
        'Most connections of one listener from one client address; default: no such limit, but the last tenth of all places is not for an address that holds more than half of them (loopback excepted)',
    }),
  clientAddressBits,
  // Envoy's default too: long enough for a client that calls now and then, and nothing is kept for ever.
  clientIdleTimeoutMs: milliseconds(3_600_000, 'A client session without calls for this long is drained; 0: never'),
  ...clientLifetimes,
  // With the system's ten probes a second apart (Node's choice) a client that vanished is gone after 70 seconds.
  tcpKeepaliveMs: milliseconds(60_000, 'After this long a silence TCP asks whether a client is still there; 0: never', {
    max: MAX_TCP_KEEPALIVE_MS,
  }),
  streamWindowBytes: bytes(262_144, 'Receive window of a stream: the most that is held for a slow reader', {
    min: 16_384,
    max: MAX_WINDOW_BYTES,
  }),
  maxStreamWindowBytes: bytes(
    4_194_304,
    'What the window grows to for a stream whose bytes are taken fast; `frames` only',
    { min: 16_384, max: MAX_WINDOW_BYTES },
  ),
  // RFC 9113 §6.9.2: a connection starts with 65,535 and its window cannot be lowered by SETTINGS.
  sessionWindowBytes: z.int().min(65_535).max(MAX_WINDOW_BYTES).optional().meta({
    description:
      'Receive window that a session begins with; default: 65,535 on `frames`, where it grows with use, 1,048,576 on `native` (bytes)',
  }),
  maxSessionBufferedBytes: bytes(
    67_108_864,
    'The most that is held for slow readers of what came on one session; at this bound the session gets no window; `frames` only',
    { min: 65_535 },
  ),
  maxBufferedBytes: bytes(
    268_435_456,
    'The same for all sessions together, with what their windows promise beyond 65,535 bytes of each; `frames` only',
    { min: 1_048_576 },
  ),
  maxCallBytes: z.int().min(1_048_576).optional().meta({
    description:
      "Memory for the calls of all clients, apart from DATA: header lists, requests kept for a retry, 2 KiB for each call; a client that holds as much as is left gets RESOURCE_EXHAUSTED; default: a quarter of V8's heap, at most 256 MiB (bytes)",
  }),
  settingsTimeoutMs: milliseconds(10_000, 'A peer acknowledges our SETTINGS within this time; `frames` only', {
    min: 1,
  }),
  headersTimeoutMs: milliseconds(10_000, 'A header block ends within this time of its beginning; `frames` only', {
    min: 1,
  }),
  stallTimeoutMs: milliseconds(
    300_000,
    'A peer that for this long takes nothing of what waits for its windows loses the session; `frames` only',
    { min: 1 },
  ),
  slowReaderTimeoutMs: milliseconds(
    5_000,
    'While a backend session has no window left, a call is ended if its client took less than a 16th of what waits for it in this time, the calls that hold most first; so are the calls of a client that took less than half of what waits for it on many calls; `frames` only',
    { min: 1 },
  ),
  // What grpc-go takes by default. What is above the limits of header lists costs time only: it is dropped as it comes.
  maxHeaderBlockBytes: bytes(
    16_777_216,
    'Largest header block as it is sent, before the limits of header lists; a larger one ends the session; `frames` only',
    { min: 16_384 },
  ),
  maxContinuations: integer(1_024, 'Most CONTINUATION frames of a header block; more end the session; `frames` only', {
    min: 1,
  }),
  floods,
})
