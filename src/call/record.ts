/** What observers are told of a call when it is over. */
import { MessageCounter } from '../grpc/message.ts'
import type { Field } from '../grpc/metadata.ts'
import { statusOfText } from '../grpc/status.ts'
import { parseTimeout } from '../grpc/timeout.ts'
import type { Clock } from '../transport/clock.ts'
import type { Peer } from '../transport/transport.ts'
import type { CallParts } from './call-state.ts'
import { type EndedBy, type Failure, messageOf } from './failure.ts'
import type { CallLatency } from './latency.ts'
import type { CallRequest } from './request.ts'
import type { BeginTrace, CallTrace } from './trace.ts'

const NO_FIELDS: readonly Field[] = []

export interface CallRecord {
  /** When HEADERS arrived, by the clock. */
  readonly startMs: number
  readonly durationMs: number
  /** The client's address. */
  readonly peer: string
  readonly authority: string
  readonly path: string
  /** The request's header block, as it came; empty for a call that was refused before it was routed. */
  readonly fields: readonly Field[]
  /** What `grpc-timeout` said when the call came; undefined where there was none, or a malformed one. */
  readonly timeoutMs: number | undefined
  /** Empty when the call was not routed. */
  readonly backend: string
  /** Empty when no session was found. */
  readonly endpoint: string
  /** -1 when the backend's response ended without one. */
  readonly status: number
  /** `grpc-message` as the backend or the proxy sent it, percent-encoded; empty where there was none. */
  readonly message: string
  readonly endedBy: EndedBy
  /** The token of a failure, or how the client ended the call; empty for a status from the backend. */
  readonly reason: string
  /** What the client is not told: which endpoint, and what the system said. Empty where there is no more to tell. */
  readonly cause: string
  /** The name of the gate that refused the call, `code` for one of code without a name; empty: none did. */
  readonly gate?: string
  readonly request: MessageCounter
  readonly response: MessageCounter
  /** Attempts after the first. */
  readonly retries: number
  /** Undefined: requests have no ids here. */
  readonly requestId?: string | undefined
  /** Undefined: the call belongs to no trace. */
  readonly trace?: CallTrace | undefined
}

/** Who a record of a call is for, and how time is told there. */
export interface Recording {
  readonly clock: Clock
  readonly observer: { onEnd(record: CallRecord): void } | undefined
  readonly onFault: (message: string, path: string, cause: unknown) => void
}

/** The record of a call, gathered during its life: one object for both. Made only where somebody observes calls. */
export class CallRecorder implements CallRecord {
  startMs = 0
  durationMs = 0
  peer = ''
  authority = ''
  path = ''
  fields: readonly Field[] = NO_FIELDS
  backend = ''
  endpoint = ''
  status = -1
  message = ''
  endedBy: EndedBy = 'backend'
  reason = ''
  cause = ''
  gate = ''
  readonly request = new MessageCounter()
  readonly response = new MessageCounter()
  retries = 0
  requestId: string | undefined
  trace: CallTrace | undefined
  /** Somebody waits for it. False: it only counts what its call's own treatment wants to know. */
  told = true
  /** `grpc-timeout` as it came. */
  #timeout: string | undefined
  readonly #latency: CallLatency | undefined

  constructor(latency?: CallLatency) {
    this.#latency = latency
  }

  get timeoutMs(): number | undefined {
    return this.#timeout === undefined ? undefined : parseTimeout(this.#timeout)
  }

  /** An attempt begins, and its request goes on in this turn. @param startMs when the call came, by the clock of calls */
  forwarded(endpoint: string, startMs: number): void {
    if (this.endpoint === '') this.#latency?.forwarded(startMs)
    this.endpoint = endpoint
  }

  /** The headers of a response go on. */
  responded(): void {
    this.#latency?.responded()
  }

  /** The backend's response is complete. @param last its trailers, or undefined where it had none */
  answered(last: readonly Field[] | undefined): void {
    this.message = ''
    let status = ''
    for (let i = 0; last !== undefined && i < last.length; i++) {
      const { name, value } = last[i]!
      if (name === 'grpc-status') status = value
      else if (name === 'grpc-message') this.message = value
    }
    this.ended('backend', statusOfText(status), '')
  }

  /** The proxy ended it, or found out how it ended. */
  failed(by: EndedBy, failure: Failure): void {
    this.message = messageOf(failure)
    this.cause = failure.cause
    this.gate = failure.gate ?? ''
    this.ended(by, failure.status, failure.token)
  }

  /**
   * The call is over, and its observers are told.
   * @param fields of its request, once it was routed
   */
  tell(
    context: Recording,
    request: CallRequest,
    fields: readonly Field[],
    peer: Peer,
    backend: CallParts['backend'],
    startMs: number,
  ): void {
    if (!this.told) return
    try {
      context.observer?.onEnd(this.#finish(request, fields, peer, backend, startMs, context.clock.now()))
    } catch (error) {
      context.onFault('an observer of calls failed', request.head.path, error)
    }
  }

  #finish(
    { head, retries, id }: CallRequest,
    fields: readonly Field[],
    peer: Peer,
    backend: CallParts['backend'],
    startMs: number,
    nowMs: number,
  ): CallRecord {
    this.startMs = startMs
    this.durationMs = nowMs - startMs
    this.peer = peer.address
    this.authority = head.authority
    this.path = head.path
    this.fields = fields
    this.#timeout = head.timeout
    if (backend !== undefined) this.backend = backend.name
    this.retries = retries
    this.requestId = id?.field.value
    return this
  }

  ended(by: EndedBy, status: number, reason: string): void {
    this.endedBy = by
    this.status = status
    this.reason = reason
    this.trace?.attemptEnded(by, status, reason)
  }
}

/**
 * Makes a call a part of a trace, where it belongs to one.
 * @param recorder of the call, if it has one
 * @returns its recorder, which it has where it may be kept
 */
export function traced(
  { observer }: { readonly observer: { readonly trace?: BeginTrace } | undefined },
  request: CallRequest,
  startMs: number,
  recorder: CallRecorder | undefined,
): CallRecorder | undefined {
  const trace = observer?.trace?.(request.head, request.block, startMs)
  if (trace === undefined) return recorder
  request.trace = trace
  if (recorder === undefined && trace.mayBeKept) recorder = new CallRecorder()
  if (recorder !== undefined) recorder.trace = trace
  return recorder
}

/** Counts for the call alone: nobody is told. */
export function counting(): CallRecorder {
  const recorder = new CallRecorder()
  recorder.told = false
  return recorder
}
