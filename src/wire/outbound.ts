/**
 * What a connection sends: the writer, the encoder, the connection's send window, and who may use it.
 *
 * Streams write directly into the output while there is room. Otherwise the bytes wait in the stream's own
 * queue, and the streams that could send wait here in a ring: each sends `QUANTUM_BYTES` in its turn, so
 * that a small call waits for one quantum of each other stream and never behind the whole of a bulk one.
 *
 * Room is the smaller of two: the connection's window, and what `maxOutputBytes` leaves of one flush, where the last
 * frame may exceed it so that it is not cut. There is no room while the socket is congested. So what one connection
 * holds in memory is bounded even if its peer gives windows of 2 GiB and reads nothing. Control frames and HEADERS do
 * not ask for room; allowance.ts bounds them.
 */

import type { Allowance } from './allowance.ts'
import { SendWindow } from './flow-window.ts'
import { Flag, rewriteHead } from './frame.ts'
import { countCode, type FrameCounts } from './frame-counts.ts'
import { takeFrame } from './frame-in-hand.ts'
import { FrameWriter, REFERENCE_BYTES } from './frame-writer.ts'
import { HpackEncoder, maxEncodedBytes } from './hpack/encoder.ts'
import { type HeaderFieldLike, listBytesOf } from './hpack/header-field.ts'
import { tooLargeBy, unsendable } from './message-rules.ts'
import { DEFAULT_WINDOW_SIZE, type SettingEntries, type Settings, UNLIMITED } from './settings.ts'

/** What a stream sends in its turn: a frame of the default size. A flush may exceed its bound by this much. */
export const QUANTUM_BYTES = 16_384

/** A shorter part of what the owner gave in one piece earns the peer nothing; the last part does. */
const CRUMB_BYTES = 1_024

/** A stream, as the ring of waiting streams sees it. The three links belong to the ring. */
export interface Sender {
  waiting: boolean
  nextWaiting: Sender | undefined
  previousWaiting: Sender | undefined
  readonly queuedBytes: number
  readonly sendWindow: SendWindow
  /**
   * Sends up to `budget` bytes of the queue, and what was given in one piece in one where that fits. The windows have
   * room.
   */
  sendQueued(budget: number): void
}

/**
 * Makes an error from the reason why a block must not be sent; `tooLarge`: for the peer's
 * SETTINGS_MAX_HEADER_LIST_SIZE.
 */
export type Refuse = (reason: string, tooLarge: boolean) => Error

export class Outbound {
  readonly writer: FrameWriter = new FrameWriter()
  readonly encoder: HpackEncoder = new HpackEncoder()
  readonly window: SendWindow = new SendWindow(0, DEFAULT_WINDOW_SIZE)
  /** Whether the socket has not taken what it was given. */
  congested = false
  /** Bytes that streams have in their queues, all together. */
  queuedBytes = 0
  /** Bytes of DATA that went out so far: they tell whether the peer lets anything through. */
  sentBytes = 0
  /** Streams with bytes in their queues. */
  queuedStreams = 0
  /** Those of them that wait here: only their own windows have room. */
  waitingStreams = 0
  /** Counts RST_STREAM and GOAWAY, both ways, where somebody wants to know. */
  counts: FrameCounts | undefined
  readonly #peer: Settings
  readonly #maxOutputBytes: number
  readonly #refuse: Refuse
  readonly #notify: () => void
  readonly #floods: Allowance
  #noticed = false
  /** The stream whose turn it is. The ring is circular. */
  #turn: Sender | undefined

  constructor(peer: Settings, floods: Allowance, maxOutputBytes: number, refuse: Refuse, notify: () => void) {
    this.#floods = floods
    this.#peer = peer
    this.#maxOutputBytes = maxOutputBytes
    this.#refuse = refuse
    this.#notify = notify
  }

  /** Bytes of DATA that may be written now. A frame is cut only at a window, or if it has more than `QUANTUM_BYTES`. */
  get room(): number {
    if (this.congested) return 0
    const left = this.#maxOutputBytes - this.writer.pendingBytes
    return left <= 0 ? 0 : Math.min(this.window.available, Math.max(left, QUANTUM_BYTES))
  }

  /** There is something to flush. It is told once, until `take`. */
  notice(): void {
    if (this.#noticed) return
    this.#noticed = true
    this.#notify()
  }

  take(): Buffer[] {
    this.#noticed = false
    return this.writer.take()
  }

  /** Throws what `refuse` makes of a block that must not or cannot be sent. */
  checkBlock(block: readonly HeaderFieldLike[], more?: readonly HeaderFieldLike[]): void {
    const limit = this.#peer.maxHeaderListSize
    // A block that was encoded before was checked, but not against a limit that came since.
    if (this.encoder.find(block) === undefined) {
      const reason = unsendable(block)
      if (reason !== undefined) throw this.#refuse(reason, false)
    }
    if (limit === UNLIMITED) return
    // §6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE: "This advisory setting informs a peer of the maximum field section
    // size that the sender is prepared to accept". If it is sent all the same, it may cost the connection.
    const bytes = listBytesOf(block) + (more === undefined ? 0 : listBytesOf(more))
    if (bytes > limit) throw this.#refuse(tooLargeBy(bytes, limit), true)
  }

  headers(
    streamId: number,
    block: readonly HeaderFieldLike[],
    endStream: boolean,
    more?: readonly HeaderFieldLike[],
  ): void {
    const { writer, encoder } = this
    this.#floods.useful()
    const known = encoder.find(block)
    const bytes = known === undefined ? maxEncodedBytes(block) : known.length
    const at = writer.reserveHeaders(more === undefined ? bytes : bytes + maxEncodedBytes(more))
    let end = encoder.encode(block, writer.buffer, at)
    if (more !== undefined) end = encoder.goOn(more, writer.buffer, end)
    writer.commitHeaders(streamId, end, endStream)
    this.notice()
  }

  /**
   * The range is within `room` and the stream's window, or empty. `byReference`: `bytes` never changes again.
   * `cut`: the rest of the same piece follows. A whole frame that is in hand is sent from where it lies.
   */
  data(
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    byReference: boolean,
    cut: boolean,
  ): void {
    const length = end - start
    // A piece that a tiny window cut off does not count as work, or it would pay for the WINDOW_UPDATE that opens the
    // next one.
    if (!cut || length >= CRUMB_BYTES) this.#floods.useful()
    this.window.consume(length)
    this.sentBytes += length
    if (length >= REFERENCE_BYTES && length <= this.writer.maxFrameSize) {
      const headAt = takeFrame(bytes, start, end)
      if (headAt >= 0) {
        rewriteHead(bytes, headAt, endStream ? Flag.END_STREAM : Flag.NONE, streamId)
        this.writer.forwardSpan(bytes, headAt, end)
        return this.notice()
      }
    }
    if (byReference && end > start) this.writer.dataByReference(streamId, bytes, start, end, endStream)
    else this.writer.data(streamId, bytes, start, end, endStream)
    this.notice()
  }

  rstStream(streamId: number, code: number): void {
    if (this.counts !== undefined) countCode(this.counts.resetsSent, code)
    this.writer.rstStream(streamId, code)
    this.notice()
  }

  windowUpdate(streamId: number, increment: number): void {
    this.writer.windowUpdate(streamId, increment)
    this.notice()
  }

  ping(bytes: Buffer, at: number, ack: boolean): void {
    this.writer.ping(bytes, at, ack)
    this.notice()
  }

  goaway(lastStreamId: number, code: number, debug: string): void {
    if (this.counts !== undefined) countCode(this.counts.goawaysSent, code)
    this.writer.goaway(lastStreamId, code, Buffer.from(debug, 'latin1'))
    this.notice()
  }

  settings(entries: SettingEntries): void {
    this.writer.settings(entries)
    this.notice()
  }

  settingsAck(): void {
    this.writer.settingsAck()
    this.notice()
  }

  /** The stream has bytes queued, and its own window has room. */
  wait(stream: Sender): void {
    if (stream.waiting) return
    stream.waiting = true
    this.waitingStreams++
    const turn = this.#turn
    if (turn === undefined) {
      stream.nextWaiting = stream.previousWaiting = stream
      this.#turn = stream
      return
    }
    const last = turn.previousWaiting!
    stream.previousWaiting = last
    stream.nextWaiting = turn
    last.nextWaiting = turn.previousWaiting = stream
  }

  /** The stream has nothing more to send, or must not send. */
  leave(stream: Sender): void {
    if (!stream.waiting) return
    stream.waiting = false
    this.waitingStreams--
    const next = stream.nextWaiting!
    if (next === stream) this.#turn = undefined
    else {
      stream.previousWaiting!.nextWaiting = next
      next.previousWaiting = stream.previousWaiting
      if (this.#turn === stream) this.#turn = next
    }
    stream.nextWaiting = stream.previousWaiting = undefined
  }

  /** Lets those that wait send, in turns, as far as there is room. */
  pump(): void {
    for (let stream = this.#turn; stream !== undefined; stream = this.#turn) {
      const room = this.room
      if (room <= 0) return
      this.#turn = stream.nextWaiting
      stream.sendQueued(Math.min(QUANTUM_BYTES, room, stream.sendWindow.available))
      if (stream.queuedBytes === 0 || stream.sendWindow.available <= 0) this.leave(stream)
    }
  }

  /** Whether a stream waits that only needs the next flush. */
  get unfinished(): boolean {
    return this.#turn !== undefined && this.room > 0
  }
}
