/** A call that is not over, as plain data: for people who ask where it is, and why it does not go on. */

import type { Peer, SendBlock, Stream } from '../transport/transport.ts'
import type { EndedBy } from './failure.ts'

/** The states of a call, as `relay.ts` draws them. */
export type Phase = 'headers' | 'routing' | 'waiting' | 'backoff' | 'forwarding' | 'responding' | 'answered' | 'over'

/**
 * What a call waits for.
 *
 * - `director`: the function that decides where it goes
 * - `queue`: a session or a stream of the backend
 * - `retry`: the time until its next attempt
 * - `backend-window`: the backend takes no more of the request
 * - `client-window`: the client takes no more of the response
 * - `backend`: the request is complete, and the backend's turn has come
 * - `messages`: nothing holds it back; either side may send its next message, or end
 * - `client`: it is answered, and the client has not ended its request
 */
export type WaitsFor =
  | 'director'
  | 'queue'
  | 'retry'
  | 'backend-window'
  | 'client-window'
  | 'backend'
  | 'messages'
  | 'client'

/** A call in flight. */
export interface CallState {
  readonly path: string
  readonly authority: string
  /** The client's address. */
  readonly peer: string
  readonly phase: Phase
  readonly waitsFor: WaitsFor
  /** Which window is closed, where it waits for one, and the transport knows: that of the stream, or of its session. */
  readonly heldBackBy?: SendBlock
  /** Since its headers came. Absent where there is neither an access log nor metrics nor an admin address. */
  readonly ageMs?: number
  /** Until its deadline, if it has one and is not answered. */
  readonly deadlineInMs?: number
  /** `''` before it is routed. */
  readonly backend: string
  /** `''` before it has a stream there. */
  readonly endpoint: string
  readonly retries: number
  /** Bytes that came from the client, and that the backend has not taken. */
  readonly requestWaitingBytes: number
  /** Bytes that came from the backend, and that the client has not taken. */
  readonly responseWaitingBytes: number
  /** Messages that came so far. Absent where `ageMs` is. */
  readonly requestMessages?: number
  readonly responseMessages?: number
}

interface Counted {
  readonly messages: number
  readonly bytes: number
}

/** What it is made of. */
export interface CallParts {
  readonly phase: Phase
  readonly peer: Peer
  readonly request: {
    readonly head: { readonly path: string; readonly authority: string }
    readonly ended: boolean
    readonly bytes: number
    readonly retries: number
  }
  readonly down: Stream
  readonly backend: { readonly name: string } | undefined
  readonly attempt:
    | {
        readonly stream: Stream
        readonly closed: boolean
        readonly lease: { readonly address: { readonly name: string } }
      }
    | undefined
  readonly recorder:
    | {
        readonly request: Counted
        readonly response: Counted
        readonly status: number
        readonly endedBy: EndedBy
        endpoint: string
      }
    | undefined
  readonly deadline: { readonly leftMs: number; left(): string | undefined } | undefined
  /** 0 where nobody asked the clock. */
  readonly startMs: number
}

/** How texts of strangers are shown. */
export interface CallView {
  readonly nowMs: number
  readonly shownPath: (text: string) => string
  readonly shownAuthority: (text: string) => string
  readonly shown: (text: string) => string
}

export function stateOfCall(parts: CallParts, view: CallView): CallState {
  const { phase, peer, request, down, backend, attempt, recorder, deadline, startMs } = parts
  const waitsFor = reasonOf(parts)
  const heldBackBy = windowOf(parts, waitsFor)
  return {
    path: view.shownPath(request.head.path),
    authority: view.shownAuthority(request.head.authority),
    peer: view.shown(peer.address),
    phase,
    waitsFor,
    ...(heldBackBy && { heldBackBy }),
    ...(startMs > 0 && { ageMs: Math.round(view.nowMs - startMs) }),
    ...(deadline && phase !== 'answered' && { deadlineInMs: Math.round(deadline.leftMs) }),
    backend: view.shown(backend?.name ?? ''),
    endpoint: view.shown(attempt?.lease.address.name ?? ''),
    retries: request.retries,
    requestWaitingBytes: requestWaitingBytes(parts),
    responseWaitingBytes: down.queuedBytes,
    ...(recorder && {
      requestMessages: recorder.request.messages,
      responseMessages: recorder.response.messages,
    }),
  }
}

/** While no stream takes it, what has come is kept. */
function requestWaitingBytes({ attempt, request, phase }: CallParts): number {
  if (attempt === undefined || phase === 'waiting') return request.bytes
  return attempt.closed ? 0 : attempt.stream.queuedBytes
}

function reasonOf(parts: CallParts): WaitsFor {
  const { phase, request, down } = parts
  if (phase === 'headers' || phase === 'routing') return 'director'
  if (phase === 'waiting') return 'queue'
  if (phase === 'backoff') return 'retry'
  // The client can do something about it, so it is told first.
  if (down.queuedBytes > 0) return 'client-window'
  if (phase === 'answered' || phase === 'over') return 'client'
  if (requestWaitingBytes(parts) > 0) return 'backend-window'
  return request.ended ? 'backend' : 'messages'
}

function windowOf({ down, attempt }: CallParts, waitsFor: WaitsFor): SendBlock | undefined {
  if (waitsFor === 'client-window') return down.heldBackBy
  return waitsFor === 'backend-window' ? attempt?.stream.heldBackBy : undefined
}
