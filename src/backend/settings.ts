/** What a backend is made of, and what of it may change while it runs. */

import type { DialAddress } from '../transport/transport.ts'
import type { Turn } from '../transport/turn.ts'
import type { ShareLimits } from './client-share.ts'
import type { EndpointOptions } from './endpoint.ts'
import { type EndpointSource, StaticSource } from './endpoint-source.ts'
import type { PoolContext } from './session-pool.ts'
import type { QueueOptions } from './waiting-calls.ts'

/** All of it may change, but for the name. */
export interface BackendSettings extends EndpointOptions {
  readonly name: string
  readonly endpoints: readonly DialAddress[]
  /** Says which endpoints there are, instead of the list. */
  readonly source?: EndpointSource
  readonly queue: QueueOptions
}

/** None of it changes. */
export interface BackendContext extends PoolContext {
  readonly turn: Turn
  /** Bytes of responses that may wait for a client before it gets sessions apart. */
  readonly clientHeldBytes: number
}

export function sourceOf({ source, endpoints }: BackendSettings): EndpointSource {
  return source ?? new StaticSource(endpoints)
}

/** One client may have this part of the resets that a shared session bears; who has more gets sessions apart. */
const CLIENT_PART = 1 / 4

export function shareLimits({ resets }: BackendSettings, heldBytes: number): ShareLimits {
  return { resets: { burst: resets.burst * CLIENT_PART, perSecond: resets.perSecond * CLIENT_PART }, heldBytes }
}
