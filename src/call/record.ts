/** What is told of a call when it is over: the source of the access log and of metrics. */
import { MessageCounter } from '../grpc/message.ts'
import type { Field, RequestHead } from '../grpc/metadata.ts'
import type { Peer } from '../transport/transport.ts'

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

/** Gathers a call's record on the way; made only where somebody wants it. */
export class CallRecorder {
  readonly request = new MessageCounter()
  readonly response = new MessageCounter()
  endpoint = ''
  status = -1
  endedBy: EndedBy = 'backend'
  reason = ''

  /** The backend's response is complete. @param last its trailers, or undefined where it had none */
  answered(last: readonly Field[] | undefined): void {
    const text = last?.find(field => field.name === 'grpc-status')?.value ?? ''
    this.ended('backend', /^\d{1,9}$/.test(text) ? Number(text) : -1, '')
  }

  /** @param nowMs of the clock, as `startMs` is */
  finish(
    head: RequestHead,
    peer: Peer,
    backend: { readonly name: string } | undefined,
    retries: number,
    startMs: number,
    nowMs: number,
  ): CallRecord {
    const { endpoint, status, endedBy, reason, request, response } = this
    const { authority, path } = head
    const call = { startMs, durationMs: nowMs - startMs, peer: peer.address, authority, path }
    return { ...call, backend: backend?.name ?? '', endpoint, status, endedBy, reason, request, response, retries }
  }

  ended(by: EndedBy, status: number, reason: string): void {
    this.endedBy = by
    this.status = status
    this.reason = reason
  }
}
