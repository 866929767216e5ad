/**
 * The frame as bytes (RFC 9113 §4.1): types, flags, and the 9-byte head that every frame begins with.
 *
 * ```
 *  at+0     at+3  at+4   at+5                at+9
 *  | length | type | flags | R | stream id    | payload (length bytes) …
 *    24 bit   8      8       1   31
 * ```
 *
 * `read…` and `write…` check nothing. `parse…` and `check…` throw a `ConnectionError` for a frame
 * whose length or stream is wrong; they are the counterparts of the writer's methods.
 */

import { lentBuffer } from './lent.ts'
import { NO_BYTES } from './no-bytes.ts'
import { type ConnectionToken, connectionError, type StreamError, streamError } from './protocol-error.ts'

/** RFC 9113 §6. */
export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const

/** A type as it came off the wire; RFC 9113 §5.5 lets peers send others. */
export type FrameType = number

/** What a bit means depends on the type: END_STREAM and ACK are the same bit. */
export const Flag = {
  NONE: 0x0,
  END_STREAM: 0x1,
  ACK: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const

/** Bytes of a frame's head. */
export const HEAD_BYTES = 9

/** SETTINGS_MAX_FRAME_SIZE before any SETTINGS, and its least value (RFC 9113 §6.5.2). Payload bytes. */
export const DEFAULT_MAX_FRAME_SIZE = 16_384

/** The largest value of SETTINGS_MAX_FRAME_SIZE: what 24 bits hold. */
export const MAX_MAX_FRAME_SIZE = 16_777_215

/** Stream identifiers, window sizes and increments have 31 bits. */
export const MAX_31_BIT = 0x7fff_ffff

/** RFC 9113 §3.4: what a client sends first, before its SETTINGS. */
export const CLIENT_PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** Payload bytes of the frame whose head is at `at`. */
export function readLength(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
}

export function readType(bytes: Uint8Array, at: number): FrameType {
  return bytes[at + 3]!
}

export function readFlags(bytes: Uint8Array, at: number): number {
  return bytes[at + 4]!
}

/** RFC 9113 §4.1: the reserved bit "MUST be ignored when receiving". */
export function readStreamId(bytes: Uint8Array, at: number): number {
  return readUint31(bytes, at + 5)
}

export function writeHead(
  bytes: Uint8Array,
  at: number,
  length: number,
  type: FrameType,
  flags: number,
  streamId: number,
): void {
  bytes[at] = length >> 16
  bytes[at + 1] = length >> 8
  bytes[at + 2] = length
  bytes[at + 3] = type
  bytes[at + 4] = flags
  writeUint32(bytes, at + 5, streamId)
}

/** Changes a received frame in place into one of another stream. Length and type stay. */
export function rewriteHead(bytes: Uint8Array, at: number, flags: number, streamId: number): void {
  bytes[at + 4] = flags
  writeUint32(bytes, at + 5, streamId)
}

/** 31 bits; the reserved bit is ignored. */
export function readUint31(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! & 0x7f) << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

/** 32 bits, unsigned. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

export function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

export function writeUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** Bytes from the head at `at` to the frame's end. */
export function frameBytes(bytes: Uint8Array, at: number): number {
  return HEAD_BYTES + readLength(bytes, at)
}

/** Exclusive bit, dependency and weight: PRIORITY's payload, and HEADERS' with the PRIORITY flag. */
export const PRIORITY_BYTES = 5

/**
 * The padding of a frame of which `room` bytes are left after its fixed fields.
 *
 * §6.1, §6.2, §6.6: "If the length of the padding is the length of the frame payload or greater, the
 * recipient MUST treat this as a connection error (Section 5.4.1) of type PROTOCOL_ERROR." Padding that
 * reaches into the fixed fields is no less wrong.
 */
export function checkPadding(padding: number, room: number, token: ConnectionToken): number {
  if (padding > room) throw connectionError(token, `${padding} of ${room} bytes`)
  return padding
}

/** RST_STREAM's code. */
export function parseRstStream(bytes: Uint8Array, payload: number, length: number, streamId: number): number {
  // §6.4: "If a RST_STREAM frame is received with a stream identifier of 0x00, the recipient MUST treat
  // this as a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
  if (streamId === 0) throw connectionError('rst-stream-on-stream-0')
  // §6.4: "A RST_STREAM frame with a length other than 4 octets MUST be treated as a connection error
  // (Section 5.4.1) of type FRAME_SIZE_ERROR."
  if (length !== 4) throw connectionError('rst-stream-length', `${length}`)
  return readUint32(bytes, payload)
}

/** The increment of a WINDOW_UPDATE. 0 is an error, and the caller knows its scope. */
export function parseWindowUpdate(bytes: Uint8Array, payload: number, length: number): number {
  // §6.9: "A WINDOW_UPDATE frame with a length other than 4 octets MUST be treated as a connection error
  // (Section 5.4.1) of type FRAME_SIZE_ERROR."
  if (length !== 4) throw connectionError('window-update-length', `${length}`)
  return readUint31(bytes, payload)
}

export function checkPing(streamId: number, length: number): void {
  // §6.7: "If a PING frame is received with a Stream Identifier field value other than 0x00, the recipient
  // MUST respond with a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
  if (streamId !== 0) throw connectionError('ping-on-stream', `${streamId}`)
  // §6.7: "Receipt of a PING frame with a length field value other than 8 MUST be treated as a connection
  // error (Section 5.4.1) of type FRAME_SIZE_ERROR."
  if (length !== 8) throw connectionError('ping-length', `${length}`)
}

export function checkGoaway(streamId: number, length: number): void {
  // §6.8: "An endpoint MUST treat a GOAWAY frame with a stream identifier other than 0x00 as a connection
  // error (Section 5.4.1) of type PROTOCOL_ERROR."
  if (streamId !== 0) throw connectionError('goaway-on-stream', `${streamId}`)
  // §4.2: FRAME_SIZE_ERROR if a frame "is too small to contain mandatory frame data"
  if (length < 8) throw connectionError('goaway-length', `${length}`)
}

export function checkSettings(streamId: number, length: number, ack: boolean): void {
  // §6.5: "If an endpoint receives a SETTINGS frame whose Stream Identifier field is anything other than
  // 0x00, the endpoint MUST respond with a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
  if (streamId !== 0) throw connectionError('settings-on-stream', `${streamId}`)
  // §6.5: "Receipt of a SETTINGS frame with the ACK flag set and a length field value other than 0 MUST be
  // treated as a connection error (Section 5.4.1) of type FRAME_SIZE_ERROR."
  if (ack && length !== 0) throw connectionError('settings-ack-length', `${length}`)
  // §6.5: "A SETTINGS frame with a length other than a multiple of 6 octets MUST be treated as a connection
  // error (Section 5.4.1) of type FRAME_SIZE_ERROR."
  if (length % 6 !== 0) throw connectionError('settings-length', `${length}`)
}

/** Undefined for a correct frame. */
export function checkPriority(streamId: number, length: number): StreamError | undefined {
  // §6.3: "If a PRIORITY frame is received with a stream identifier of 0x00, the recipient MUST respond
  // with a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
  if (streamId === 0) throw connectionError('priority-on-stream-0')
  // §6.3: "A PRIORITY frame with a length other than 5 octets MUST be treated as a stream error
  // (Section 5.4.2) of type FRAME_SIZE_ERROR."
  return length === PRIORITY_BYTES ? undefined : streamError(streamId, 'priority-length', `${length}`)
}

/** The promised stream of a PUSH_PROMISE, whose id is at `at`. */
export function parsePromisedId(bytes: Uint8Array, at: number): number {
  const promisedId = readUint31(bytes, at)
  // §6.6: "A receiver MUST treat the receipt of a PUSH_PROMISE that promises an illegal stream identifier
  // (Section 5.1.1) as a connection error (Section 5.4.1) of type PROTOCOL_ERROR." A server's are even.
  if (promisedId === 0 || promisedId % 2 === 1) throw connectionError('push-promise-stream-id', `${promisedId}`)
  return promisedId
}

/**
 * Below this many bytes a loop copies, above it `Buffer.copy`. By themselves they are equally fast at about 24 bytes;
 * among other work (bench/micro/frames.ts, "forward, small calls") 64 is the fastest, by a fifth over 24.
 */
export const LOOP_COPY_BYTES = 64

/** Copies `from[start..end)` to `to[at..)`, which has room. */
export function copyBytes(to: Buffer, at: number, from: Buffer, start: number, end: number): void {
  if (end - start >= LOOP_COPY_BYTES) {
    from.copy(to, at, start, end)
    return
  }
  for (let i = start; i < end; i++) to[at++] = from[i]!
}

const TYPE_NAMES: readonly string[] = Object.keys(FrameType)

/** `PING` for 6; `type 0x2a` for one that RFC 9113 does not name. For logs only. */
export function frameTypeName(type: FrameType): string {
  return TYPE_NAMES[type] ?? `type 0x${type.toString(16)}`
}

/** A whole frame of the default size is joined in one of these. */
const JOIN_BYTES = HEAD_BYTES + DEFAULT_MAX_FRAME_SIZE
/** … but only when half of this has come, so that a peer which sends a head and stalls holds 2 KiB and not 16. */
const SMALL_JOIN_BYTES = 2_048
/**
 * Join buffers of each size kept for all readers together: one is in use at a time, unless peers stall within a frame.
 */
const MAX_SPARE_JOINS = 8
const joins: Buffer[] = []
const smallJoins: Buffer[] = []

/** A frame that one chunk does not hold: its first `have` bytes, in a buffer borrowed while there are any. */
export class FrameJoin {
  bytes: Buffer = NO_BYTES
  have = 0

  /** Puts `from[start..end)` behind what there is of a frame of `total` bytes. */
  append(from: Buffer, start: number, end: number, total: number): void {
    const needed = this.have + end - start
    if (needed > this.bytes.length) {
      const before = this.bytes
      this.bytes = takeJoin(needed, total)
      if (this.have > 0) before.copy(this.bytes, 0, 0, this.have)
      giveJoin(before)
    }
    copyBytes(this.bytes, this.have, from, start, end)
    this.have = needed
  }

  /** The frame is finished. */
  clear(): void {
    giveJoin(this.bytes)
    this.giveAway()
  }

  /** From now on the buffer belongs to somebody else. */
  giveAway(): void {
    this.bytes = NO_BYTES
    this.have = 0
  }
}

/** A buffer for `needed` bytes of a frame of `total`: what the peer has earned by sending. */
function takeJoin(needed: number, total: number): Buffer {
  if (needed < SMALL_JOIN_BYTES / 2) return smallJoins.pop() ?? lentBuffer(SMALL_JOIN_BYTES)
  if (total <= JOIN_BYTES) return joins.pop() ?? lentBuffer(JOIN_BYTES)
  return lentBuffer(Math.min(total, Math.max(JOIN_BYTES, 4 * needed)))
}

function giveJoin(buffer: Buffer): void {
  const spares = buffer.length === JOIN_BYTES ? joins : smallJoins
  if ((spares === joins || buffer.length === SMALL_JOIN_BYTES) && spares.length < MAX_SPARE_JOINS) spares.push(buffer)
}

/**
 * What a reader reports. Calls come in wire order, inside `read`, and `read` throws what a handler throws. All ranges
 * of bytes are valid during the call only.
 */
export interface FrameHandler {
  /**
   * One DATA frame, whole. Its data without padding is `bytes[start..end)`.
   *
   * Its head begins at `headAt` and the frame ends at `headAt + 9 + flowBytes`, padding included. The
   * handler may overwrite any byte of the frame, and nothing else: most of all flags and stream id
   * (`rewriteHead`), and then send the span on as it is. It may do so, and rely on the bytes, until it
   * returns; longer only if the chunk is its own for longer, and if it called `keep` on the reader.
   * `flowBytes`: what the frame costs of both windows (§6.1: "The entire DATA frame payload is included
   * in flow control, including the Pad Length and Padding fields if present").
   */
  onData(
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
    flowBytes: number,
    endStream: boolean,
    headAt: number,
  ): void
  /**
   * A whole field block, CONTINUATION frames joined unless there is `onFragment`, padding and priority taken off.
   * Decode each block exactly once, even if the stream does not matter: HPACK's state depends on it.
   */
  onHeaders(streamId: number, bytes: Buffer, start: number, end: number, endStream: boolean): void
  /**
   * With this method, a block of several frames is handed over piece by piece instead, and nothing of it is held.
   * `last`: the block is complete. No other frame comes between.
   */
  onFragment?(streamId: number, bytes: Buffer, start: number, end: number, endStream: boolean, last: boolean): void
  /** `code` may be one that `ErrorCode` does not name. */
  onRstStream(streamId: number, code: number): void
  /** Entries (`Settings.apply`) whose values are in range. Answer with an ACK. */
  onSettings(bytes: Buffer, start: number, end: number): void
  /** The oldest SETTINGS of ours that has no ACK yet counts now. */
  onSettingsAck(): void
  /** Eight opaque bytes at `at`; unless `ack`, answer with the same. */
  onPing(bytes: Buffer, at: number, ack: boolean): void
  /** Debug data is `bytes[start..end)`: text for a log, written by a stranger. */
  onGoaway(lastStreamId: number, code: number, bytes: Buffer, start: number, end: number): void
  /** `streamId` 0: the connection's window. `increment` is 1 to 2^31-1. */
  onWindowUpdate(streamId: number, increment: number): void
  /** Deprecated (§5.3.2) and without effect; reported so that floods can be counted. */
  onPriority(streamId: number): void
  /** Only for clients with `pushEnabled`. The field block as in `onHeaders`. */
  onPushPromise(streamId: number, promisedId: number, bytes: Buffer, start: number, end: number): void
  /** A frame of a type that RFC 9113 does not name, discarded; reported so that floods can be counted. */
  onUnknown(type: number, streamId: number, length: number): void
  /** A frame was skipped. `flowBytes`: what it still costs of the connection's window (§6.9). */
  onStreamError(error: StreamError, flowBytes: number): void
}
