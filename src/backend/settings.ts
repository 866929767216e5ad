/** The settings of a backend, which may change while it runs, and what it is given for its whole life. */

import type { Clock } from '../transport/clock.ts'
import type { Turn } from '../transport/turn.ts'
import type { BalancerSettings } from './balance/kinds.ts'
import type { BreakerSettings } from './breaker.ts'
import type { ShareLimits } from './client-share.ts'
import type { EndpointLimitSettings } from './endpoint-limit.ts'
import type { EndpointOptions } from './endpoint-options.ts'
import { type EndpointSource, type SourceProblem, StaticSource, type WeightedAddress } from './endpoint-source.ts'
import type { WatchContext } from './endpoint-watch.ts'
import type { HealthSettings, OutlierSettings } from './health/settings.ts'
import type { SelectionSettings } from './select/selection.ts'
import type { PoolContext } from './session-pool.ts'

export interface QueueOptions {
  /** Most calls that wait for a session or a stream at a time. */
  readonly maxCalls: number
  /** Longest time that a call waits. */
  readonly timeoutMs: number
  /** By default clients do not say it. */
  readonly priority?: QueuePriorityOptions | undefined
}

/** Which calls give way first when many wait. */
export interface QueuePriorityOptions {
  /** The name of the metadata in which clients say it. */
  readonly metadata?: string | undefined
  /** From this part of `maxCalls` on sheddable calls of a client that has its part of the queue do not wait. */
  readonly shedAt: number
}

/** Everything here may change, except the name. */
export interface BackendSettings extends EndpointOptions, SelectionSettings {
  readonly name: string
  readonly endpoints: readonly WeightedAddress[]
  /** By default they take turns. */
  readonly balancer?: BalancerSettings
  /** Makes the source that tells the endpoints, instead of the list. */
  readonly source?: SourceSetup
  readonly queue: QueueOptions
  /** What all calls together may use of it. By default there is no limit. */
  readonly breaker?: BreakerSettings | undefined
  /** By default nobody asks endpoints how they are. */
  readonly health?: HealthSettings
  /** By default nobody is ejected. */
  readonly outliers?: OutlierSettings
  /** How many calls each endpoint may have at a time. */
  readonly endpointLimit?: EndpointLimitSettings | undefined
}

/** Where the endpoints come from, as data: two that are alike can be compared. */
export interface SourceSetup {
  /** For logs and messages. */
  readonly name: string
  open(context: SourceContext): EndpointSource
}

/** What a source is given besides. */
export interface SourceContext {
  readonly clock: Clock
  /** A number from 0 up to 1. */
  readonly random: () => number
}

/** This never changes. */
export interface BackendContext extends PoolContext, WatchContext {
  readonly turn: Turn
  /**
   * The same time as `clock`, read once in a turn: for those who would read it for each call. It is late by up to a turn,
   * which is too much for waits of some milliseconds. Default: `clock`.
   */
  readonly turnClock?: Clock
  /** From 0 up to 1: which endpoint of a first list has the first turn. Default: the first. */
  readonly start?: () => number
  /** How many bytes of responses may wait for a client now before it gets a session apart. */
  readonly clientHeldBytes: () => number
  /** The source of a backend has a problem, or (undefined) has none any more. */
  readonly onSourceProblem?: (backend: string, problem: SourceProblem | undefined) => void
}

export function sourceOf({ source, endpoints }: BackendSettings, context: SourceContext): EndpointSource {
  return source?.open(context) ?? new StaticSource(endpoints)
}

/** A client may cause this part of the resets that a shared session may carry. With more it gets a session apart. */
const CLIENT_PART = 1 / 4

export function shareLimits(
  { resets, breaker, queue }: BackendSettings,
  { clientHeldBytes }: BackendContext,
): ShareLimits {
  return {
    maxCalls: breaker?.maxCalls,
    maxRetries: breaker?.maxRetries,
    priorityName: queue.priority?.metadata,
    resets: { burst: resets.burst * CLIENT_PART, perSecond: resets.perSecond * CLIENT_PART },
    heldBytes: clientHeldBytes,
  }
}
