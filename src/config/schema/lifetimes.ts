/** How long sessions live, on both sides: age, idle time, and whether their peers are asked for a sign of life. */
import { z } from 'zod'
import { milliseconds, strict } from './fields.ts'

/** A tenth below what setTimeout takes, as a tenth may be added; about 22 days. */
const MAX_AGE_MS = 1_952_000_000
/** A session that lives shorter costs more than it serves. */
const SHORTEST_LIFE_MS = 1_000
/**
 * The shortest interval and the shortest timeout of keepalive. gRFC A8 has ten seconds for clients that are anywhere; a proxy
 * is near its backends. A program that is busy for less than a second is not dead.
 */
const MIN_KEEPALIVE_MS = 1_000

/** 0, or a time in which a session can be of use. */
function life(fallback: number, description: string) {
  return z
    .int()
    .min(0)
    .max(MAX_AGE_MS)
    .refine(ms => ms === 0 || ms >= SHORTEST_LIFE_MS, { error: `must be 0 (never) or at least ${SHORTEST_LIFE_MS}` })
    .default(fallback)
    .meta({ description: `${description}; 0: never (milliseconds)` })
}

const timeoutMs = milliseconds(
  20_000,
  'How long the answer may take, or anything else that comes; then the session is ended, and its calls with it',
  { min: MIN_KEEPALIVE_MS },
)

/** Toward endpoints. As in gRPC's clients it is off unless it is asked for (gRFC A8). */
export const keepalive = strict({
  // What gRPC's servers allow by default.
  intervalMs: milliseconds(
    300_000,
    'After this long a silence an endpoint is asked; grpc-go, grpc-java and grpcio end a session that asks more often than each five minutes, unless they are told otherwise',
    { min: MIN_KEEPALIVE_MS },
  ),
  timeoutMs,
  withoutCalls: z.boolean().default(false).meta({
    description: 'Ask on sessions without calls too; by default the servers of gRPC allow that each two hours',
  }),
})

export const keepaliveMeta = {
  description:
    'Asks silent endpoints by PING whether they are there, so that calls do not hang at one that stands still; default: they are not asked, except by TCP',
  'x-type': '`{ intervalMs, timeoutMs, withoutCalls }`',
}

/** Toward clients, whether they have calls or not (gRFC A9). */
const clientKeepalive = strict({
  // gRFC A9's KEEPALIVE_TIME.
  intervalMs: milliseconds(7_200_000, 'After this long a silence a client is asked', { min: MIN_KEEPALIVE_MS }),
  timeoutMs,
})

/** Of `limits`. */
export const clientLifetimes = {
  clientKeepalive: clientKeepalive.optional().meta({
    description:
      'Asks silent clients by PING whether they are there; default: they are not asked, except by TCP (`tcpKeepaliveMs`)',
    'x-type': '`{ intervalMs, timeoutMs }`',
  }),
  clientMaxAgeMs: life(
    0,
    'A client session that is older than this, give or take a tenth, is drained: its client opens another',
  ),
  clientAgeGraceMs: milliseconds(600_000, 'How long the calls of a client session may go on that is too old'),
}

/** Of `sessions`. */
export const sessionLifetimes = {
  // As for clients: long enough for calls that come now and then, and nothing is kept for ever.
  idleTimeoutMs: life(3_600_000, 'A session without calls for this long is closed, unless `ready` keeps it'),
  maxAgeMs: life(
    0,
    'A session that is older than this, give or take a tenth, is replaced: the next one is opened first, so that no call waits',
  ),
  ageGraceMs: milliseconds(600_000, 'How long the calls of a session may go on that was replaced for its age'),
}
