/** What a call needs of its proxy. */
import type { Backend } from '../backend/backend.ts'
import type { Director, Target } from '../routing/director.ts'
import type { CallMemory } from '../transport/call-memory.ts'
import type { Clock } from '../transport/clock.ts'
import type { TimerWheel } from '../transport/timer-wheel.ts'
import type { ServerSession } from '../transport/transport.ts'
import type { AddedFields } from './added-fields.ts'
import type { LiveCalls } from './live-calls.ts'
import type { CallObserver } from './observer.ts'

/** Of a downstream session, what a call needs. */
export type CallSession = Pick<ServerSession, 'peer' | 'heldBytes'>

/**
 * Where calls go. A change replaces the table as a whole, so that no call meets the director of one configuration and
 * the backends of another.
 */
export interface RouteTable {
  readonly director: Director
  /** The backend that a director named, or the one that belongs to its definition. */
  backend(named: Target['backend']): Backend | undefined
}

/** What all relays of a proxy share. */
export interface RelayContext {
  /** A call reads it once, when it is routed; what it read then holds for it until it ends. */
  routes: RouteTable
  readonly clock: Clock
  readonly wheel: TimerWheel
  /** What calls take beside DATA that windows bound. */
  readonly memory: CallMemory
  /** Most payload bytes of a request that are kept to send them again; beyond, the call is committed. */
  readonly replayBytes: number
  /** Forward requests whose content type is not gRPC's, instead of HTTP 415. */
  readonly acceptNonGrpc: boolean
  /** Fields to add to a request, `x-forwarded-for` and the like. */
  readonly addedFields: AddedFields
  /** Undefined: nobody is told of calls, and nothing is counted. */
  readonly observer: CallObserver | undefined
  /** A director threw what is no GrpcError, or named a backend that is not there. */
  readonly onFault: (message: string, path: string, cause: unknown) => void
  /** A client did what is let through in part: counted by a token, `request-trailers` for one. */
  readonly onOddity: (token: string) => void
  /** The calls that are not over. */
  readonly live: LiveCalls
}
