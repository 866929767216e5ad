/** A policy: how a call is treated on its way. A route makes one for all its calls, once; a director may return one. */
import { type HedgePolicy, HedgeRules } from './hedge-policy.ts'
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
  /** When it is sent once more before it is answered. A policy has one of `retry` and `hedge` at most. */
  readonly hedge?: HedgePolicy | undefined
}

/** A policy that was checked, and cannot change any more. */
export interface DefinedPolicy extends CallPolicy {
  /** Of `retry`. */
  readonly rules?: RetryRules | undefined
  /** Of `hedge`. */
  readonly hedgeRules?: HedgeRules | undefined
  /** It looks at how much of the call has come. */
  readonly counts?: boolean
  /** It asks for more than a deadline. */
  readonly treats?: boolean
}

const TIMES = ['timeoutMs', 'defaultTimeoutMs', 'idleTimeoutMs', 'responseHeadersTimeoutMs'] as const
/** The fields of a route that are its policy. */
const ASKS = [...TIMES, 'retry', 'hedge', 'mirror'] as const

/** About 24 days, as all times of the configuration. */
const MAX_MS = 2 ** 31 - 1

/** The mark of a policy that was checked, which nobody else can make: it is looked for in each call. */
class Checked {
  readonly #checked = true

  constructor(policy: DefinedPolicy) {
    Object.freeze(Object.assign(this, policy))
  }

  static has(policy: CallPolicy): policy is DefinedPolicy {
    return typeof policy === 'object' && policy !== null && #checked in policy
  }
}

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
  if (Checked.has(policy)) return policy
  if (policy.mirror !== undefined) checkMirror(policy.mirror)
  for (const name of TIMES) checkTime(name, policy[name])
  const { timeoutMs, defaultTimeoutMs, idleTimeoutMs, responseHeadersTimeoutMs, mirror, retry, hedge } = policy
  // gRFC A6, "Overview": "An individual RPC may be governed by a retry policy or a hedge policy, but not both."
  if (retry !== undefined && hedge !== undefined) throw new TypeError('a policy has one of retry and hedge, not both')
  const rules = retry === undefined ? undefined : new RetryRules(retry)
  const hedgeRules = hedge === undefined ? undefined : new HedgeRules(hedge)
  const times = { timeoutMs, defaultTimeoutMs, idleTimeoutMs, responseHeadersTimeoutMs }
  const counts = mirror !== undefined || idleTimeoutMs !== undefined
  const attempts = rules !== undefined || hedgeRules !== undefined
  const treats = counts || attempts || responseHeadersTimeoutMs !== undefined
  return new Checked({ ...times, mirror, retry, rules, hedge, hedgeRules, counts, treats }) as DefinedPolicy
}

function checkTime(name: string, ms: number | undefined): void {
  if (ms === undefined || (Number.isFinite(ms) && ms > 0 && ms <= MAX_MS)) return
  throw new TypeError(`${name} of a policy is a number of milliseconds above 0, it is ${String(ms)}`)
}

/** @returns undefined where the route asks for no treatment */
export function policyOf(route: CallPolicy): CallPolicy | undefined {
  const asks = ASKS.some(name => route[name] !== undefined)
  return asks ? definePolicy(route) : undefined
}
