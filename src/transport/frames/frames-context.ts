/** What the frames transport is given by the proxy, and its limits as `wire/` names them. */
import type { FloodLimits } from '../../wire/allowance.ts'
import type { ConnectionLimits } from '../../wire/connection-options.ts'
import type { FrameCounts } from '../../wire/frame-counts.ts'
import type { MemoryBudget } from '../../wire/memory-budget.ts'
import type { ConnectionError, StreamError } from '../../wire/protocol-error.ts'
import { DEFAULT_WINDOW_SIZE, type Role } from '../../wire/settings.ts'
import type { CallMemory } from '../call-memory.ts'
import type { Clock } from '../clock.ts'
import type { Tickets } from '../dial.ts'
import type { TimerWheel } from '../timer-wheel.ts'
import type { Stalls } from './stalls.ts'

/** Bounds of a session; see the configuration's `limits`. */
export interface FramesLimits {
  readonly maxHeaderListBytes: number
  readonly maxHeaderFields: number
  readonly maxConcurrentStreams: number
  readonly streamWindowBytes: number
  readonly maxStreamWindowBytes: number
  /**
   * The window that a session begins with; it grows with use. Default: the one that RFC 9113 §6.9.2 gives every
   * connection.
   */
  readonly sessionWindowBytes?: number
  readonly maxSessionBufferedBytes: number
  readonly settingsTimeoutMs: number
  readonly headersTimeoutMs: number
  readonly stallTimeoutMs: number
  readonly slowReaderTimeoutMs: number
  readonly maxHeaderBlockBytes: number
  readonly maxContinuations: number
  readonly floods: FloodLimits
}

/** What is counted of all sessions of one side together. */
export interface SideCounts {
  readonly frames: FrameCounts
  readonly stalls: Stalls
}

export interface FramesContext {
  readonly limits: FramesLimits
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly budget: MemoryBudget
  /** Counts what comes from clients and is not DATA. */
  readonly memory: CallMemory
  /** `server`: the sessions in which we are it, to clients. */
  readonly counts: Readonly<Record<Role, SideCounts>>
  /** TLS sessions to endpoints. */
  readonly tickets: Tickets
  /** A peer broke a rule, and lost a stream or the connection. `peer` is its address or the endpoint's name. */
  readonly onViolation: (peer: string, error: ConnectionError | StreamError) => void
  /** The owner of a stream threw. That is a mistake in our code, and costs the connection. */
  readonly onFault: (error: Error) => void
}

/** The same limits for `Connection`, in either role. */
export function connectionLimits(limits: FramesLimits, maxConcurrentStreams: number): ConnectionLimits {
  const { sessionWindowBytes = DEFAULT_WINDOW_SIZE } = limits
  return {
    maxConcurrentStreams,
    initialStreamWindow: limits.streamWindowBytes,
    maxStreamWindow: Math.max(limits.streamWindowBytes, limits.maxStreamWindowBytes),
    initialConnectionWindow: sessionWindowBytes,
    maxConnectionWindow: Math.max(sessionWindowBytes, limits.maxSessionBufferedBytes),
    maxListBytes: limits.maxHeaderListBytes,
    maxFields: limits.maxHeaderFields,
    maxHeaderBlockBytes: limits.maxHeaderBlockBytes,
    maxContinuations: limits.maxContinuations,
    floods: limits.floods,
  }
}
