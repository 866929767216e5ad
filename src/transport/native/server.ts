/**
 * The downstream side on `node:http2`: sessions made of accepted sockets, and streams that come from the
 * `'stream'` event of somebody else's server.
 */
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream, ServerOptions } from 'node:http2'
import type { Socket } from 'node:net'
import { ErrorCode } from '../../wire/errors.ts'
import { systemClock, type Timer } from '../clock.ts'
import { peerOf } from '../peer.ts'
import {
  type HeaderBlock,
  HeadersRefused,
  type Peer,
  type ServerSession,
  type ServerSessionOwner,
  type ServerTransport,
  type StreamOwner,
} from '../transport.ts'
import { letGo } from './beside-listener.ts'
import { blockOfRaw, checkBlock, KEEPS_BLANKS, rawOfBlock, sendBlockBytes } from './header-block.ts'
import { FLAG_END_STREAM, type NativeSession, NativeStream, refused, SESSION_WINDOW_BYTES } from './native-stream.ts'
import { nodeHttp2 } from './node-http2.ts'

/** Bounds of a downstream session; see the configuration's `limits`. */
export interface NativeServerLimits {
  readonly maxHeaderListBytes: number
  readonly maxHeaderFields: number
  readonly maxConcurrentStreams: number
  readonly streamWindowBytes: number
  readonly sessionWindowBytes?: number
  readonly floods: { readonly maxResets: { readonly burst: number; readonly perSecond: number } }
}

/** How long a destroyed session may take to write its GOAWAY. */
const DESTROY_LINGER_MS = 1_000
/** The turns from `sendTrailers` until the socket has them: the end of the writes, `wantTrailers`, one write. */
const LAST_TURNS = 5
const BODYLESS: ReadonlySet<string> = new Set(['204', '205', '304'])
const RESPOND_END = { endStream: true, sendDate: false }
const RESPOND_OPEN = { waitForTrailers: true, sendDate: false }
/** GOAWAY "MAY" announce a shutdown with the largest id first (RFC 9113 §6.8). */
const SHUTDOWN_NOTICE_STREAM_ID = 2 ** 31 - 1

class NativeServerStream extends NativeStream {
  #responded = false

  constructor(session: NativeServerSession, node: ServerHttp2Stream) {
    super(session, UNOWNED)
    this.adopt(node)
  }

  start(owner: StreamOwner, block: HeaderBlock, endStream: boolean): void {
    this.owner = owner
    if (endStream) this.endReceived = this.endToldWithHeaders = true
    owner.onHeaders(block, endStream)
    this.startReading()
  }

  sendHeaders(block: HeaderBlock, endStream: boolean): void {
    const node = this.node as ServerHttp2Stream
    if (node.destroyed || node.closed || this.#responded) return
    if (node.headersSent) throw new HeadersRefused('another listener of the server has answered the stream')
    checkBlock(block, this.session)
    if (!endStream && BODYLESS.has(block[0]?.value ?? '')) {
      throw new HeadersRefused('Node ends a response of 204, 205 or 304 by itself')
    }
    try {
      node.respond(rawOfBlock(block), endStream ? RESPOND_END : RESPOND_OPEN)
    } catch (error) {
      throw refused(error)
    }
    this.#responded = true
    // Another listener decides on the trailers: Node's layer for request listeners.
    if (node.listenerCount('wantTrailers') > 1) letGo(node)
    if (endStream) this.endsWithHeaders()
  }

  /** Where a listener of the host answered the call, it sends its own trailers. */
  override wantTrailers(node: ServerHttp2Stream): void {
    if (this.#responded) super.wantTrailers(node)
  }

  protected override hold(): void {
    super.hold()
    this.node?.off('aborted', onAborted).on('aborted', onAborted)
  }

  aborted(node: ServerHttp2Stream): void {
    if (!this.endSent) this.discard(node)
  }

  /**
   * Node sets `aborted` when the client's reset finds our side unfinished; where it was finished, only the code tells.
   */
  protected judgeEnd(node: ServerHttp2Stream): boolean {
    return !node.aborted && (node.rstCode ?? ErrorCode.NO_ERROR) === ErrorCode.NO_ERROR
  }
}

/** A client's RST_STREAM(NO_ERROR) is a reset too, and may find the stream paused. */
function onAborted(this: ServerHttp2Stream): void {
  ;(NativeStream.of(this) as NativeServerStream).aborted(this)
}

/** The ACK of a PING: the socket has counted its bytes. */
function ignored(): void {}

const UNOWNED: StreamOwner = {
  onHeaders() {},
  onData() {},
  onTrailers() {},
  onWritable() {},
  onClosed() {},
}

/** A client's connection, the proxy's own or one of a user's server. */
class NativeServerSession implements ServerSession, NativeSession {
  readonly peer: Peer
  kept: unknown
  heldBytes = 0
  readonly lastStreamId = SHUTDOWN_NOTICE_STREAM_ID
  readonly peerLeaves = false
  readonly #node: ServerHttp2Session
  readonly #owner: ServerSessionOwner
  streams = 0
  opened = 0
  #draining = false
  #error: Error | undefined
  /** The reason why we closed it. */
  #closedFor: string | undefined
  /** Undefined for a session of somebody else's server. */
  readonly #socket: Socket | undefined
  /** Runs from `destroy` until it is closed. */
  #lateTimer: Timer | undefined
  #closed = false

  readonly maxHeaderListBytes: number
  peerMaxHeaderListBytes = Number.POSITIVE_INFINITY

  constructor(node: ServerHttp2Session, owner: ServerSessionOwner, maxHeaderListBytes: number, socket?: Socket) {
    this.#node = node
    this.#socket = socket
    this.#owner = owner
    this.maxHeaderListBytes = maxHeaderListBytes
    this.peer = peerOf(socket ?? (node.socket as unknown as Socket))
    node.on('error', error => {
      this.#error = error
    })
    node.on('frameError', () => {
      // The end of the stream or of the session says the same.
    })
    // For a session of somebody else's server they may have come earlier.
    this.#learnLimit()
    node.on('remoteSettings', this.#learnLimit)
    node.once('remoteSettings', () => owner.onSessionReady(this))
    node.once('close', this.#close)
  }

  readonly #close = (): void => {
    if (this.#closed) return
    this.#closed = true
    this.#lateTimer?.cancel()
    this.#owner.onSessionClosed(this, this.lostReason)
  }

  readonly #learnLimit = (): void => {
    this.peerMaxHeaderListBytes = this.#node.remoteSettings.maxHeaderListSize ?? Number.POSITIVE_INFINITY
  }

  get lost(): boolean {
    return this.#node.destroyed
  }

  get lostBy(): 'peer' | 'self' {
    return this.#closedFor === undefined ? 'peer' : 'self'
  }

  get lostReason(): string {
    return this.#error?.message ?? this.#closedFor ?? 'the client closed the connection'
  }

  streamOpened(node: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, raw: readonly string[]): void {
    this.streams++
    this.opened++
    const stream = new NativeServerStream(this, node)
    stream.start(this.#owner.onStream(stream, this), blockOfRaw(raw, headers), (flags & FLAG_END_STREAM) !== 0)
  }

  streamClosed(): void {
    this.streams--
    if (this.#draining && this.streams === 0) this.#closeGently()
  }

  /** GOAWAY with the real id; Node ends the session with its last stream. */
  readonly #closeGently = (): void => {
    if (!this.#node.destroyed) this.#node.close()
  }

  get received(): number {
    return this.#node.destroyed ? 0 : this.#node.socket.bytesRead
  }

  ping(): void {
    if (!this.#node.destroyed) this.#node.ping(ignored)
  }

  drain(debug = ''): void {
    if (this.#draining || this.#node.destroyed) return
    this.#draining = true
    this.#node.goaway(ErrorCode.NO_ERROR, SHUTDOWN_NOTICE_STREAM_ID, Buffer.from(debug, 'latin1'))
    // The client's answer to the PING shows that it has seen the notice: streams that it opens later are
    // its own fault, and those that it opened before are served.
    // The PING goes out in the next turn, because nghttp2 sends a PING before a GOAWAY that waits with it.
    setImmediate(() => {
      // Without streams nghttp2 stops reading, so it would not see the answer.
      if (this.streams === 0 || this.#node.destroyed || !this.#node.ping(this.#closeGently)) this.#closeGently()
    })
  }

  /** Node writes trailers some turns after it got them, so they still have to go out. */
  destroy(reason = 'closed by the proxy'): void {
    if (!this.lost) this.#closedFor ??= reason
    let turns = LAST_TURNS
    const end = () => {
      if (this.streams > 0 && turns-- > 0) setImmediate(end)
      else this.#destroyNow()
    }
    end()
  }

  /** Node waits for what is still to be written, which a client that reads nothing never takes. */
  #destroyNow(): void {
    this.#node.destroy()
    if (this.#closed || this.#socket === undefined) return
    this.#lateTimer ??= systemClock.after(DESTROY_LINGER_MS, () => {
      this.#socket?.destroy()
      this.#close()
    })
  }
}

/** Makes sessions of sockets whose preface was already seen (its bytes were put back). */
export function nativeServerTransport(limits: NativeServerLimits): ServerTransport {
  const options = {
    settings: {
      maxConcurrentStreams: limits.maxConcurrentStreams,
      initialWindowSize: limits.streamWindowBytes,
      maxHeaderListSize: limits.maxHeaderListBytes,
      enablePush: false,
    },
    maxHeaderListPairs: limits.maxHeaderFields,
    maxSendHeaderBlockLength: sendBlockBytes(limits),
    // Its default of 10 MB kills a session with about a hundred blocked streams. The windows are our
    // bound, and this is what they add up to at worst, both ways.
    maxSessionMemory: Math.ceil((2 * limits.maxConcurrentStreams * limits.streamWindowBytes) / 1e6) + 10,
    // Node never resets this count, so it would end a long-lived session with empty DATA frames.
    maxSessionInvalidFrames: 2 ** 31 - 1,
    streamResetBurst: limits.floods.maxResets.burst,
    streamResetRate: limits.floods.maxResets.perSecond,
    strictSingleValueFields: false,
    ...KEEPS_BLANKS,
  }
  const http2 = nodeHttp2()
  return {
    name: 'native',
    accept(socket, owner) {
      const node = http2.performServerHandshake(socket, options as ServerOptions)
      const session = new NativeServerSession(node, owner, limits.maxHeaderListBytes, socket)
      if (!node.destroyed) node.setLocalWindowSize(limits.sessionWindowBytes ?? SESSION_WINDOW_BYTES)
      node.on('stream', (stream, headers, flags, raw) => {
        session.streamOpened(stream, headers, flags, raw as unknown as readonly string[])
      })
      return session
    },
  }
}

/** The listener of a user's own server: `server.on('stream', attach)`. */
export function nativeStreamHandler(owner: ServerSessionOwner, maxHeaderListBytes: () => number) {
  const sessions = new WeakMap<ServerHttp2Session, NativeServerSession>()
  return (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, raw: readonly string[]): void => {
    const node = stream.session as ServerHttp2Session | undefined
    if (node === undefined || stream.destroyed) return
    let session = sessions.get(node)
    if (session === undefined) {
      session = new NativeServerSession(node, owner, maxHeaderListBytes())
      sessions.set(node, session)
    }
    session.streamOpened(stream, headers, flags, raw)
  }
}
