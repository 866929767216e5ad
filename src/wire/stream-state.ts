/**
 * The states of a stream (RFC 9113 §5.1) as a table. What is absent from it is an error.
 *
 * ```
 *                              +--------+
 *                      send PP |        | recv PP
 *                     ,--------+  idle  +--------.
 *                    /         |        |         \
 *                   v          +---+----+          v
 *            +----------+          | send H /     +----------+
 *            | reserved |          | recv H       | reserved |
 *            | (local)  |          |              | (remote) |
 *            +---+--+---+          v              +---+--+---+
 *                |  |          +--------+             |  |
 *         send H |  |  recv ES |        | send ES     |  | recv H
 *                |  |  ,-------+  open  +-------.     |  |
 *                v  | /        |        |        \    |  v
 *            +----------+      +---+----+      +----------+
 *            |   half   |          |           |   half   |
 *            |  closed  |          | send R /  |  closed  |
 *            | (remote) |          | recv R    | (local)  |
 *            +----+-----+          |           +----+-----+
 *                 | send ES / R    |                | recv ES / R
 *                 | recv R         v                | send R
 *                 '----------> +--------+ <---------'
 *                              | closed |   by END_STREAM, by our RST_STREAM, by the peer's
 *                              +--------+
 *   H: HEADERS  PP: PUSH_PROMISE (state of the promised stream)  ES: END_STREAM  R: RST_STREAM
 * ```
 *
 * "closed" is several states here, because what may still come depends on how the stream ended.
 */
import { connectionError, streamError } from './protocol-error.ts'
import type { Role } from './settings.ts'

export const StreamState = {
  IDLE: 0,
  RESERVED_LOCAL: 1,
  RESERVED_REMOTE: 2,
  OPEN: 3,
  HALF_CLOSED_LOCAL: 4,
  HALF_CLOSED_REMOTE: 5,
  /** Both sides sent END_STREAM. */
  CLOSED: 6,
  /** We sent RST_STREAM: frames that were under way are ignored. */
  CLOSED_RESET_SENT: 7,
  /** The peer sent RST_STREAM. */
  CLOSED_RESET_RECEIVED: 8,
  /** Skipped when a higher one was opened, or promised: never used. */
  CLOSED_UNUSED: 9,
  /** Closed so long ago that nobody knows how. */
  CLOSED_FORGOTTEN: 10,
} as const
export type StreamState = number

/** A frame that carries END_STREAM is one event, the one that ends in `_END`. */
export const StreamEvent = {
  RECV_HEADERS: 0,
  RECV_HEADERS_END: 1,
  RECV_DATA: 2,
  RECV_DATA_END: 3,
  RECV_RST_STREAM: 4,
  RECV_WINDOW_UPDATE: 5,
  /** Sent on this stream, promising another. */
  RECV_PUSH_PROMISE: 6,
  /** This stream was promised. */
  RECV_PROMISED: 7,
  SEND_HEADERS: 8,
  SEND_HEADERS_END: 9,
  SEND_DATA: 10,
  SEND_DATA_END: 11,
  SEND_RST_STREAM: 12,
  SEND_WINDOW_UPDATE: 13,
  SEND_PUSH_PROMISE: 14,
  SEND_PROMISED: 15,
} as const
export type StreamEvent = number

const EVENT_NAMES = Object.keys(StreamEvent)
const STATE_NAMES = Object.keys(StreamState)
const EVENTS = EVENT_NAMES.length

/**
 * No error, no change: drop the frame. HEADERS and PUSH_PROMISE must be decoded all the same, for HPACK's
 * state, and DATA counted and given back in the connection's window (§5.1 "closed").
 */
export const IGNORED = -1
const ABSENT = -2

/** §5.1, by states; PRIORITY changes nothing in any state and is not an event. */
const TABLE: Int8Array = new Int8Array(STATE_NAMES.length * EVENTS).fill(ABSENT)

function allow(state: StreamState, ...transitions: readonly (readonly [event: StreamEvent, next: number])[]): void {
  for (const [event, next] of transitions) TABLE[state * EVENTS + event] = next
}

const S = StreamState
const E = StreamEvent

allow(
  S.IDLE,
  [E.RECV_HEADERS, S.OPEN],
  [E.RECV_HEADERS_END, S.HALF_CLOSED_REMOTE],
  [E.SEND_HEADERS, S.OPEN],
  [E.SEND_HEADERS_END, S.HALF_CLOSED_LOCAL],
  [E.RECV_PROMISED, S.RESERVED_REMOTE],
  [E.SEND_PROMISED, S.RESERVED_LOCAL],
)
// "A PRIORITY or WINDOW_UPDATE frame MAY be received in this state."
allow(
  S.RESERVED_LOCAL,
  [E.SEND_HEADERS, S.HALF_CLOSED_REMOTE],
  [E.SEND_HEADERS_END, S.CLOSED],
  [E.SEND_RST_STREAM, S.CLOSED_RESET_SENT],
  [E.RECV_RST_STREAM, S.CLOSED_RESET_RECEIVED],
  [E.RECV_WINDOW_UPDATE, S.RESERVED_LOCAL],
)
// "An endpoint MUST NOT send any type of frame other than RST_STREAM, WINDOW_UPDATE, or PRIORITY in this state."
allow(
  S.RESERVED_REMOTE,
  [E.RECV_HEADERS, S.HALF_CLOSED_LOCAL],
  [E.RECV_HEADERS_END, S.CLOSED],
  [E.RECV_RST_STREAM, S.CLOSED_RESET_RECEIVED],
  [E.SEND_RST_STREAM, S.CLOSED_RESET_SENT],
  [E.SEND_WINDOW_UPDATE, S.RESERVED_REMOTE],
)
// "A stream in the "open" state may be used by both peers to send frames of any type."
allow(
  S.OPEN,
  [E.RECV_HEADERS, S.OPEN],
  [E.RECV_HEADERS_END, S.HALF_CLOSED_REMOTE],
  [E.RECV_DATA, S.OPEN],
  [E.RECV_DATA_END, S.HALF_CLOSED_REMOTE],
  [E.RECV_RST_STREAM, S.CLOSED_RESET_RECEIVED],
  [E.RECV_WINDOW_UPDATE, S.OPEN],
  [E.RECV_PUSH_PROMISE, S.OPEN],
  [E.SEND_HEADERS, S.OPEN],
  [E.SEND_HEADERS_END, S.HALF_CLOSED_LOCAL],
  [E.SEND_DATA, S.OPEN],
  [E.SEND_DATA_END, S.HALF_CLOSED_LOCAL],
  [E.SEND_RST_STREAM, S.CLOSED_RESET_SENT],
  [E.SEND_WINDOW_UPDATE, S.OPEN],
  [E.SEND_PUSH_PROMISE, S.OPEN],
)
// "… cannot be used for sending frames other than WINDOW_UPDATE, PRIORITY, and RST_STREAM." "An endpoint can
// receive any type of frame in this state."
allow(
  S.HALF_CLOSED_LOCAL,
  [E.RECV_HEADERS, S.HALF_CLOSED_LOCAL],
  [E.RECV_HEADERS_END, S.CLOSED],
  [E.RECV_DATA, S.HALF_CLOSED_LOCAL],
  [E.RECV_DATA_END, S.CLOSED],
  [E.RECV_RST_STREAM, S.CLOSED_RESET_RECEIVED],
  [E.RECV_WINDOW_UPDATE, S.HALF_CLOSED_LOCAL],
  [E.RECV_PUSH_PROMISE, S.HALF_CLOSED_LOCAL],
  [E.SEND_RST_STREAM, S.CLOSED_RESET_SENT],
  [E.SEND_WINDOW_UPDATE, S.HALF_CLOSED_LOCAL],
)
// "… can be used by the endpoint to send frames of any type." A window that nobody needs any more is let
// through when sent: it was released a moment too late.
allow(
  S.HALF_CLOSED_REMOTE,
  [E.RECV_RST_STREAM, S.CLOSED_RESET_RECEIVED],
  [E.RECV_WINDOW_UPDATE, S.HALF_CLOSED_REMOTE],
  [E.SEND_HEADERS, S.HALF_CLOSED_REMOTE],
  [E.SEND_HEADERS_END, S.CLOSED],
  [E.SEND_DATA, S.HALF_CLOSED_REMOTE],
  [E.SEND_DATA_END, S.CLOSED],
  [E.SEND_RST_STREAM, S.CLOSED_RESET_SENT],
  [E.SEND_WINDOW_UPDATE, S.HALF_CLOSED_REMOTE],
  [E.SEND_PUSH_PROMISE, S.HALF_CLOSED_REMOTE],
)
// "An endpoint that sends a frame with the END_STREAM flag set or a RST_STREAM frame might receive a
// WINDOW_UPDATE or RST_STREAM frame from its peer in the time before the peer receives and processes the frame
// that closes the stream."
for (const state of [S.CLOSED, S.CLOSED_RESET_SENT, S.CLOSED_RESET_RECEIVED, S.CLOSED_FORGOTTEN])
  allow(state, [E.RECV_WINDOW_UPDATE, IGNORED], [E.RECV_RST_STREAM, IGNORED])
// "An endpoint that sends a RST_STREAM frame on a stream that is in the "open" or "half-closed (local)" state
// could receive any type of frame. … An endpoint MUST minimally process and then discard any frames it receives
// in this state." "An endpoint can perform this minimal processing for all streams that are in the "closed" state."
for (const state of [S.CLOSED_RESET_SENT, S.CLOSED_FORGOTTEN])
  for (let event: StreamEvent = E.RECV_HEADERS; event <= E.RECV_PUSH_PROMISE; event++) allow(state, [event, IGNORED])

/**
 * The state after `event`, or `IGNORED`. Throws when the event is wrong in this state: a `ConnectionError` or
 * `StreamError` for something received, a plain error for something that we must not send.
 * HEADERS on an idle stream needs `checkNewStream` first.
 */
export function transition(state: StreamState, event: StreamEvent, streamId: number): StreamState {
  const next = TABLE[state * EVENTS + event]!
  if (next === ABSENT) throw violation(state, event, streamId)
  return next
}

function violation(state: StreamState, event: StreamEvent, streamId: number): Error {
  const what = `${EVENT_NAMES[event]} on stream ${streamId}, which is ${STATE_NAMES[state]}`
  if (event >= E.SEND_HEADERS) return new Error(what)
  // §6.6: "A receiver MUST treat the receipt of a PUSH_PROMISE that promises an illegal stream identifier
  // (Section 5.1.1) as a connection error", and one "on a stream that is neither "open" nor "half-closed
  // (local)" as a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
  if (event === E.RECV_PROMISED) return connectionError('push-promise-stream-id', what)
  if (event === E.RECV_PUSH_PROMISE) return connectionError('push-promise-state', what)
  switch (state) {
    case S.IDLE:
    case S.CLOSED_UNUSED:
      // "Receiving any frame other than HEADERS or PRIORITY on a stream in this state MUST be treated as a
      // connection error (Section 5.4.1) of type PROTOCOL_ERROR." An unused stream cannot be opened any more
      // (§5.1.1): that is the same error with another name.
      if (event <= E.RECV_HEADERS_END) return connectionError('stream-id-not-increasing', what)
      return connectionError('frame-on-idle-stream', what)
    case S.RESERVED_LOCAL:
    case S.RESERVED_REMOTE:
      // "Receiving any type of frame other than … on a stream in this state MUST be treated as a connection
      // error (Section 5.4.1) of type PROTOCOL_ERROR."
      return connectionError('frame-on-reserved-stream', what)
    case S.HALF_CLOSED_REMOTE:
      // "If an endpoint receives additional frames, other than WINDOW_UPDATE, PRIORITY, or RST_STREAM, for a
      // stream that is in this state, it MUST respond with a stream error (Section 5.4.2) of type STREAM_CLOSED."
      return streamError(streamId, 'frame-on-half-closed-stream', what)
    case S.CLOSED_RESET_RECEIVED:
      // §6.1: "If a DATA frame is received whose stream is not in the "open" or "half-closed (local)" state, the
      // recipient MUST respond with a stream error (Section 5.4.2) of type STREAM_CLOSED."
      return streamError(streamId, 'frame-on-reset-stream', what)
    default:
      // "An endpoint MAY treat receipt of any other type of frame on a closed stream as a connection error
      // (Section 5.4.1) of type STREAM_CLOSED": the peer itself had ended it.
      return connectionError('frame-on-closed-stream', what)
  }
}

/**
 * HEADERS for a stream that the peer has not used yet. `role`: ours; `highest`: the highest stream of the
 * peer so far. Throws the `ConnectionError` for a wrong identifier.
 */
export function checkNewStream(streamId: number, highest: number, role: Role): void {
  // §5.1.1: "Streams initiated by a client MUST use odd-numbered stream identifiers"; §5.1: HEADERS on an
  // idle stream that the server would have to open is a connection error of type PROTOCOL_ERROR too.
  if (role === 'client') throw connectionError('frame-on-idle-stream', `HEADERS on stream ${streamId}`)
  if (streamId % 2 === 0) throw connectionError('even-stream-id', `${streamId}`)
  // §5.1.1: "The identifier of a newly established stream MUST be numerically greater than all streams that the
  // initiating endpoint has opened or reserved."
  if (streamId <= highest) throw connectionError('stream-id-not-increasing', `${streamId} after ${highest}`)
}

/**
 * How many closed streams a connection remembers. It only bounds how strict we are with a faulty peer: a frame for a
 * forgotten stream is ignored, never an error, so a peer whose cancelled calls are under way is always safe.
 */
export const REMEMBERED_STREAMS = 128

/** How the last streams of one connection ended. Writing is fast; reading is linear and not for the hot path. */
export class ClosedStreams {
  #ids: Int32Array | undefined
  #states: Uint8Array | undefined
  #next = 0
  /** Highest stream that was pushed out. */
  #forgotten = 0

  /** `state` is one of the closed states. */
  add(streamId: number, state: StreamState): void {
    this.#ids ??= new Int32Array(REMEMBERED_STREAMS)
    this.#states ??= new Uint8Array(REMEMBERED_STREAMS)
    const out = this.#ids[this.#next]!
    if (out > this.#forgotten) this.#forgotten = out
    this.#ids[this.#next] = streamId
    this.#states[this.#next] = state
    this.#next = (this.#next + 1) % REMEMBERED_STREAMS
  }

  /**
   * The state of a stream that is not open. `highest`: the highest stream that its initiator has used.
   */
  stateOf(streamId: number, highest: number): StreamState {
    if (streamId > highest) return S.IDLE
    const at = this.#ids?.indexOf(streamId) ?? -1
    if (at >= 0) return this.#states![at]!
    return streamId <= this.#forgotten ? S.CLOSED_FORGOTTEN : S.CLOSED_UNUSED
  }
}
