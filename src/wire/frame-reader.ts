/**
 * Bytes in, frames out (RFC 9113 §4, §6). Checks what can be wrong with a frame by itself: lengths,
 * stream 0 or not, padding, value ranges, and the order within a field block. Stream states, windows
 * and header fields are left to the connection.
 *
 * Lifetimes: every range given to a handler is valid only during the call. It lies in the chunk given
 * to `read`, or, for a frame that was split over reads, in a buffer of the reader that the next frame
 * overwrites (`joined`, `keep`). The reader never writes into a chunk and never looks again at a frame
 * that it has handed over.
 */
import { FieldBlock, type FieldBlockLimits, fieldBlockLimits } from './field-block.ts'
import {
  CLIENT_PREFACE,
  checkGoaway,
  checkPadding,
  checkPing,
  checkPriority,
  checkSettings,
  DEFAULT_MAX_FRAME_SIZE,
  Flag,
  type FrameHandler,
  FrameJoin,
  FrameType,
  frameBytes,
  frameTypeName,
  HEAD_BYTES,
  PRIORITY_BYTES,
  parsePromisedId,
  parseRstStream,
  parseWindowUpdate,
  readFlags,
  readLength,
  readStreamId,
  readType,
  readUint31,
  readUint32,
} from './frame.ts'
import type { FrameReaderOptions } from './frame-reader-options.ts'
import { connectionError, streamError } from './protocol-error.ts'
import { checkEntries, type Role, SETTING_BYTES } from './settings.ts'
import { ENOUGH_UNITS, unitsOf, Work } from './work.ts'

/** The phase of the reader. It begins with PREFACE (server) or FIRST (client). */
const Phase = { PREFACE: 0, FIRST: 1, OPEN: 2, BLOCK: 3, DEAD: 4 } as const

/** The input of one connection: `read` each chunk, and the handler gets its frames. */
export class FrameReader {
  /** Raise it when the peer may know of a greater value, lower it only when the peer acknowledged the smaller one. */
  maxFrameSize: number
  /** Clients only: whether PUSH_PROMISE is expected. False, as we announce ENABLE_PUSH 0. */
  pushEnabled = false
  /** How much more it may hand over now. */
  readonly work: Work
  readonly #handler: FrameHandler
  readonly #role: Role
  readonly #inPieces: boolean
  readonly #limits: FieldBlockLimits
  readonly #maxSettingsEntries: number
  #phase: number
  /** Bytes of the preface seen. */
  #prefaceAt = 0
  /** Bytes of a skipped frame that are still to come. */
  #skip = 0
  /** The frame that the last chunk did not complete: its beginning. */
  readonly #join = new FrameJoin()
  #handingJoined = false
  /** The field block that waits for its CONTINUATION frames: in phase BLOCK. */
  #block: FieldBlock | undefined
  /** How many frames and field blocks were not complete so far. */
  #begun = 0

  constructor(handler: FrameHandler, options: FrameReaderOptions) {
    this.#handler = handler
    this.work = options.work ?? new Work(false)
    this.#inPieces = handler.onFragment !== undefined
    this.#role = options.role
    this.#phase = options.role === 'server' ? Phase.PREFACE : Phase.FIRST
    this.maxFrameSize = options.maxFrameSize ?? DEFAULT_MAX_FRAME_SIZE
    this.#limits = fieldBlockLimits(options, this.#inPieces)
    this.#maxSettingsEntries = options.maxSettingsEntries ?? 32
  }

  /**
   * Hands over every frame that `chunk[start..end)` completes. Throws the `ConnectionError` that a frame is; then,
   * and when a handler threw, the reader is dead and reads nothing more.
   * @returns `end`; or the place where it stopped because no work is left. The next call continues there
   */
  read(chunk: Buffer, end: number = chunk.length, start = 0): number {
    let sound = false
    this.work.begin()
    try {
      const at = this.#consume(chunk, start, end)
      sound = true
      return at
    } finally {
      if (!sound) this.close()
    }
  }

  /** Stops: nothing more is handed over, not even the rest of the current chunk. Frees the buffers. */
  close(): void {
    this.#phase = Phase.DEAD
    this.#block = undefined
    if (!this.#handingJoined) this.#join.clear()
  }

  /** During a call of the handler: whether the range is in the reader's own buffer. */
  get joined(): boolean {
    return this.#handingJoined
  }

  /**
   * During `onData`: the bytes must outlive the call. For `joined` ones the reader gives its buffer away, which costs
   * three times what copying a frame of 16 KiB does. How long a chunk lives is up to whoever gave it to `read`.
   */
  keep(): void {
    if (this.#handingJoined) this.#join.giveAway()
  }

  /** The number of the header block whose end (the rest of HEADERS, or END_HEADERS) has not come yet, or 0. */
  get unfinishedBlock(): number {
    const inHeaders = this.#join.have >= HEAD_BYTES && readType(this.#join.bytes, 0) === FrameType.HEADERS
    return this.#phase === Phase.BLOCK || inHeaders ? this.#begun : 0
  }

  /** Bytes held for frames and field blocks that are not complete: their capacity, not their fill level. */
  get heldBytes(): number {
    return this.#join.bytes.length + (this.#block?.bytes.length ?? 0)
  }

  #consume(chunk: Buffer, start: number, end: number): number {
    const { work } = this
    let at = start
    if (start === 0) {
      if (work.left < 1) return 0
      if (this.#phase === Phase.PREFACE) at = this.#readPreface(chunk, end)
      if (this.#join.have > 0) at = this.#continueFrame(chunk, end)
      if (this.#skip > 0) at = this.#skipRest(at, end)
    }
    while (end - at >= HEAD_BYTES && this.#phase !== Phase.DEAD) {
      const length = readLength(chunk, at)
      if (length > this.maxFrameSize) {
        this.#refuseTooLarge(chunk, at, length)
        at = this.#skipRest(at + HEAD_BYTES, end)
        continue
      }
      const next = at + HEAD_BYTES + length
      if (next > end) break
      const units = unitsOf(readType(chunk, at), length)
      if (work.left < Math.min(units, ENOUGH_UNITS)) return at
      work.left -= units
      this.#hand(chunk, at, next)
      at = next
    }
    if (at < end && this.#phase !== Phase.DEAD) this.#beginJoin(chunk, at, end)
    return end
  }

  /** §3.4: the client's "connection preface starts with a sequence of 24 octets". */
  #readPreface(chunk: Buffer, chunkEnd: number): number {
    const end = Math.min(chunkEnd, CLIENT_PREFACE.length - this.#prefaceAt)
    for (let at = 0; at < end; at++) {
      // §3.4: "Clients and servers MUST treat an invalid connection preface as a connection error
      // (Section 5.4.1) of type PROTOCOL_ERROR."
      if (chunk[at] !== CLIENT_PREFACE[this.#prefaceAt++]) throw connectionError('bad-preface')
    }
    if (this.#prefaceAt === CLIENT_PREFACE.length) this.#phase = Phase.FIRST
    return end
  }

  /** Keeps the beginning of a frame that `chunk` does not complete. */
  #beginJoin(chunk: Buffer, at: number, end: number): void {
    // A CONTINUATION begins no block.
    if (this.#phase !== Phase.BLOCK) this.#begun++
    this.#join.append(chunk, at, end, end - at < HEAD_BYTES ? HEAD_BYTES : frameBytes(chunk, at))
  }

  /** Completes it, or keeps more of it. Returns how far `chunk` is used. */
  #continueFrame(chunk: Buffer, chunkEnd: number): number {
    let at = 0
    if (this.#join.have < HEAD_BYTES) {
      at = Math.min(HEAD_BYTES - this.#join.have, chunkEnd)
      this.#join.append(chunk, 0, at, HEAD_BYTES)
      if (this.#join.have < HEAD_BYTES) return at
      const length = readLength(this.#join.bytes, 0)
      if (length > this.maxFrameSize) {
        this.#refuseTooLarge(this.#join.bytes, 0, length)
        this.#join.clear()
        return at
      }
    }
    const total = frameBytes(this.#join.bytes, 0)
    const end = Math.min(chunkEnd, at + total - this.#join.have)
    this.#join.append(chunk, at, end, total)
    if (this.#join.have < total) return end
    this.work.left -= unitsOf(readType(this.#join.bytes, 0), total)
    this.#handingJoined = true
    try {
      this.#hand(this.#join.bytes, 0, total)
    } finally {
      this.#handingJoined = false
    }
    this.#join.clear()
    return end
  }

  #skipRest(at: number, end: number): number {
    const next = Math.min(at + this.#skip, end)
    this.#skip -= next - at
    return next
  }

  /**
   * §4.2: "An endpoint MUST send an error code of FRAME_SIZE_ERROR if a frame exceeds the size defined in
   * SETTINGS_MAX_FRAME_SIZE …. A frame size error in a frame that could alter the state of the entire
   * connection MUST be treated as a connection error (Section 5.4.1); this includes any frame carrying a
   * field block …, a SETTINGS frame, and any frame with a stream identifier of 0." DATA could not. What an
   * unknown type alters is unknown; the other types have a length of their own that is a connection error
   * to exceed.
   */
  #refuseTooLarge(bytes: Buffer, at: number, length: number): void {
    const type = readType(bytes, at)
    const streamId = readStreamId(bytes, at)
    const detail = `${frameTypeName(type)} of ${length} bytes`
    if (this.#phase !== Phase.OPEN || streamId === 0 || type !== FrameType.DATA)
      throw connectionError('frame-too-large', detail)
    this.#skip = length
    this.#handler.onStreamError(streamError(streamId, 'stream-frame-too-large', detail), length)
  }

  /** One whole frame, `bytes[at..next)`. */
  #hand(bytes: Buffer, at: number, next: number): void {
    const type = readType(bytes, at)
    const streamId = readStreamId(bytes, at)
    if (this.#phase !== Phase.OPEN) this.#checkOrder(type, streamId, readFlags(bytes, at))
    switch (type) {
      case FrameType.DATA:
        return this.#handData(streamId, bytes, at, next)
      case FrameType.HEADERS:
        return this.#handHeaders(streamId, bytes, at, next)
      case FrameType.WINDOW_UPDATE:
        return this.#handWindowUpdate(streamId, bytes, at, next)
      case FrameType.RST_STREAM:
        return this.#handler.onRstStream(
          streamId,
          parseRstStream(bytes, at + HEAD_BYTES, next - at - HEAD_BYTES, streamId),
        )
      case FrameType.PING:
        checkPing(streamId, next - at - HEAD_BYTES)
        return this.#handler.onPing(bytes, at + HEAD_BYTES, (readFlags(bytes, at) & Flag.ACK) !== 0)
      case FrameType.SETTINGS:
        return this.#handSettings(streamId, bytes, at, next)
      case FrameType.CONTINUATION:
        return this.#handContinuation(streamId, bytes, at, next)
      case FrameType.GOAWAY:
        return this.#handGoaway(streamId, bytes, at, next)
      case FrameType.PRIORITY:
        return this.#handPriority(streamId, next - at - HEAD_BYTES)
      case FrameType.PUSH_PROMISE:
        return this.#handPushPromise(streamId, bytes, at, next)
      default:
        // §5.5: "Implementations MUST discard frames that have unknown or unsupported types."
        this.#handler.onUnknown(type, streamId, next - at - HEAD_BYTES)
    }
  }

  #checkOrder(type: number, streamId: number, flags: number): void {
    if (this.#phase === Phase.FIRST) {
      // §3.4: the preface "MUST be followed by a SETTINGS frame", and the server's "SETTINGS frame …
      // MUST be the first frame the server sends".
      if (type !== FrameType.SETTINGS || flags & Flag.ACK) throw connectionError('settings-not-first')
      this.#phase = Phase.OPEN
      return
    }
    // §6.2: "A HEADERS frame without the END_HEADERS flag set MUST be followed by a CONTINUATION frame for
    // the same stream. A receiver MUST treat the receipt of any other type of frame or a frame on a
    // different stream as a connection error (Section 5.4.1) of type PROTOCOL_ERROR." §5.5 says the same
    // of unknown types.
    if (type !== FrameType.CONTINUATION || streamId !== this.#block!.streamId)
      throw connectionError('header-block-interrupted', `${frameTypeName(type)} on stream ${streamId}`)
  }

  #handData(streamId: number, bytes: Buffer, at: number, next: number): void {
    // §6.1: "If a DATA frame is received whose Stream Identifier field is 0x00, the recipient MUST respond
    // with a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
    if (streamId === 0) throw connectionError('data-on-stream-0')
    const flags = readFlags(bytes, at)
    let start = at + HEAD_BYTES
    let end = next
    if (flags & Flag.PADDED) {
      if (start === next) return this.#handler.onStreamError(streamError(streamId, 'data-too-short'), 0)
      const padding = bytes[start++]!
      end -= checkPadding(padding, next - start, 'data-padding')
    }
    this.#handler.onData(streamId, bytes, start, end, next - at - HEAD_BYTES, (flags & Flag.END_STREAM) !== 0, at)
  }

  #handHeaders(streamId: number, bytes: Buffer, at: number, next: number): void {
    // §6.2: "If a HEADERS frame is received whose Stream Identifier field is 0x00, the recipient MUST
    // respond with a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
    if (streamId === 0) throw connectionError('headers-on-stream-0')
    const flags = readFlags(bytes, at)
    let start = at + HEAD_BYTES
    let end = next
    if (flags & (Flag.PADDED | Flag.PRIORITY)) {
      const padded = flags & Flag.PADDED
      const fixed = (padded ? 1 : 0) + (flags & Flag.PRIORITY ? PRIORITY_BYTES : 0)
      if (fixed > next - start) throw connectionError('headers-too-short')
      if (padded) end -= checkPadding(bytes[start]!, next - start - fixed, 'headers-padding')
      start += fixed
    }
    const endStream = (flags & Flag.END_STREAM) !== 0
    if (flags & Flag.END_HEADERS && end - start <= this.#limits.maxHeaderBlockBytes)
      this.#handler.onHeaders(streamId, bytes, start, end, endStream)
    else this.#beginBlock(new FieldBlock(streamId, 0, endStream, this.#inPieces), bytes, start, end)
  }

  #handPushPromise(streamId: number, bytes: Buffer, at: number, next: number): void {
    // §8.4: "A client cannot push. Thus, servers MUST treat the receipt of a PUSH_PROMISE frame as a
    // connection error (Section 5.4.1) of type PROTOCOL_ERROR."
    if (this.#role === 'server') throw connectionError('push-from-client')
    // §6.6: "If the Stream Identifier field specifies the value 0x00, a recipient MUST respond with a
    // connection error (Section 5.4.1) of type PROTOCOL_ERROR."
    if (streamId === 0) throw connectionError('push-promise-on-stream-0')
    // §6.6: "An endpoint that has set this setting and has received acknowledgment MUST treat the receipt
    // of a PUSH_PROMISE frame as a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
    if (!this.pushEnabled) throw connectionError('push-disabled')
    const flags = readFlags(bytes, at)
    let start = at + HEAD_BYTES
    let end = next
    const padded = flags & Flag.PADDED
    const fixed = (padded ? 1 : 0) + 4
    if (fixed > next - start) throw connectionError('push-promise-too-short')
    if (padded) end -= checkPadding(bytes[start]!, next - start - fixed, 'push-promise-padding')
    start += fixed
    const promisedId = parsePromisedId(bytes, start - 4)
    if (flags & Flag.END_HEADERS && end - start <= this.#limits.maxHeaderBlockBytes)
      this.#handler.onPushPromise(streamId, promisedId, bytes, start, end)
    else this.#beginBlock(new FieldBlock(streamId, promisedId, false, false), bytes, start, end)
  }

  /** The first fragment of a field block that CONTINUATION frames go on with. */
  #beginBlock(block: FieldBlock, bytes: Buffer, start: number, end: number): void {
    block.add(bytes, start, end, this.#limits.maxHeaderBlockBytes)
    this.#block = block
    this.#begun++
    this.#phase = Phase.BLOCK
    if (block.inPieces) this.#handler.onFragment!(block.streamId, bytes, start, end, block.endStream, false)
  }

  #handContinuation(streamId: number, bytes: Buffer, at: number, next: number): void {
    // §6.10: "A CONTINUATION frame MUST be preceded by a HEADERS, PUSH_PROMISE or CONTINUATION frame without
    // the END_HEADERS flag set. A recipient that observes violation of this rule MUST respond with a
    // connection error (Section 5.4.1) of type PROTOCOL_ERROR." That covers stream 0, where none can be.
    const block = this.#block
    if (block === undefined) throw connectionError('unexpected-continuation', `stream ${streamId}`)
    const last = (readFlags(bytes, at) & Flag.END_HEADERS) !== 0
    block.continue(bytes, at + HEAD_BYTES, next, last, this.#limits)
    if (last) this.#block = undefined
    if (last) this.#phase = Phase.OPEN
    if (block.inPieces) return this.#handler.onFragment!(streamId, bytes, at + HEAD_BYTES, next, block.endStream, last)
    if (!last) return
    if (block.promisedId === 0) this.#handler.onHeaders(streamId, block.bytes, 0, block.length, block.endStream)
    else this.#handler.onPushPromise(streamId, block.promisedId, block.bytes, 0, block.length)
  }

  #handSettings(streamId: number, bytes: Buffer, at: number, next: number): void {
    const length = next - at - HEAD_BYTES
    const ack = (readFlags(bytes, at) & Flag.ACK) !== 0
    checkSettings(streamId, length, ack)
    if (ack) return this.#handler.onSettingsAck()
    if (length > this.#maxSettingsEntries * SETTING_BYTES)
      throw connectionError('too-many-settings', `${length / SETTING_BYTES}`)
    checkEntries(bytes, at + HEAD_BYTES, next, this.#role === 'client')
    this.#handler.onSettings(bytes, at + HEAD_BYTES, next)
  }

  #handWindowUpdate(streamId: number, bytes: Buffer, at: number, next: number): void {
    const increment = parseWindowUpdate(bytes, at + HEAD_BYTES, next - at - HEAD_BYTES)
    if (increment > 0) return this.#handler.onWindowUpdate(streamId, increment)
    // §6.9: "A receiver MUST treat the receipt of a WINDOW_UPDATE frame with a flow-control window increment
    // of 0 as a stream error (Section 5.4.2) of type PROTOCOL_ERROR; errors on the connection flow-control
    // window MUST be treated as a connection error (Section 5.4.1)."
    if (streamId === 0) throw connectionError('window-update-0')
    this.#handler.onStreamError(streamError(streamId, 'stream-window-update-0'), 0)
  }

  #handPriority(streamId: number, length: number): void {
    const error = checkPriority(streamId, length)
    if (error === undefined) this.#handler.onPriority(streamId)
    else this.#handler.onStreamError(error, 0)
  }

  #handGoaway(streamId: number, bytes: Buffer, at: number, next: number): void {
    const payload = at + HEAD_BYTES
    checkGoaway(streamId, next - payload)
    this.#handler.onGoaway(readUint31(bytes, payload), readUint32(bytes, payload + 4), bytes, payload + 8, next)
  }
}
