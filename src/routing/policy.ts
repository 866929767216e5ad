/** A policy: how a call is treated on its way. A route makes one for all its calls, once; a director may return one. */

import { checkMirror, type MirrorPolicy } from './mirror-policy.ts'

/** A field that is missing asks for nothing. Times count from when the call was routed, where nothing else is said. */
export interface CallPolicy {
  /** A share of the calls is copied to a second backend. */
  readonly mirror?: MirrorPolicy | undefined
  /** The longest a call may take. Where the client gave it less time, that counts. */
  readonly timeoutMs?: number | undefined
  /** The same for calls whose client has given no time. */
  readonly defaultTimeoutMs?: number | undefined
  /** The longest time without data in either direction, from when the call first went to an endpoint. */
  readonly idleTimeoutMs?: number | undefined
  /** The longest time until the response's headers, from when the call first went to an endpoint. */
  readonly responseHeadersTimeoutMs?: number | undefined
}

/** The fields of a route that are its policy. */
const TIMES = ['timeoutMs', 'defaultTimeoutMs', 'idleTimeoutMs', 'responseHeadersTimeoutMs'] as const

/** About 24 days, as all times of the configuration. */
const MAX_MS = 2 ** 31 - 1

/** Policies that were checked and cannot change any more. */
const checked = new WeakSet<CallPolicy>()

/**
 * A policy that can be used for any number of calls, and is checked once.
 * @throws TypeError for a value that is not allowed
 */
export function definePolicy(policy: CallPolicy): CallPolicy {
  checkPolicy(policy)
  const frozen = Object.freeze({ ...policy })
  checked.add(frozen)
  return frozen
}

/** @returns undefined where the route asks for no treatment */
export function policyOf(route: CallPolicy): CallPolicy | undefined {
  const { timeoutMs, defaultTimeoutMs, idleTimeoutMs, responseHeadersTimeoutMs, mirror } = route
  if (route.mirror === undefined && TIMES.every(name => route[name] === undefined)) return undefined
  return definePolicy({ timeoutMs, defaultTimeoutMs, idleTimeoutMs, responseHeadersTimeoutMs, mirror })
}

/**
 * A director in plain JavaScript may say anything. What `definePolicy` made is not looked at again.
 * @throws TypeError for a value that is not allowed
 */
export function checkPolicy(policy: CallPolicy): void {
  if (checked.has(policy)) return
  if (policy.mirror !== undefined) checkMirror(policy.mirror)
  for (const name of TIMES) {
    const ms = policy[name]
    if (ms === undefined || (Number.isFinite(ms) && ms > 0 && ms <= MAX_MS)) continue
    throw new TypeError(`${name} of a policy is a number of milliseconds above 0, it is ${String(ms)}`)
  }
}
