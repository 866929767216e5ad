/**
 * A gate by rate: so many calls a second for each key, and a burst. It keeps one number for a key, the time from which on
 * its calls would come at exactly the rate (the generic cell rate algorithm, ITU-T I.371), which does what a bucket of tokens
 * does.
 */
import type { Gate } from '../routing/gate.ts'
import { refusal } from '../routing/gate.ts'
import type { Clock } from '../transport/clock.ts'
import { loopClock } from '../transport/turn.ts'
import { type CallKeys, callKey } from './call-key.ts'
import { Kept } from './kept.ts'
import type { PassedCounts } from './shared-counts.ts'

export interface RateLimitOptions {
  readonly perSecond: number
  /** Calls that may come at once; by default those of a second, at least one. */
  readonly burst?: number | undefined
  /** What has a rate of its own: each value of these together. None: all calls have one rate. */
  readonly key?: CallKeys | undefined
  /** Keys that are known at a time; of more the oldest are forgotten, and may burst again. */
  readonly maxKeys?: number | undefined
  /** Proxies before this one, whose `x-forwarded-for` says who the client is. */
  readonly trustedProxies?: readonly string[] | undefined
}

/** When the next call of a key would come at exactly the rate. It changes in place: a key is looked up once a call. */
interface Due {
  atMs: number
}

const MAX_KEYS = 100_000
/**
 * A call may come so much of an interval early, which the next one then waits longer. Without that, what passes between two
 * calls of a client that is always too fast would be lost of its rate.
 */
const EARLY = 0.5
/**
 * Refuses with RESOURCE_EXHAUSTED and says in `grpc-retry-pushback-ms` when there is room again.
 * @param together where other processes keep the rate with this one
 * @throws RangeError for a rate or a burst that is not positive
 */
export function rateLimit(options: RateLimitOptions, clock: Clock = loopClock, together?: PassedCounts): Gate {
  const { perSecond, burst = Math.max(1, perSecond), key, maxKeys = MAX_KEYS, trustedProxies } = options
  if (!(perSecond > 0) || !(burst >= 1)) throw new RangeError('a rate is more than 0, and a burst at least 1')
  const intervalMs = 1_000 / perSecond
  const toleranceMs = (burst - 1 + EARLY) * intervalMs
  const known = new Kept<Due>(maxKeys)
  const keyOf = callKey(key, trustedProxies)
  const why = `more than ${perSecond} calls a second`
  if (together !== undefined) {
    together.onElsewhere = (name, calls, ageMs) => {
      // They came one after the other in that time, and their rate may have been free then.
      const dueMs = known.get(name)?.atMs ?? 0
      known.set(name, { atMs: Math.max(dueMs, clock.now() - ageMs) + calls * intervalMs })
    }
  }
  return next => call => {
    const now = clock.now()
    const name = keyOf(call)
    const due = known.get(name)
    const atMs = due === undefined ? now : Math.max(due.atMs, now)
    const earlyMs = atMs - toleranceMs - now
    if (earlyMs > 0) throw refusal('rate-limited', why, earlyMs)
    if (due === undefined) known.set(name, { atMs: atMs + intervalMs })
    else due.atMs = atMs + intervalMs
    together?.passed(name)
    return next(call)
  }
}
