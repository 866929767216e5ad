/** A policy: how a call is treated on its way. A route makes one for all its calls, once; a director may return one. */

import { checkMirror, type MirrorPolicy } from './mirror-policy.ts'
import { type RetryPolicy, RetryRules } from './retry-policy.ts'

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
  /** When the call is tried again. Undefined: only where a backend says that it did not process it. */
  readonly retry?: RetryPolicy | undefined
}

/** A policy that was checked, and cannot change any more. */
export interface DefinedPolicy extends CallPolicy {
  /** Of `retry`. */
  readonly rules?: RetryRules | undefined
  /** It looks at how much of the call has come. */
  readonly counts?: boolean
  /** It asks for more than a deadline. */
  readonly treats?: boolean
}

/** The fields of a route that are its policy. */
const TIMES = ['timeoutMs', 'defaultTimeoutMs', 'idleTimeoutMs', 'responseHeadersTimeoutMs'] as const

/** About 24 days, as all times of the configuration. */
const MAX_MS = 2 ** 31 - 1

const definedBefore = new WeakSet<CallPolicy>()

/**
 * A policy that can be used for any number of calls, and is checked once.
 * @throws TypeError for a value that is not allowed
 */
export function definePolicy(policy: CallPolicy): CallPolicy {
  return definedPolicy(policy)
}

/**
 * A director in plain JavaScript may say anything. What `definePolicy` made is not looked at again.
 * @throws TypeError for a value that is not allowed
 */
export function definedPolicy(policy: CallPolicy): DefinedPolicy {
  if (definedBefore.has(policy)) return policy
  if (policy.mirror !== undefined) checkMirror(policy.mirror)
  for (const name of TIMES) checkTime(name, policy[name])
  const { timeoutMs, defaultTimeoutMs, idleTimeoutMs, responseHeadersTimeoutMs, mirror, retry } = policy
  const rules = retry === undefined ? undefined : new RetryRules(retry)
  const times = { timeoutMs, defaultTimeoutMs, idleTimeoutMs, responseHeadersTimeoutMs }
  const counts = mirror !== undefined || idleTimeoutMs !== undefined
  const treats = counts || rules !== undefined || responseHeadersTimeoutMs !== undefined
  const made = Object.freeze({ ...times, mirror, retry, rules, counts, treats })
  definedBefore.add(made)
  return made
}

function checkTime(name: string, ms: number | undefined): void {
  if (ms === undefined || (Number.isFinite(ms) && ms > 0 && ms <= MAX_MS)) return
  throw new TypeError(`${name} of a policy is a number of milliseconds above 0, it is ${String(ms)}`)
}

/** @returns undefined where the route asks for no treatment */
export function policyOf(route: CallPolicy): CallPolicy | undefined {
  const asks = route.retry !== undefined || route.mirror !== undefined || TIMES.some(name => route[name] !== undefined)
  return asks ? definePolicy(route) : undefined
}
