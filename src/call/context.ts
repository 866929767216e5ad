/** What a call needs of its proxy. */
import type { Backend } from '../backend/backend.ts'
import type { Director, Target } from '../routing/director.ts'
import type { CallMemory } from '../transport/call-memory.ts'
import type { Clock } from '../transport/clock.ts'
import type { TimerWheel } from '../transport/timer-wheel.ts'
import type { ServerSession } from '../transport/transport.ts'
import type { AddedFields } from './added-fields.ts'
import type { CallLatency } from './latency.ts'
import type { LiveCalls } from './live-calls.ts'
import type { CallObserver } from './observer.ts'
import type { RequestIds } from './request-id.ts'

/** The part of a downstream session that a call needs. */
export type CallSession = Pick<ServerSession, 'peer' | 'heldBytes'>

/** Where calls go: a director, and the backends that it can name. */
export interface RouteTable {
  readonly director: Director
  /** The director with the gates before it. Undefined: there are none. */
  readonly entrance?: Director | undefined
  /** The backend that a director named, or the one that belongs to its definition. */
  backend(named: Target['backend']): Backend | undefined
}

/** What all relays of a proxy share. A change replaces it as a whole, and a call keeps the one that it began with. */
export interface RelayContext {
  readonly routes: RouteTable
  readonly clock: Clock
  readonly wheel: TimerWheel
  /** From 0 up to 1; default: `Math.random`. */
  readonly random?: () => number
  /** Counts what calls take in memory, apart from DATA, which windows bound. */
  readonly memory: CallMemory
  /** At most so many payload bytes of a request are kept to be sent again. Beyond that the call is committed. */
  readonly replayBytes: number
  /** Requests whose content type is not gRPC's are forwarded, not answered with HTTP 415. */
  readonly acceptNonGrpc: boolean
  /** Fields to add to a request, `x-forwarded-for` and the like. */
  readonly addedFields: AddedFields
  /** Undefined: requests have no ids. */
  readonly requestIds?: RequestIds | undefined
  /** Undefined: nobody is told of calls, and nothing is counted. */
  readonly observer: CallObserver | undefined
  /** Undefined: nobody measures what the proxy takes. Only with an observer. */
  readonly latency?: CallLatency | undefined
  /** A mistake of the code around a call, which costs that call at most: of a director, an observer or the proxy. */
  readonly onFault: (message: string, path: string, cause: unknown) => void
  /** A client did something that is let through in part. It is counted by a token, such as `request-trailers`. */
  readonly onOddity: (token: string) => void
  /** The calls that are not over. */
  readonly live: LiveCalls
}
