/**
 * The upstream side on `node:http2`. http2-wrapper establishes the session and waits for the peer's SETTINGS. From then on
 * the plain Node session is ours.
 */
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, SecureClientSessionOptions } from 'node:http2'
import { isIPv6, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Agent, SecureClientSessionOptions as AgentOptions } from 'http2-wrapper'
import type { ErrorCode } from '../../wire/errors.ts'
import { reasonOf } from '../connect-failure.ts'
import { awaitedBy, dial, type Tickets } from '../dial.ts'
import type {
  Awaited,
  ClientSession,
  ClientSessionOwner,
  ClientTransport,
  DialAddress,
  HeaderBlock,
  Stream,
  StreamOwner,
} from '../transport.ts'
import { blockOfRaw, checkBlock, KEEPS_BLANKS, rawOfRequest, sendBlockBytes } from './header-block.ts'
import { inProcessStream } from './in-process.ts'
import { FLAG_END_STREAM, type NativeSession, NativeStream, refused, SESSION_WINDOW_BYTES } from './native-stream.ts'
import { nodeHttp2 } from './node-http2.ts'
import { forSession, loadAgents } from './session-agents.ts'

/** Bounds of an upstream session; see the configuration's `limits`. */
export interface NativeClientLimits {
  readonly maxHeaderListBytes: number
  readonly maxHeaderFields: number
  readonly streamWindowBytes: number
  readonly sessionWindowBytes?: number
}

const REQUEST_END = { endStream: true }
const REQUEST_OPEN = { endStream: false, waitForTrailers: true }
/** How long a destroyed session may take to write its GOAWAY. */
const DESTROY_LINGER_MS = 1_000
const EVERY_STREAM = 2 ** 31 - 1
const LAST_STREAM_ID = 2 ** 31 - 1

const push = Duplex.prototype.push

function onAborted(this: ClientHttp2Stream): void {
  ;(NativeStream.of(this) as NativeClientStream).aborted(this)
}

/** Node pushes an END_STREAM before it marks the stream closed, and a reset afterwards: see `judgeEnd`. */
function trackEnd(this: ClientHttp2Stream, chunk: unknown, encoding?: BufferEncoding): boolean {
  if (chunk === null && !this.closed) (NativeStream.of(this) as NativeClientStream).endPushed()
  return push.call(this, chunk, encoding)
}

function onResponse(
  this: ClientHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  raw: readonly string[],
): void {
  ;(NativeStream.of(this) as NativeClientStream).response(headers, (flags & FLAG_END_STREAM) !== 0, raw)
}

class NativeClientStream extends NativeStream {
  readonly #client: ClientHttp2Session
  /** END_STREAM was pushed before Node marked the stream closed, as a reset would. */
  #endPushed = false
  /** The part of a whole response that had come when a reset followed it. Node would drop it. */
  #saved: Buffer[] | undefined

  constructor(session: NativeClientSession, client: ClientHttp2Session, owner: StreamOwner) {
    super(session, owner)
    this.#client = client
  }

  sendHeaders(given: HeaderBlock, endStream: boolean, more?: HeaderBlock): void {
    const block = more === undefined ? given : [...given, ...more]
    checkBlock(block, this.session)
    let node: ClientHttp2Stream
    try {
      node = this.#client.request(rawOfRequest(block), endStream ? REQUEST_END : REQUEST_OPEN)
    } catch (error) {
      throw refused(error)
    }
    this.adopt(node)
    if (node.id === LAST_STREAM_ID) (this.session as NativeClientSession).lastNumberUsed()
    if (endStream) this.endsWithHeaders()
    node.push = trackEnd
    node.on('response', onResponse as never)
    node.on('aborted', onAborted)
  }

  endPushed(): void {
    this.#endPushed = true
  }

  response(headers: IncomingHttpHeaders, endStream: boolean, raw: readonly string[]): void {
    const block = blockOfRaw(raw, headers)
    if (this.refusesSize(block)) return
    if (endStream) this.endReceived = this.endToldWithHeaders = true
    this.owner.onHeaders(block, endStream)
    this.startReading()
  }

  /**
   * The backend reset the stream, and our side of it was open. If its own side had ended, the response is whole and
   * must be delivered, but at a code other than NO_ERROR Node destroys the stream with what was not read. What is saved
   * here is at most the stream's window.
   */
  aborted(node: ClientHttp2Stream): void {
    if (!this.#endPushed || this.givenUp || this.endReceived) return
    this.#saved = []
    for (let chunk = node.read(); chunk !== null; chunk = node.read()) {
      // A listener has got it by now. Before the headers were told there is no listener.
      if (node.listenerCount('data') === 0) this.#saved.push(chunk)
    }
  }

  protected override beforeClosed(): void {
    if (this.#saved === undefined || this.givenUp) return
    for (const chunk of this.#saved) this.data(chunk)
    this.tellEnd()
  }

  /** A RST_STREAM(NO_ERROR) ends the readable side too, but only once the stream is closed. */
  protected judgeEnd(): boolean {
    return this.#endPushed
  }
}

/** Connecting, then open, then draining or not, then closed. */
class NativeClientSession implements ClientSession, NativeSession {
  readonly #owner: ClientSessionOwner
  #node: ClientHttp2Session | undefined
  #socket: Duplex | undefined
  readonly #sessionWindowBytes: number
  #maxStreams = 0
  #draining = false
  /** Whether we drain it: it may end once it has no stream. */
  #retired = false
  #closed = false
  /** Runs from `destroy` until it is closed. */
  #lateTimer: NodeJS.Timeout | undefined
  /** Why we closed it, at once. */
  #destroyedFor: string | undefined
  #error: Error | undefined
  streams = 0
  answered = false
  /** PINGs that were answered: all that is known of a byte stream that does not count what it reads. */
  #pongs = 0
  readonly #onPong = (error: Error | null): void => {
    if (error === null) this.#pongs++
  }
  lastStreamId = EVERY_STREAM
  peerLeaves = false
  readonly maxHeaderListBytes: number
  peerMaxHeaderListBytes = Number.POSITIVE_INFINITY

  constructor(address: DialAddress, owner: ClientSessionOwner, limits: NativeClientLimits, tickets: Tickets) {
    this.#owner = owner
    this.maxHeaderListBytes = limits.maxHeaderListBytes
    this.#sessionWindowBytes = limits.sessionWindowBytes ?? SESSION_WINDOW_BYTES
    try {
      const options = this.#options(address, limits, tickets)
      if (isIPv6(address.tls?.serverName ?? '')) this.#connectAlone(options)
      else {
        forSession(
          agent => this.#connectBy(agent, address, options),
          error => this.#fail(error),
        )
      }
    } catch (error) {
      queueMicrotask(() => this.#fail(error as Error))
    }
  }

  #connectBy(agent: Agent, address: DialAddress, options: ConnectOptions): void {
    agent.on('session', (node: ClientHttp2Session) => this.#open(node))
    agent.getSession(originOf(address), options as AgentOptions).catch(error => {
      // When we have a session, what failed is the agent's attempt at a second one; see `#options`.
      if (this.#node === undefined) this.#fail(error)
    })
  }

  /** http2-wrapper cannot check a certificate against an IPv6 address, which it takes for host and port. */
  #connectAlone(options: ConnectOptions): void {
    const node = nodeHttp2().connect('https://endpoint', options as SecureClientSessionOptions)
    node.on('error', error => this.#node === undefined && this.#fail(error))
    node.once('close', () => this.#node === undefined && this.#fail(new Error('closed before SETTINGS')))
    node.once('remoteSettings', () => this.#open(node))
  }

  #options(address: DialAddress, limits: NativeClientLimits, tickets: Tickets) {
    return {
      settings: {
        enablePush: false,
        initialWindowSize: limits.streamWindowBytes,
        maxHeaderListSize: limits.maxHeaderListBytes,
      },
      maxHeaderListPairs: limits.maxHeaderFields,
      maxSendHeaderBlockLength: sendBlockBytes(limits),
      // Windows bound the memory; Node's own 10 MB would end sessions with many blocked streams.
      maxSessionMemory: 2 ** 20,
      maxSessionInvalidFrames: 2 ** 31 - 1,
      peerMaxConcurrentStreams: EVERY_STREAM,
      strictSingleValueFields: false,
      ...KEEPS_BLANKS,
      createConnection: () => {
        if (this.#closed) throw new Error('given up before it was dialled')
        // An agent whose session is full at once (MAX_CONCURRENT_STREAMS 0, say) dials another. The
        // pool decides how many sessions there are.
        if (this.#socket !== undefined) throw new Error('one session only')
        // Its own memory of TLS sessions goes by all options, and those change with the limits.
        this.#socket = dial(address, { tickets, inProcess: inProcessStream })
        this.#socket.once('error', error => {
          this.#error ??= error
          // After a handshake of TLS 1.3 the endpoint may still refuse the certificate, of which the agent does not tell.
          if (this.#node === undefined) this.#fail(error)
        })
        // Not within the event: Node's session, which listens too, must not find its socket destroyed.
        if (address.tls !== undefined) this.#socket.once('secureConnect', () => setImmediate(() => this.#secured()))
        return this.#socket
      },
    }
  }

  /** RFC 9113 §3.2; the agent would wait for SETTINGS. */
  #secured(): void {
    if (this.#closed || (this.#socket as TLSSocket).alpnProtocol === 'h2') return
    this.#fail(new Error('the endpoint did not negotiate "h2" by ALPN'))
  }

  get awaited(): Awaited {
    return awaitedBy(this.#socket)
  }

  /** The peer's SETTINGS have come. */
  #open(node: ClientHttp2Session): void {
    this.#node = node
    // The agent's own listener throws at names that no certificate can have.
    node.removeAllListeners('origin')
    // The agent counts the streams in a `request` of its own; we keep sessions elsewhere and need no count.
    delete (node as Partial<ClientHttp2Session>).request
    node.on('error', error => {
      this.#error ??= error
    })
    node.on('goaway', (code, lastStreamId, debug) => {
      this.lastStreamId = lastStreamId
      this.peerLeaves = true
      this.#draining = true
      this.#owner.onDraining(this, code as ErrorCode, debug === undefined ? '' : Buffer.from(debug).toString('latin1'))
    })
    node.once('close', () => this.#close())
    if (this.#closed) {
      node.destroy()
      return
    }
    node.setLocalWindowSize(this.#sessionWindowBytes)
    this.#learnLimits(node)
    node.on('remoteSettings', () => {
      this.#learnLimits(node)
      this.#owner.onFree(this)
    })
    // This waits until the agent is done with the event, because streams opened inside it make the agent dial again.
    queueMicrotask(() => {
      if (!this.#closed) this.#owner.onReady(this)
    })
  }

  #learnLimits(node: ClientHttp2Session): void {
    const { maxConcurrentStreams = EVERY_STREAM, maxHeaderListSize } = node.remoteSettings
    this.#maxStreams = maxConcurrentStreams
    this.peerMaxHeaderListBytes = maxHeaderListSize ?? Number.POSITIVE_INFINITY
  }

  #fail(error: Error): void {
    this.#error ??= error
    this.#socket?.destroy()
    this.#close()
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#draining = true
    clearTimeout(this.#lateTimer)
    // Streams get their `'close'` in this turn too, some of them after this event.
    setImmediate(() => this.#owner.onSessionClosed(this, this.lostReason))
  }

  get lost(): boolean {
    return this.#closed || this.#node!.destroyed
  }

  get lostBy(): 'peer' | 'self' {
    return this.#destroyedFor === undefined ? 'peer' : 'self'
  }

  get lostReason(): string {
    return this.#destroyedFor ?? (this.#error ? reasonOf(this.#error) : 'the endpoint closed the connection')
  }

  get free(): number {
    const node = this.#node
    if (this.#draining || node === undefined || node.closed || node.destroyed) return 0
    return this.#maxStreams - this.streams
  }

  open(owner: StreamOwner): Stream {
    this.streams++
    return new NativeClientStream(this, this.#node!, owner)
  }

  streamClosed(): void {
    this.streams--
    if (this.#draining) this.#closeRetired()
    else this.#owner.onFree(this)
  }

  /** A request after this one would end with ERR_HTTP2_OUT_OF_STREAMS; in Node before 26, and all others with it. */
  lastNumberUsed(): void {
    this.#draining = true
    queueMicrotask(() => !this.#closed && this.#owner.onSpent(this))
  }

  /**
   * The session ends with its last stream. Node's `close` sends GOAWAY at once. A client does not have to send one, and
   * python-h2 takes it for the end of the connection: grpclib cancels all calls.
   */
  retire(): void {
    this.#draining = true
    this.#retired = true
    this.#closeRetired()
  }

  #closeRetired(): void {
    if (this.#retired && this.streams === 0 && this.#node?.destroyed === false) this.#node.close()
  }

  get received(): number {
    return this.#pongs + ((this.#socket as Partial<Socket> | undefined)?.bytesRead ?? 0)
  }

  ping(): void {
    if (this.#node?.destroyed === false) this.#node.ping(this.#onPong)
  }

  destroy(reason = 'closed by the proxy'): void {
    if (this.#node === undefined) return this.#fail(new Error('gave up connecting'))
    if (this.#closed || this.#lateTimer !== undefined) return
    if (!this.#node.destroyed) this.#destroyedFor = reason
    this.#node.destroy()
    // Node waits for what is still to be written, which a peer that reads nothing never takes. Whoever waits for the
    // end of this session hears of it after that time, even if Node's own `'close'` does not come.
    this.#lateTimer = setTimeout(() => {
      this.#socket?.destroy()
      this.#close()
    }, DESTROY_LINGER_MS)
  }
}

type ConnectOptions = object

/**
 * http2-wrapper takes `https:` origins only and checks the certificate against the host in it, so
 * that must be the server name. Without TLS the origin is only a label.
 */
function originOf(address: DialAddress): URL {
  if (address.tls === undefined) return new URL('https://endpoint')
  const port = address.tcp === undefined ? '' : `:${address.tcp.port}`
  return new URL(`https://${address.tls.serverName}${port}`)
}

/**
 * @param tickets of TLS sessions to endpoints
 * @returns a transport whose `:scheme` is the relay's business: it sends blocks as they are.
 */
export function nativeClientTransport(limits: NativeClientLimits, tickets: Tickets = new WeakMap()): ClientTransport {
  loadAgents()
  return {
    name: 'native',
    connect: (address, owner) => new NativeClientSession(address, owner, limits, tickets),
  }
}
