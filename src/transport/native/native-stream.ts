/**
 * What both halves of a call on `node:http2` have in common: data both ways, trailers, resets,
 * and finding out how a stream really ended. Facts about Node that shape this file:
 *
 * - `'trailers'` is emitted while received data may still wait in the stream's buffer, so trailers
 *   are held until `'end'`.
 * - A RST_STREAM(NO_ERROR) makes `'end'` too; each half has its own way to tell (`endReceived`).
 * - Without `waitForTrailers`, `close(code)` first sends DATA(0, END_STREAM): a clean end that
 *   nobody asked for. With it, `'wantTrailers'` must be answered, also when there are none.
 * - `sendTrailers(); close(0)` in one go loses the trailers.
 * - At a RST_STREAM Node ends the writable side before anybody is told; what is read afterwards is lost by a write.
 * - Node before 26 keeps a stream whose RST_STREAM(NO_ERROR) came while it was paused and writes waited for window, and
 *   each Node keeps one that is closed with NO_ERROR while they wait.
 */
import type { Http2Stream } from 'node:http2'
import { ErrorCode } from '../../wire/errors.ts'
import { listBytesOf } from '../../wire/hpack/header-field.ts'
import { NO_BYTES } from '../../wire/no-bytes.ts'
import { keep } from '../lent.ts'
import { type HeaderBlock, HeadersRefused, type Stream, type StreamEnd, type StreamOwner } from '../transport.ts'
import { blockOfRaw, checkBlock, objectOfBlock, type SendLimits } from './header-block.ts'

export const FLAG_END_STREAM = 0x1

/** The receive window of a session, where none is configured. Node's window does not grow. */
export const SESSION_WINDOW_BYTES = 1_048_576

const kNative = Symbol('NativeStream')
type Carrier = Http2Stream & { [kNative]: NativeStream }

/** What a stream must know about its session. */
export interface NativeSession extends SendLimits {
  /** The connection is gone, so a stream that closes now was lost, whatever code Node reports. */
  readonly lost: boolean
  /** Who ended it. The network counts as the peer. */
  readonly lostBy: 'peer' | 'self'
  readonly lostReason: string
  /** Above this id the peer promised not to have processed anything (GOAWAY). */
  readonly lastStreamId: number
  /** The peer said GOAWAY. */
  readonly peerLeaves: boolean
  streamClosed(): void
}

const CLEAN: StreamEnd = { kind: 'clean' }

/** When this many received bytes are not released, reading stops. Node's stream window does the rest. */
export abstract class NativeStream implements Stream {
  protected readonly session: NativeSession
  protected owner: StreamOwner
  protected node: Http2Stream | undefined
  #unreleased = 0
  #receivedTrailers: HeaderBlock | undefined
  /** At `'end'`: END_STREAM arrived, and not a reset that looks like it. */
  protected endReceived = false
  protected endToldWithHeaders = false
  /** Our last DATA or HEADERS is on its way. */
  protected endSent = false
  #trailers: HeaderBlock | undefined
  /** Node has the END_STREAM: nothing is queued before it any more. */
  #endWritten = false
  #resetBySelf: ErrorCode | undefined
  /** … after what is queued. */
  #resetWaits = false
  /** The rule that the peer broke, where that is the reason. */
  #violation: string | undefined
  #closed = false
  #awaitsDrain = false
  /**
   * True during `'end'`: a reset then, while the request is not whole, aborts the process (`Http2Stream::OnTrailers`).
   */
  #tellingEnd = false

  constructor(session: NativeSession, owner: StreamOwner) {
    this.session = session
    this.owner = owner
  }

  static of(node: Http2Stream): NativeStream {
    return (node as Carrier)[kNative]
  }

  get queuedBytes(): number {
    return this.node?.writableLength ?? 0
  }

  abstract sendHeaders(block: HeaderBlock, endStream: boolean, more?: HeaderBlock): void

  sendData(bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    const node = this.#writable()
    if (node === undefined) return true
    if (endStream) {
      this.endSent = true
      if (end > start) node.end(keep(bytes, start, end))
      else node.end()
      return true
    }
    if (end === start || node.write(keep(bytes, start, end))) return true
    // An owner may go on sending after a false, for example a whole replay. It is still told only once.
    if (!this.#awaitsDrain) {
      this.#awaitsDrain = true
      node.once('drain', onDrain)
    }
    return false
  }

  sendTrailers(block: HeaderBlock): void {
    const node = this.#writable()
    if (node === undefined) return
    checkBlock(block, this.session)
    this.#trailers = block
    this.endSent = true
    node.end()
  }

  reset(code: ErrorCode): void {
    const node = this.node
    if (this.#closed || (this.#resetBySelf !== undefined && !this.#resetWaits)) return
    // RFC 9113 §8.1: the response is complete before RST_STREAM(NO_ERROR).
    if (code === ErrorCode.NO_ERROR && this.endSent) return this.resetWhenSent(code)
    this.#resetBySelf = code
    this.#resetWaits = false
    if (node === undefined) return this.#forget(code)
    this.discard(node)
    if (this.#tellingEnd) setImmediate(closeWith, node, code)
    else node.close(code)
    // After this code Node waits for writes that nobody takes any more.
    if (code === ErrorCode.NO_ERROR) setImmediate(setImmediate, destroyClosed, node)
  }

  resetWhenSent(code: ErrorCode): void {
    const { node } = this
    if (node === undefined || !this.endSent) return this.reset(code)
    if (this.#closed || this.#resetBySelf !== undefined) return
    this.#resetBySelf = code
    this.discard(node)
    // Where data or trailers are still queued, `wantTrailers` closes after them.
    this.#resetWaits = !this.#endWritten
    if (!this.#resetWaits) setImmediate(closeWith, node, code)
  }

  /** The block that was sent is the whole message. */
  protected endsWithHeaders(): void {
    this.endSent = this.#endWritten = true
  }

  /** It was given up before its headers were sent, so no peer has heard of it. */
  #forget(code: ErrorCode): void {
    this.#closed = true
    this.session.streamClosed()
    setImmediate(() => this.owner.onClosed({ kind: 'reset', code, by: 'self' }))
  }

  release(bytes: number): void {
    this.#unreleased -= bytes
    if (this.#unreleased <= 0 && this.node?.isPaused()) this.node.resume()
  }

  mute(): void {
    // Bytes that nobody reads keep Node from closing the stream, and its window stays open.
  }

  /** Node closes a stream that ended without an error only once it was read to its end. */
  protected discard(node: Http2Stream): void {
    node.off('data', onData)
    node.resume()
  }

  #writable(): Http2Stream | undefined {
    if (this.#closed || this.endSent || this.#resetBySelf !== undefined) return undefined
    // At a RST_STREAM Node ends the writable side at once. A write after that makes it forget what was received.
    return this.node?.writableEnded === true ? undefined : this.node
  }

  /** Takes over the Node stream. Listeners are shared functions, so a call needs no closure. */
  protected adopt(node: Http2Stream): void {
    this.node = node
    ;(node as Carrier)[kNative] = this
    node.on('end', onEnd)
    node.on('trailers', onTrailers)
    node.on('wantTrailers', onWantTrailers)
    node.on('error', ignore)
    node.on('close', onClose)
  }

  /**
   * Called once the owner has had the headers: over a JavaScript Duplex Node emits `'data'` before
   * `'response'`.
   */
  protected startReading(): void {
    if (this.#resetBySelf === undefined && !this.#closed) this.node!.on('data', onData)
  }

  /** The reset is ours. */
  protected get givenUp(): boolean {
    return this.#resetBySelf !== undefined
  }

  data(chunk: Buffer): void {
    this.#unreleased += chunk.length
    this.owner.onData(chunk, 0, chunk.length, false)
    if (this.#unreleased > 0) this.hold()
  }

  /** The owner keeps bytes, so it gets no more until they are released. */
  protected hold(): void {
    this.node?.pause()
  }

  trailers(block: HeaderBlock): void {
    if (!this.refusesSize(block)) this.#receivedTrailers = block
  }

  /** Node announces MAX_HEADER_LIST_SIZE, but does not enforce it. */
  protected refusesSize(block: HeaderBlock): boolean {
    if (listBytesOf(block) <= this.session.maxHeaderListBytes) return false
    this.#violation = 'header-list-too-large'
    this.reset(ErrorCode.ENHANCE_YOUR_CALM)
    return true
  }

  end(node: Http2Stream): void {
    // The peer's RST_STREAM(NO_ERROR) came before this. Node before 26 then waits for writes that nobody takes any
    // more.
    if (node.closed && this.#resetBySelf === undefined) setImmediate(destroyClosed, node)
    if (!this.judgeEnd(node)) return
    this.tellEnd()
  }

  /** END_STREAM came, and the owner has all that came before it. */
  protected tellEnd(): void {
    if (this.endToldWithHeaders || this.endReceived || this.#resetBySelf !== undefined) return
    this.endReceived = true
    this.#tellingEnd = true
    try {
      if (this.#receivedTrailers !== undefined) this.owner.onTrailers(this.#receivedTrailers)
      else this.owner.onData(NO_BYTES, 0, 0, true)
    } finally {
      this.#tellingEnd = false
    }
  }

  /** This is the last chance to tell what came. */
  protected beforeClosed(): void {}

  /** Whether this `'end'` is an END_STREAM. */
  protected abstract judgeEnd(node: Http2Stream): boolean

  wantTrailers(node: Http2Stream): void {
    try {
      node.sendTrailers(this.#trailers === undefined ? {} : objectOfBlock(this.#trailers))
      this.#endWritten = true
    } catch {
      // Node cannot send these trailers, and an end without them would say something false.
      this.#resetBySelf = ErrorCode.INTERNAL_ERROR
      node.close(ErrorCode.INTERNAL_ERROR)
      return
    }
    if (this.#resetBySelf === undefined) return
    this.#resetWaits = false
    setImmediate(closeWith, node, this.#resetBySelf)
  }

  drained(): void {
    this.#awaitsDrain = false
    if (!this.endSent) this.owner.onWritable()
  }

  closed(node: Http2Stream): void {
    if (this.#closed) return
    this.beforeClosed()
    this.#closed = true
    this.session.streamClosed()
    this.owner.onClosed(this.#endOf(node))
  }

  #endOf(node: Http2Stream): StreamEnd {
    const code = node.rstCode ?? ErrorCode.NO_ERROR
    if (code === ErrorCode.NO_ERROR && this.endReceived && this.endSent) return CLEAN
    if (this.#resetBySelf !== undefined)
      return { kind: 'reset', code: this.#resetBySelf, by: 'self', violation: this.#violation }
    if (node.id === undefined)
      return {
        kind: 'lost',
        by: this.session.lostBy,
        unprocessed: true,
        reason: 'the session ended before it was sent',
      }
    // nghttp2 refuses by itself what it was given and had not sent by then, whatever id GOAWAY has.
    const unsent = code === ErrorCode.REFUSED_STREAM && this.session.peerLeaves
    if (unsent || node.id > this.session.lastStreamId) {
      return { kind: 'lost', by: 'peer', unprocessed: true, reason: 'GOAWAY: not processed by the peer' }
    }
    const { lost, lostBy, lostReason } = this.session
    if (lost) return { kind: 'lost', by: lostBy, unprocessed: false, reason: lostReason }
    return { kind: 'reset', code, by: 'peer' }
  }
}

/** What Node's API throws for blocks it does not like. */
export function refused(cause: unknown): HeadersRefused {
  return new HeadersRefused((cause as Error).message, false, { cause })
}

function closeWith(node: Http2Stream, code: ErrorCode): void {
  node.close(code)
}

function destroyClosed(node: Http2Stream): void {
  node.destroy()
}

function ignore(): void {
  // `'close'` follows with the code, which says the same in one place.
}

function onData(this: Http2Stream, chunk: Buffer): void {
  ;(this as Carrier)[kNative].data(chunk)
}

function onEnd(this: Http2Stream): void {
  ;(this as Carrier)[kNative].end(this)
}

function onTrailers(this: Http2Stream, headers: object, _flags: number, raw?: readonly string[]): void {
  ;(this as Carrier)[kNative].trailers(blockOfRaw(raw ?? [], headers as never))
}

function onWantTrailers(this: Http2Stream): void {
  ;(this as Carrier)[kNative].wantTrailers(this)
}

function onDrain(this: Http2Stream): void {
  ;(this as Carrier)[kNative].drained()
}

function onClose(this: Http2Stream): void {
  ;(this as Carrier)[kNative].closed(this)
}
