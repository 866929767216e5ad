/**
 * What a peer did wrong, as an error with a scope (RFC 9113 §5.4), a code and a stable token.
 *
 * `ConnectionError`: the connection is lost; send GOAWAY with `code` and close. `StreamError`: one
 * stream is lost; send RST_STREAM with `code`, the connection goes on. Neither is ever thrown for a
 * mistake of our own: those are plain errors.
 */
import { ErrorCode, errorCodeName } from './errors.ts'

const { PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM } =
  ErrorCode

/** `[scope, code, section of RFC 9113 or the limit's name, what happened]` */
type Row = readonly [scope: 'connection' | 'stream', code: ErrorCode, source: string, meaning: string]

/**
 * Every token of this layer: the names under which rejections are counted, logged and documented.
 * A token never changes its meaning; new ones may be added.
 */
export const PROTOCOL_TOKENS = {
  // The beginning
  'bad-preface': ['connection', PROTOCOL_ERROR, '§3.4', 'the first bytes are not the client preface'],
  'settings-not-first': ['connection', PROTOCOL_ERROR, '§3.4', 'the first frame is not SETTINGS'],
  // Sizes
  'frame-too-large': ['connection', FRAME_SIZE_ERROR, '§4.2', 'a frame is longer than we allow'],
  'stream-frame-too-large': ['stream', FRAME_SIZE_ERROR, '§4.2', 'a frame of one stream is longer than we allow'],
  'data-too-short': ['stream', FRAME_SIZE_ERROR, '§4.2', 'DATA has no room for its pad length'],
  'headers-too-short': ['connection', FRAME_SIZE_ERROR, '§4.2', 'HEADERS has no room for its mandatory fields'],
  'priority-length': ['stream', FRAME_SIZE_ERROR, '§6.3', 'PRIORITY is not 5 bytes long'],
  'rst-stream-length': ['connection', FRAME_SIZE_ERROR, '§6.4', 'RST_STREAM is not 4 bytes long'],
  'settings-length': ['connection', FRAME_SIZE_ERROR, '§6.5', 'the length of SETTINGS is not a multiple of 6'],
  'settings-ack-length': ['connection', FRAME_SIZE_ERROR, '§6.5', 'SETTINGS with ACK has a payload'],
  'push-promise-too-short': ['connection', FRAME_SIZE_ERROR, '§4.2', 'PUSH_PROMISE misses mandatory fields'],
  'ping-length': ['connection', FRAME_SIZE_ERROR, '§6.7', 'PING is not 8 bytes long'],
  'goaway-length': ['connection', FRAME_SIZE_ERROR, '§4.2', 'GOAWAY is shorter than 8 bytes'],
  'window-update-length': ['connection', FRAME_SIZE_ERROR, '§6.9', 'WINDOW_UPDATE is not 4 bytes long'],
  // Stream identifiers
  'data-on-stream-0': ['connection', PROTOCOL_ERROR, '§6.1', 'DATA on stream 0'],
  'headers-on-stream-0': ['connection', PROTOCOL_ERROR, '§6.2', 'HEADERS on stream 0'],
  'priority-on-stream-0': ['connection', PROTOCOL_ERROR, '§6.3', 'PRIORITY on stream 0'],
  'rst-stream-on-stream-0': ['connection', PROTOCOL_ERROR, '§6.4', 'RST_STREAM on stream 0'],
  'settings-on-stream': ['connection', PROTOCOL_ERROR, '§6.5', 'SETTINGS on a stream'],
  'push-promise-on-stream-0': ['connection', PROTOCOL_ERROR, '§6.6', 'PUSH_PROMISE on stream 0'],
  'ping-on-stream': ['connection', PROTOCOL_ERROR, '§6.7', 'PING on a stream'],
  'goaway-on-stream': ['connection', PROTOCOL_ERROR, '§6.8', 'GOAWAY on a stream'],
  'even-stream-id': ['connection', PROTOCOL_ERROR, '§5.1.1', 'a client opened a stream with an even number'],
  'stream-id-not-increasing': ['connection', PROTOCOL_ERROR, '§5.1.1', 'a stream was opened below an earlier one'],
  // Padding
  'data-padding': ['connection', PROTOCOL_ERROR, '§6.1', 'the padding of DATA is longer than its payload'],
  'headers-padding': ['connection', PROTOCOL_ERROR, '§6.2', 'the padding of HEADERS is longer than its block'],
  'push-promise-padding': ['connection', PROTOCOL_ERROR, '§6.6', 'the padding of PUSH_PROMISE exceeds its block'],
  // Field blocks
  'header-block-interrupted': ['connection', PROTOCOL_ERROR, '§4.3', 'a frame inside a field block of another'],
  'unexpected-continuation': ['connection', PROTOCOL_ERROR, '§6.10', 'CONTINUATION without a field block before it'],
  'header-block-too-large': ['connection', ENHANCE_YOUR_CALM, 'maxHeaderBlockBytes', 'a field block is too long'],
  'too-many-continuations': ['connection', ENHANCE_YOUR_CALM, 'maxContinuations', 'a field block has too many frames'],
  'empty-continuations': ['connection', ENHANCE_YOUR_CALM, 'maxEmptyContinuations', 'CONTINUATION without content'],
  // Push
  'push-from-client': ['connection', PROTOCOL_ERROR, '§8.4', 'a client sent PUSH_PROMISE'],
  'push-disabled': ['connection', PROTOCOL_ERROR, '§6.6', 'PUSH_PROMISE although ENABLE_PUSH is 0'],
  'push-promise-stream-id': ['connection', PROTOCOL_ERROR, '§6.6', 'the promised stream has an illegal number'],
  'push-promise-state': ['connection', PROTOCOL_ERROR, '§6.6', 'PUSH_PROMISE on a stream that has ended'],
  // Settings
  'too-many-settings': ['connection', ENHANCE_YOUR_CALM, 'maxSettingsEntries', 'a SETTINGS frame has too many entries'],
  'enable-push-value': ['connection', PROTOCOL_ERROR, '§6.5.2', 'ENABLE_PUSH is neither 0 nor 1, or a server set it'],
  'initial-window-size-value': ['connection', FLOW_CONTROL_ERROR, '§6.5.2', 'INITIAL_WINDOW_SIZE is above 2^31-1'],
  'max-frame-size-value': ['connection', PROTOCOL_ERROR, '§6.5.2', 'MAX_FRAME_SIZE is out of its range'],
  'unexpected-settings-ack': ['connection', PROTOCOL_ERROR, '§6.5.3', 'ACK of SETTINGS that we did not send'],
  // Flow control
  'window-update-0': ['connection', PROTOCOL_ERROR, '§6.9', 'WINDOW_UPDATE of 0 for the connection'],
  'stream-window-update-0': ['stream', PROTOCOL_ERROR, '§6.9', 'WINDOW_UPDATE of 0 for a stream'],
  'window-overflow': ['connection', FLOW_CONTROL_ERROR, '§6.9.1', "the connection's window went above 2^31-1"],
  'stream-window-overflow': ['stream', FLOW_CONTROL_ERROR, '§6.9.1', "a stream's window went above 2^31-1"],
  'settings-window-overflow': ['connection', FLOW_CONTROL_ERROR, '§6.9.2', 'SETTINGS made a window exceed 2^31-1'],
  'window-exceeded': ['connection', FLOW_CONTROL_ERROR, '§6.9.1', "DATA beyond the connection's window"],
  'stream-window-exceeded': ['stream', FLOW_CONTROL_ERROR, '§6.9.1', "DATA beyond the stream's window"],
  // Stream states
  'frame-on-idle-stream': ['connection', PROTOCOL_ERROR, '§5.1', 'a frame on a stream that was never opened'],
  'frame-on-reserved-stream': ['connection', PROTOCOL_ERROR, '§5.1', 'a frame that a reserved stream cannot receive'],
  'frame-on-half-closed-stream': ['stream', STREAM_CLOSED, '§5.1', 'a frame after END_STREAM'],
  'frame-on-reset-stream': ['stream', STREAM_CLOSED, '§5.1', 'a frame after RST_STREAM'],
  'frame-on-closed-stream': ['connection', STREAM_CLOSED, '§5.1', 'a frame on a stream that had ended'],
  // Messages
  'field-name': ['stream', PROTOCOL_ERROR, '§8.2.1', 'a field name is empty or has a forbidden character'],
  'field-value': ['stream', PROTOCOL_ERROR, '§8.2.1', 'a field value has a forbidden character'],
  'connection-specific-field': ['stream', PROTOCOL_ERROR, '§8.2.2', 'a field that is about an HTTP/1 connection'],
  'te-value': ['stream', PROTOCOL_ERROR, '§8.2.2', 'TE has another value than "trailers"'],
  'pseudo-header-unknown': ['stream', PROTOCOL_ERROR, '§8.3', 'a pseudo-header field that has no meaning here'],
  'pseudo-header-late': ['stream', PROTOCOL_ERROR, '§8.3', 'a pseudo-header field after a regular one'],
  'pseudo-header-duplicate': ['stream', PROTOCOL_ERROR, '§8.3', 'a pseudo-header field twice'],
  'pseudo-header-missing': ['stream', PROTOCOL_ERROR, '§8.3', 'a mandatory pseudo-header field is not there'],
  'pseudo-header-value': ['stream', PROTOCOL_ERROR, '§8.3', 'a pseudo-header field has an impossible value'],
  'pseudo-header-in-trailers': ['stream', PROTOCOL_ERROR, '§8.3', 'a pseudo-header field in trailers'],
  'content-length-value': ['stream', PROTOCOL_ERROR, '§8.1.1', 'Content-Length is not one number'],
  'content-length-mismatch': ['stream', PROTOCOL_ERROR, '§8.1.1', 'Content-Length is not what DATA adds up to'],
  'trailers-without-end-stream': ['stream', PROTOCOL_ERROR, '§8.1', 'a second HEADERS does not end the stream'],
  'informational-end-stream': ['stream', PROTOCOL_ERROR, '§8.1', 'a response of 1xx ends the stream'],
  'data-before-headers': ['stream', PROTOCOL_ERROR, '§8.1', 'DATA before the HEADERS of the message'],
  // Limits of the connection; the floods' are in allowance.ts
  'stream-limit': ['stream', REFUSED_STREAM, 'maxConcurrentStreams', 'more streams than we allow'],
  'header-list-too-large': ['stream', ENHANCE_YOUR_CALM, 'maxListBytes', 'a header list is too large'],
  'slow-reader': [
    'stream',
    ENHANCE_YOUR_CALM,
    'maxConnectionWindow',
    'what came on the stream is not taken, and others wait',
  ],
  'reset-flood': ['connection', ENHANCE_YOUR_CALM, 'maxResets', 'too many streams were reset'],
  'ping-flood': ['connection', ENHANCE_YOUR_CALM, 'maxPings', 'too many PING'],
  'settings-flood': ['connection', ENHANCE_YOUR_CALM, 'maxSettings', 'too many SETTINGS'],
  'priority-flood': ['connection', ENHANCE_YOUR_CALM, 'maxPriorities', 'too many PRIORITY'],
  'unknown-frame-flood': ['connection', ENHANCE_YOUR_CALM, 'maxUnknownFrames', 'too many frames of unknown types'],
  'empty-data-flood': ['connection', ENHANCE_YOUR_CALM, 'maxEmptyData', 'too many DATA without content'],
  'window-update-flood': ['connection', ENHANCE_YOUR_CALM, 'maxWindowUpdates', 'too many WINDOW_UPDATE'],
  'ignored-headers-flood': [
    'connection',
    ENHANCE_YOUR_CALM,
    'maxIgnoredHeaders',
    'too many HEADERS on streams we reset',
  ],
  'informational-flood': ['connection', ENHANCE_YOUR_CALM, 'maxInformational', 'too many responses of 1xx'],
} as const satisfies Readonly<Record<string, Row>>

/** A row of the table by its name. */
export type ProtocolToken = keyof typeof PROTOCOL_TOKENS

/** The peer broke a rule that costs it the connection: GOAWAY with `code`, then close. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
  /** What GOAWAY carries. */
  readonly code: ErrorCode
  /** One of `PROTOCOL_TOKENS`, or of the layer that throws it. */
  readonly token: string

  constructor(code: ErrorCode, token: string, message: string) {
    super(message)
    this.code = code
    this.token = token
  }
}

/** The peer broke a rule that costs it one stream: RST_STREAM with `code`. */
export class StreamError extends Error {
  override readonly name = 'StreamError'
  readonly streamId: number
  /** What RST_STREAM carries. */
  readonly code: ErrorCode
  /** One of `PROTOCOL_TOKENS`, or of the layer that throws it. */
  readonly token: string

  constructor(streamId: number, code: ErrorCode, token: string, message: string) {
    super(message)
    this.streamId = streamId
    this.code = code
    this.token = token
  }
}

type TokenOf<Scope> = { [T in ProtocolToken]: (typeof PROTOCOL_TOKENS)[T][0] extends Scope ? T : never }[ProtocolToken]
/** Tokens that cost the connection. */
export type ConnectionToken = TokenOf<'connection'>
/** Tokens that cost a stream. */
export type StreamToken = TokenOf<'stream'>

/** The error of a row; `detail` (numbers, no bytes of the peer) is appended to the row's text. */
export function connectionError(token: ConnectionToken, detail = ''): ConnectionError {
  const [, code, source, meaning] = PROTOCOL_TOKENS[token]
  return new ConnectionError(code, token, text(meaning, detail, code, source))
}

/** The same for a stream. */
export function streamError(streamId: number, token: StreamToken, detail = ''): StreamError {
  const [, code, source, meaning] = PROTOCOL_TOKENS[token]
  return new StreamError(streamId, code, token, text(`stream ${streamId}: ${meaning}`, detail, code, source))
}

function text(meaning: string, detail: string, code: ErrorCode, source: string): string {
  return `${meaning}${detail === '' ? '' : `: ${detail}`} (${errorCodeName(code)}, ${source})`
}
