/**
 * One stream of a `Connection`, as its owner drives it: the send side with its queue, and the state.
 *
 * ```
 *   sendData ──fits──────────────────────────────▶ outbound (DATA)
 *      └──does not fit──▶ queue (copied) ──pump──▶ outbound        END_STREAM or trailers after the queue
 * ```
 *
 * Its life: `Connection` makes it (server: HEADERS came; client: `openStream`), it ends exactly once (`end`), and then
 * it is in no table of the connection any more; `onClosed` is the last call that the owner gets. Once the stream has
 * ended, every call on it has no effect.
 */
import { ErrorCode } from './errors.ts'
import { ReceiveWindow, SendWindow } from './flow-window.ts'
import type { HeaderField, HeaderFieldLike } from './hpack/header-field.ts'
import type { Outbound, Sender } from './outbound.ts'
import { Pieces } from './pieces.ts'
import { StreamEvent, StreamState, transition } from './stream-state.ts'

/** The reason why a stream is over. */
export type StreamEnd =
  /** END_STREAM was sent and received. */
  | { readonly kind: 'clean' }
  /**
   * RST_STREAM, received (`peer`), or sent (`self`) because we asked, or because the peer broke a rule: then
   * `violation` is its token (`protocol-error.ts`), where the transport knows it.
   */
  | { readonly kind: 'reset'; readonly code: ErrorCode; readonly by: 'peer' | 'self'; readonly violation?: string }
  /**
   * The connection ended under the stream: the peer or the network ended it (`peer`), or we did (`self`), because we
   * were asked or because the peer broke a rule. `unprocessed`: the peer promised that it never looked at the stream,
   * which is above the last-stream-id of its GOAWAY (RFC 9113 §6.8).
   */
  | { readonly kind: 'lost'; readonly by: 'peer' | 'self'; readonly unprocessed: boolean; readonly reason: string }

/** What keeps queued bytes back: the window of the stream, that of the connection, or a socket that takes no more. */
export type SendBlock = 'stream' | 'session' | 'socket'

/** What a stream tells its owner. Calls come in wire order; `onClosed` comes last and once. */
export interface WireStreamOwner {
  /**
   * The first block, pseudo-header fields first, checked against RFC 9113 §8; the owner may keep it. For
   * a client also each response of 1xx before it, which never has `endStream`.
   */
  onHeaders(block: readonly HeaderField[], endStream: boolean): void
  /**
   * `bytes[start..end)` is valid only during the call, and may be empty with `endStream`. The sender gets its window
   * back once `release` was called for as many bytes. After a clean end this still holds for the connection's window,
   * because bytes may still wait for somebody. At any other end the rest is given back, except `waitingBytes`.
   */
  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void
  /** The last block. The peer's side of the stream is over; there is no `endStream` besides. */
  onTrailers(block: readonly HeaderField[]): void
  /**
   * It comes instead of `onHeaders` or `onTrailers`: the header list exceeds our limits, and `block` is the part of it
   * that fits. The owner must answer, or reset the stream. Without this method the connection resets it.
   */
  onOversized?(block: readonly HeaderField[], endStream: boolean): void
  /** `sendData` had returned false; the queue has been sent. */
  onWritable(): void
  /**
   * `Connection.shed`: it has released almost nothing of what it holds, and others wait for that room. It should
   * give up: reset this stream, or release what it holds. It may also come after a clean end.
   */
  onOverdue?(): void
  /**
   * How many of the bytes that it has not released still wait for its own consumer. Default: all. Whoever has this
   * releases them also after a stream that did not end cleanly: they count until then.
   */
  readonly waitingBytes?: number
  /** The consumer of what came; streams of one consumer are judged together. Default: each by itself. */
  readonly consumer?: object
  onClosed(end: StreamEnd): void
}

/** Until the peer's stream has one. */
export const NO_OWNER: WireStreamOwner = {
  onHeaders() {},
  onData() {},
  onTrailers() {},
  onWritable() {},
  onClosed() {},
}

/** What a stream needs of its connection besides the output. Only `Connection` implements it. */
export interface StreamKeeper {
  readonly outbound: Outbound
  /** A client's stream sends its HEADERS: gives it its number and its windows. */
  beginStream(stream: WireStream, block: readonly HeaderFieldLike[]): void
  /** The stream is over because of what we sent. Its owner is told in a later turn. */
  endLater(stream: WireStream, end: StreamEnd): void
  /** `onWritable` is due, in a later turn. */
  writableLater(stream: WireStream): void
  /** This many received bytes were consumed. */
  released(stream: WireStream, bytes: number): void
  /** … of a stream that has ended. */
  releasedLate(stream: WireStream, bytes: number): void
}

const CLEAN: StreamEnd = { kind: 'clean' }
const NO_SEND_WINDOW = new SendWindow(0, 0)
const NO_RECEIVE_WINDOW = new ReceiveWindow(0, 0)

export class WireStream implements Sender {
  /** 0 until a client sent its HEADERS. */
  id = 0
  owner: WireStreamOwner
  /** The state of RFC 9113 §5.1. It treats queued bytes as not sent. */
  state: StreamState = StreamState.IDLE
  /** Set once, when it is over. */
  end: StreamEnd | undefined
  sendWindow: SendWindow = NO_SEND_WINDOW
  receiveWindow: ReceiveWindow = NO_RECEIVE_WINDOW
  /** Whether the message's HEADERS came (a response of 1xx does not count), so that trailers follow. */
  headersReceived = false
  /** The Content-Length of what we receive (−1: none), and how much of it came. */
  expectedBytes = -1
  receivedBytes = 0
  /** Whether the request was HEAD, so that Content-Length says nothing about DATA. */
  headRequest = false
  /** Whether a reset waits for the queue (`resetWhenSent`); the owner hears nothing more until the end. */
  resetWaits = false
  muted = false
  #resetCode: ErrorCode = ErrorCode.NO_ERROR
  /** Whether it is in the connection's list of streams to tell something, and what was told. */
  settling = false
  endTold = false
  writableDue = false
  /** Bytes of ours that wait for a window. */
  queuedBytes = 0
  /** Neighbours in the outbound's list of streams that could send. */
  waiting = false
  nextWaiting: Sender | undefined
  previousWaiting: Sender | undefined

  readonly #keeper: StreamKeeper
  /** Most streams never wait. */
  #queue: Pieces | undefined
  /** Whether the owner gave END_STREAM or trailers, so that nothing may follow. */
  #sendEnded = false
  #trailers: readonly HeaderFieldLike[] | undefined

  constructor(keeper: StreamKeeper, owner: WireStreamOwner) {
    this.#keeper = keeper
    this.owner = owner
  }

  /** The stream has a number and exists on the wire from now on. */
  begin(id: number, state: StreamState, sendBytes: number, receiveBytes: number): void {
    this.id = id
    this.state = state
    this.sendWindow = new SendWindow(id, sendBytes)
    this.receiveWindow = new ReceiveWindow(id, receiveBytes)
  }

  /**
   * HEADERS. A server may send blocks of 1xx before; `endStream` makes it the last.
   * Throws what `ConnectionOptions.refuse` makes for a block that cannot be sent; the stream is as before.
   * `more` is sent behind it, and must be what can be sent: fields that are new each time, so that the block is an old one.
   */
  sendHeaders(block: readonly HeaderFieldLike[], endStream: boolean, more?: readonly HeaderFieldLike[]): void {
    if (this.end !== undefined || this.#sendEnded) return
    const { outbound } = this.#keeper
    outbound.checkBlock(block, more)
    if (this.id === 0) this.#keeper.beginStream(this, block)
    const event = endStream ? StreamEvent.SEND_HEADERS_END : StreamEvent.SEND_HEADERS
    this.state = transition(this.state, event, this.id)
    outbound.headers(this.id, block, endStream, more)
    if (!endStream) return
    this.#sendEnded = true
    this.#afterEndStream()
  }

  /**
   * Sends DATA. The caller may use `bytes[start..end)` again at once. An empty range without `endStream` sends nothing.
   * @returns false: some of it waits for a window, so stop until `onWritable`; it was taken all the same
   */
  sendData(bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    if (this.end !== undefined || this.#sendEnded || (start === end && !endStream)) return true
    if (this.state === StreamState.IDLE) throw new Error('DATA before HEADERS')
    this.#sendEnded = endStream
    let room = 0
    if (this.queuedBytes === 0) {
      room = Math.min(this.#keeper.outbound.room, this.sendWindow.available)
      if (end - start <= room || start === end) {
        this.#data(bytes, start, end, endStream, false, false)
        return true
      }
    }
    if (room > 0) {
      this.#data(bytes, start, start + room, false, false, true)
      start += room
    }
    if (this.queuedBytes === 0) this.#beginQueue()
    this.#queue ??= new Pieces()
    if (start < end) this.#queue.push(bytes, start, end)
    this.queuedBytes += end - start
    this.#keeper.outbound.queuedBytes += end - start
    this.writableDue = true
    if (this.sendWindow.available > 0) this.#keeper.outbound.wait(this)
    return false
  }

  /** Whoever has a clock looks after a flush whether the peer takes what waits: so there must be one. */
  #beginQueue(): void {
    const { outbound } = this.#keeper
    outbound.queuedStreams++
    outbound.notice()
  }

  /** Why queued bytes wait. Undefined: none do. */
  get heldBackBy(): SendBlock | undefined {
    if (this.queuedBytes === 0) return undefined
    if (this.sendWindow.available <= 0) return 'stream'
    return this.#keeper.outbound.window.available <= 0 ? 'session' : 'socket'
  }

  /** The last block, with END_STREAM, after what is queued. Throws as `sendHeaders` does. */
  sendTrailers(block: readonly HeaderFieldLike[]): void {
    if (this.end !== undefined || this.#sendEnded) return
    if (this.state === StreamState.IDLE) throw new Error('trailers before HEADERS')
    this.#keeper.outbound.checkBlock(block)
    this.#sendEnded = true
    if (this.queuedBytes > 0) this.#trailers = block
    else this.#sendTrailers(block)
  }

  /**
   * RST_STREAM at once, and what is queued is dropped. Only NO_ERROR after END_STREAM waits for the queue:
   * RFC 9113 §8.1: "a server MAY request that the client abort transmission of a request without error by
   * sending a RST_STREAM with an error code of NO_ERROR after sending a complete response".
   */
  reset(code: ErrorCode): void {
    if (code === ErrorCode.NO_ERROR) this.resetWhenSent(code)
    else this.#reset(code)
  }

  /** RST_STREAM after END_STREAM; at once where END_STREAM was not given, or nothing is queued. */
  resetWhenSent(code: ErrorCode): void {
    this.resetWaits = this.end === undefined && this.#sendEnded && this.queuedBytes > 0
    if (this.resetWaits) this.#resetCode = code
    else this.#reset(code)
  }

  #reset(code: ErrorCode): void {
    // CLOSED: the peer's END_STREAM is being told, the end is next.
    if (this.end !== undefined || this.state === StreamState.CLOSED) return
    if (this.id !== 0) {
      this.state = transition(this.state, StreamEvent.SEND_RST_STREAM, this.id)
      this.#keeper.outbound.rstStream(this.id, code)
    }
    this.#keeper.endLater(this, { kind: 'reset', code, by: 'self' })
  }

  /** These received bytes were forwarded or dropped: the sender gets this much window back. */
  release(bytes: number): void {
    if (bytes <= 0) return
    if (this.end === undefined) this.#keeper.released(this, bytes)
    else this.#keeper.releasedLate(this, bytes)
  }

  /** The owner wants nothing more of it, so the peer gets no more window for it. */
  mute(): void {
    this.muted = true
  }

  /**
   * For `Outbound`: its turn. A frame that came whole goes out whole, if windows allow: at worst it begins the next
   * turn.
   */
  sendQueued(budget: number): void {
    const queue = this.#queue!
    for (let left = budget; left > 0 && this.queuedBytes > 0; ) {
      if (queue.length > left && left < budget) return
      const { buffer, start } = queue
      const bytes = Math.min(queue.length, left)
      const cut = bytes < queue.length
      queue.take(bytes)
      left -= bytes
      this.queuedBytes -= bytes
      this.#keeper.outbound.queuedBytes -= bytes
      const last = this.queuedBytes === 0 && this.#sendEnded && this.#trailers === undefined
      this.#data(buffer, start, start + bytes, last, true, cut)
    }
    if (this.queuedBytes > 0) return
    this.#keeper.outbound.queuedStreams--
    this.#afterQueue()
  }

  /** `Connection` calls it: the stream is over, and its queue is dropped. */
  dropQueue(): void {
    this.#queue = undefined
    const { outbound } = this.#keeper
    if (this.queuedBytes > 0) outbound.queuedStreams--
    outbound.queuedBytes -= this.queuedBytes
    this.queuedBytes = 0
    this.#trailers = undefined
  }

  #afterQueue(): void {
    const trailers = this.#trailers
    this.#trailers = undefined
    if (trailers !== undefined) this.#sendTrailers(trailers)
    if (this.resetWaits) this.#reset(this.#resetCode)
    else if (this.end === undefined) this.#keeper.writableLater(this)
  }

  #data(bytes: Buffer, start: number, end: number, endStream: boolean, byReference: boolean, cut: boolean): void {
    this.state = transition(this.state, endStream ? StreamEvent.SEND_DATA_END : StreamEvent.SEND_DATA, this.id)
    this.sendWindow.consume(end - start)
    this.#keeper.outbound.data(this.id, bytes, start, end, endStream, byReference, cut)
    if (endStream) this.#afterEndStream()
  }

  #sendTrailers(block: readonly HeaderFieldLike[]): void {
    this.state = transition(this.state, StreamEvent.SEND_HEADERS_END, this.id)
    this.#keeper.outbound.headers(this.id, block, true)
    this.#afterEndStream()
  }

  #afterEndStream(): void {
    if (this.state === StreamState.CLOSED) this.#keeper.endLater(this, CLEAN)
  }
}
