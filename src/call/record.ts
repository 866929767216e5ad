/** What is told of a call when it is over: the source of the access log and of metrics. */
import type { MessageCounter } from '../grpc/message.ts'

/** Who decided how the call ended. */
export type EndedBy = 'backend' | 'client' | 'proxy'

export interface CallRecord {
  /** Of the clock, when HEADERS arrived. */
  readonly startMs: number
  readonly durationMs: number
  /** The client's address. */
  readonly peer: string
  readonly authority: string
  readonly path: string
  /** Empty when the call was not routed. */
  readonly backend: string
  /** Empty when no session was found. */
  readonly endpoint: string
  /** -1 when the backend's response ended without one. */
  readonly status: number
  readonly endedBy: EndedBy
  /** A stable token for what the proxy or a reset did; empty for a status from the backend. */
  readonly reason: string
  readonly request: MessageCounter
  readonly response: MessageCounter
  /** Attempts after the first. */
  readonly retries: number
}
