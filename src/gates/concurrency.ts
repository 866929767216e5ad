/**
 * A gate by calls at a time: so many of each key may be under way. A key is known while it has calls, so what is kept is
 * bounded by the calls that the proxy has.
 */
import type { Gate } from '../routing/gate.ts'
import { refusal } from '../routing/gate.ts'
import { type CallKeys, callKey } from './call-key.ts'
import type { RunningCounts } from './shared-counts.ts'

export interface ConcurrencyOptions {
  /** Most calls at a time. */
  readonly max: number
  /** What has a limit of its own: each value of these together. None: all calls have one limit. */
  readonly key?: CallKeys | undefined
  /** How long those should wait that are refused, on average. */
  readonly retryAfterMs?: number | undefined
  /** Proxies before this one, whose `x-forwarded-for` says who the client is. */
  readonly trustedProxies?: readonly string[] | undefined
}

const RETRY_AFTER_MS = 1_000

/**
 * Refuses with RESOURCE_EXHAUSTED and `grpc-retry-pushback-ms`. Nobody knows when a call ends: so those who are refused
 * together are sent away for different times, and do not come back together.
 * @param random a number from 0 up to 1
 * @param together where other processes keep the limit with this one
 * @throws RangeError for a limit that is less than 1
 */
export function concurrency(
  options: ConcurrencyOptions,
  random: () => number = Math.random,
  together?: RunningCounts,
): Gate {
  const { max, key, retryAfterMs = RETRY_AFTER_MS, trustedProxies } = options
  if (!(max >= 1)) throw new RangeError('a limit of calls at a time is at least 1')
  const running = together?.here ?? new Map<string, number>()
  const keyOf = callKey(key, trustedProxies)
  const why = `more than ${max} calls at a time`
  return next => call => {
    const name = keyOf(call)
    const now = running.get(name) ?? 0
    const elsewhere = together === undefined ? 0 : together.elsewhere(name)
    if (now + elsewhere >= max) {
      if (elsewhere > 0) together!.doubt()
      throw refusal('rate-limited', why, Math.ceil(retryAfterMs * (0.5 + random())))
    }
    running.set(name, now + 1)
    together?.changed(name)
    call.onEnd(() => {
      const left = running.get(name)! - 1
      if (left === 0) running.delete(name)
      else running.set(name, left)
      together?.changed(name)
    })
    return next(call)
  }
}
