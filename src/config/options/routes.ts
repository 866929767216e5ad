/** Which call goes where. */
import type { StatusName } from '../../grpc/status.ts'
import type { CallPriority } from '../../routing/director.ts'
import type { HashKeyOptions } from './balancers.ts'
import type { FaultsOptions } from './faults.ts'
import type { RequirementOptions } from './gates.ts'
import type { MetadataCondition } from './metadata-condition.ts'
import type { HedgeOptions, RetryOptions } from './policy.ts'

/** What a call must look like, and one of `backend`, `backends` and `deny`. */
export interface RouteOptions {
  /** What a call must look like; all that is given must hold, and without it every call matches. */
  readonly match?: RouteMatchOptions
  /** Name of the backend that gets the calls. */
  readonly backend?: string
  /** Several backends that share the calls in proportion to their weights. */
  readonly backends?: readonly WeightedBackendOptions[]
  /**
   * Calls with the same key go to the same one of `backends`; a call without it may go to any. In code also a function
   * of the call.
   */
  readonly hashKey?: HashKeyOptions
  /** End the calls with this status. */
  readonly deny?: Exclude<StatusName, 'OK'>
  /** The `grpc-message` that goes with `deny`. */
  readonly message?: string
  /** What the calls must pass, after what every call must: names of gates; `{ any: […] }`: one of them. */
  readonly require?: RequirementOptions
  /** Which calls give way when many wait for the backend: sheddable ones first; whatever the client says. */
  readonly priority?: CallPriority
  /** The longest a call may take; where the client gave it less time, that counts (milliseconds). */
  readonly timeoutMs?: number
  /** The same for calls whose client has given no time (milliseconds). */
  readonly defaultTimeoutMs?: number
  /** The longest time without data in either direction, once the call went to an endpoint (milliseconds). */
  readonly idleTimeoutMs?: number
  /** The longest time until the headers of the response, once the call went to an endpoint (milliseconds). */
  readonly responseHeadersTimeoutMs?: number
  /** Faults for those who test clients, after what the calls must pass; only with `allowFaults`. */
  readonly faults?: FaultsOptions
  /** A second backend gets a copy of the calls, which slows nothing. */
  readonly mirror?: MirrorOptions
  /** When a call is tried again; without it only where the backend has not processed it. */
  readonly retry?: RetryOptions
  /** When a call is sent once more before its backend has answered. */
  readonly hedge?: HedgeOptions
  /** Replaces `:authority` on the way to the backend. */
  readonly rewriteAuthority?: string
  /** Added to the request; a name that the client sent too is replaced. */
  readonly addMetadata?: Readonly<Record<string, string | readonly string[]>>
  /** Changes of what the backend gets. */
  readonly request?: FieldChangesOptions
  /** The same of the headers that the client gets, also of answers of the proxy itself. */
  readonly response?: FieldChangesOptions
  /** The same of the trailers that the client gets, also where they are its only headers. */
  readonly trailers?: FieldChangesOptions
}

/** Changes of metadata. */
export interface FieldChangesOptions {
  /** By name: in the place of what came under it; with variables. */
  readonly set?: Readonly<Record<string, string | readonly string[]>>
  /** By name: behind what came; with variables. */
  readonly add?: Readonly<Record<string, string | readonly string[]>>
  /** Names that do not go on. */
  readonly remove?: readonly string[]
}

/** Copies of calls. */
export interface MirrorOptions {
  /** Name of the backend that gets the copies; nobody hears its answers. */
  readonly backend: string
  /**
   * From 0 to 1: how many of the calls, at random.
   * @defaultValue `1`
   */
  readonly share?: number
}

/** Conditions of a route; all that are given must hold, and of a list one entry. */
export interface RouteMatchOptions {
  /** `api.example.com` or `*.example.com`, in any spelling; without a port every port matches. */
  readonly authority?: string | readonly string[]
  /** `pkg.Service`, or `pkg.*` for all that starts with `pkg.`; with `deny` in any case of letters. */
  readonly service?: string | readonly string[]
  /** `Method`, exactly; with `deny` in any case of letters. */
  readonly method?: string | readonly string[]
  /**
   * By name: a string (exactly that value), `{ value: text }`, `{ prefix: text }` or `{ present: true }`; all must
   * hold; `list` (`all`, `any`, `whole`) in the second and third says how several values count.
   */
  readonly metadata?: Readonly<Record<string, MetadataCondition>>
}

/** One of several backends of a route. */
export interface WeightedBackendOptions {
  /** Name of a backend. */
  readonly backend: string
  /**
   * Its share of the calls, in proportion to the sum of the weights.
   * @defaultValue `1`
   */
  readonly weight?: number
}
