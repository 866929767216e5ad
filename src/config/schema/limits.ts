/** What bounds the proxy: sizes, counts, times. */
import { z } from 'zod'
import { flag, integer, milliseconds, strict } from './fields.ts'

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
  maxClientSessions: integer(10_000, 'Most connections of one listener; further ones are closed', { min: 1 }),
  streamWindowBytes: integer(262_144, 'Receive window of a stream: what is held at most for a slow reader', {
    min: 16_384,
  }),
  // RFC 9113 §6.9.2: a connection starts with 65,535 and its window cannot be lowered by SETTINGS.
  sessionWindowBytes: integer(1_048_576, 'Receive window of a session', {
    min: 65_535,
  }),
  resetBurst: integer(10_000, 'Stream resets that one client session may send at once', { min: 1 }),
  resetsPerSecond: integer(2500, 'Stream resets a second that it may send for long; more ends the session', { min: 1 }),
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
})

export const drain = strict({
  graceMs: milliseconds(30_000, 'How long calls in flight may go on after the proxy was told to stop'),
})
