/**
 * The seam between the proxy and whatever carries HTTP/2: the interfaces that a transport
 * implements, and nothing else. The relay, the backends and the listeners know only these.
 *
 * Ownership in one sentence: a *session* makes *streams*; each stream has one *owner*, which is
 * told what arrives in wire order and is told `onClosed` last and exactly once.
 */
import type { ErrorCode } from '../wire/errors.ts'
import type { HeaderFieldLike } from '../wire/hpack/header-field.ts'
import type { SendBlock, StreamEnd } from '../wire/stream.ts'
import type { MemoryHolder } from './call-memory.ts'
import type { ProxyVersion } from './proxy-protocol.ts'
import type { TlsRules } from './tls-rules.ts'

export type { HeaderFieldLike as HeaderField } from '../wire/hpack/header-field.ts'
export type { SendBlock, StreamEnd } from '../wire/stream.ts'

/** A header block in wire order: duplicates, order and never-indexed marks survive. Immutable. */
export type HeaderBlock = readonly HeaderFieldLike[]

/**
 * The downstream or the upstream half of a call, as its owner drives it.
 *
 * Nothing here throws for what a peer did: a stream that is already over ignores every call.
 * `sendHeaders` and `sendTrailers` throw `HeadersRefused` when the block itself cannot be sent.
 */
export interface Stream {
  /**
   * First block of our direction; `endStream` makes it the only one (Trailers-Only, or a request without a body).
   * @param more of a request: fields behind those of the block that differ from call to call. A block that is one of before
   * stays one, so that it need not be encoded again. They must be what HTTP/2 can carry
   */
  sendHeaders(block: HeaderBlock, endStream: boolean, more?: HeaderBlock): void
  /**
   * Sends `bytes[start..end)`; an empty range with `endStream` is an empty DATA frame with END_STREAM.
   * What the stream cannot send at once it takes with `keep`: only a buffer marked `LENT` may be
   * overwritten after the call.
   * @returns false when the owner should stop until `onWritable`; the bytes were taken all the same.
   */
  sendData(bytes: Buffer, start: number, end: number, endStream: boolean): boolean
  /** Bytes that were given and have not been sent. */
  readonly queuedBytes: number
  /** Why they were not; undefined where there are none, or the transport does not know. */
  readonly heldBackBy?: SendBlock | undefined
  /** Last block of our direction, with END_STREAM, after all data that was given before. */
  sendTrailers(block: HeaderBlock): void
  /**
   * RST_STREAM at once, before anything that is queued; NO_ERROR as `resetWhenSent` does (RFC 9113 §8.1). `onClosed`
   * follows, in a later turn.
   */
  reset(code: ErrorCode): void
  /**
   * False where its client learns nothing from the code of a reset, as HTTP/1.1 has none: an answer says more.
   * Default: true.
   */
  readonly knowsResets?: boolean | undefined
  /** RST_STREAM once all that was given has gone, with END_STREAM; at once where no END_STREAM was given. */
  resetWhenSent(code: ErrorCode): void
  /**
   * These received bytes were forwarded (or dropped): give the sender that much window back.
   * It is called after the end too, because received bytes may still have to be forwarded. For a stream that did not
   * end cleanly the transport gives back to the session what is not released, except its owner's `waitingBytes`.
   */
  release(bytes: number): void
  /**
   * The owner wants nothing more of it, so its sender gets no more window. What arrives is still told, and must be
   * released.
   */
  mute(): void
}

/** What a stream tells its owner. Each arrives in wire order; `onClosed` comes last and once. */
export interface StreamOwner {
  onHeaders(block: HeaderBlock, endStream: boolean): void
  /** `bytes[start..end)` is valid only during the call: take what must outlive it with `keep`. */
  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void
  /** The last block; END_STREAM is implied. */
  onTrailers(block: HeaderBlock): void
  /**
   * Comes instead of either: the header list exceeds our limits, and `block` is a part of it. The owner must fail the
   * call.
   */
  onOversized?(block: HeaderBlock, endStream: boolean): void
  /** `sendData` had returned false; there is room again. */
  onWritable(): void
  /**
   * Bytes that came and were not released delay others for too long: the owner must give up the call. Also after the
   * end.
   */
  onOverdue?(): void
  /** How many of the bytes that came and were not released wait for their consumer. Default: all. */
  readonly waitingBytes?: number
  /** Who consumes what came. Where others wait for that, the streams of one consumer are judged together. */
  readonly consumer?: object
  onClosed(end: StreamEnd): void
}

/** The block contains something that this transport cannot send (a size, a name, a value). */
export class HeadersRefused extends Error {
  override readonly name = 'HeadersRefused'
  /** Whether only the size is the reason. */
  readonly tooLarge: boolean

  constructor(reason: string, tooLarge = false, options?: ErrorOptions) {
    super(reason, options)
    this.tooLarge = tooLarge
  }
}

/** Who is at the other end of a downstream session. */
export interface Peer {
  /** `203.0.113.7:54321`, `[2001:db8::1]:443`, or `unix` where the socket has no address. */
  readonly address: string
  readonly encrypted: boolean
  /** The address of the listener that it came to, as configured; absent where somebody else accepted the connection. */
  readonly listener?: string
  /** The names of the certificate that it was shown (subjectAltName), where it sent one itself. */
  readonly shownAltName?: string
  /** Set when the client sent a certificate. `authorized`: it was verified against the listener's `clientCa`. */
  readonly certificate?: {
    readonly subject: string
    readonly subjectAltName: string
    readonly fingerprint256: string
    readonly authorized: boolean
  }
}

/** What sessions of both sides have for whoever watches whether the peer is there. */
export interface Audible {
  /** Streams open now. */
  readonly streams: number
  /** It grows with whatever comes. By comparing two answers one knows whether the peer said anything meanwhile. */
  readonly received: number
  /** Asks the peer for a sign of life (PING, RFC 9113 §6.7). What it answers counts in `received`. */
  ping(): void
}

/** A connection from a client. */
export interface ServerSession extends MemoryHolder, Audible {
  readonly peer: Peer
  /** How many streams there ever were. By comparing two answers one knows whether the session was in use meanwhile. */
  readonly opened: number
  /** HTTP/1.1: one stream at a time, and no trailers. */
  readonly http1?: true
  /** Whatever the owner of the session keeps with it; a transport never looks at it. */
  kept?: unknown
  /**
   * GOAWAY with last-stream-id 2^31−1, one round trip, GOAWAY with the real id (RFC 9113 §6.8);
   * the session ends when its last stream has.
   * @param debug says why, in GOAWAY
   */
  drain(debug?: string): void
  /** GOAWAY, and the end of the session and its connection, now. @param reason for `onSessionClosed` */
  destroy(reason?: string): void
}

/** What a downstream session tells the proxy. */
export interface ServerSessionOwner {
  /** A client opened a stream. The owner returned is told its headers next, in the same turn. */
  onStream(stream: Stream, session: ServerSession): StreamOwner
  /** The client's first SETTINGS arrived: its preface is complete (RFC 9113 §3.4). */
  onSessionReady(session: ServerSession): void
  onSessionClosed(session: ServerSession, reason: string): void
}

/** What has to come, one after the other, before a session is ready. */
export type Awaited = 'connection' | 'TLS handshake' | 'HTTP/2 SETTINGS'

/** A connection to an endpoint. */
export interface ClientSession extends Audible {
  /** Streams that may be opened now: the peer's MAX_CONCURRENT_STREAMS less what is open; 0 unless ready. */
  readonly free: number
  /**
   * Whether a backend answered a call on it. The code that opens streams sets it, and the pool uses it to judge the
   * session.
   */
  answered: boolean
  /** Before it is ready: what has not come yet. */
  readonly awaited?: Awaited
  /** Only while `free > 0`. The owner hears nothing before this returns. */
  open(owner: StreamOwner): Stream
  /** No new streams; the session ends when its last stream has. */
  retire(): void
  /** Ends the session and its connection now, or gives up connecting. @param reason for `onSessionClosed` and its streams */
  destroy(reason?: string): void
}

/** What an upstream session tells its pool. */
export interface ClientSessionOwner {
  /** Connected, and the peer's first SETTINGS arrived: `free` counts from now on. */
  onReady(session: ClientSession): void
  /** `free` may have grown: a stream ended, or SETTINGS raised the limit. */
  onFree(session: ClientSession): void
  /** GOAWAY arrived: no new streams here; the open ones run on. */
  onDraining(session: ClientSession, code: ErrorCode, debug: string): void
  /**
   * The session has no more stream numbers (RFC 9113 §5.1.1), so no new streams here; the open ones run on. It does not
   * come from within `open`.
   */
  onSpent(session: ClientSession): void
  /**
   * Last and once; also the answer to a failed connect. All streams have had their `onClosed` before it or in the same
   * turn.
   */
  onSessionClosed(session: ClientSession, reason: string): void
}

/** One side of a transport: makes a downstream session of an accepted connection. */
export interface ServerTransport {
  readonly name: TransportName
  accept(socket: import('node:net').Socket, owner: ServerSessionOwner): ServerSession
}

/** The other side: makes upstream sessions. */
export interface ClientTransport {
  readonly name: TransportName
  connect(address: DialAddress, owner: ClientSessionOwner): ClientSession
}

export type TransportName = 'native' | 'frames'

/** How an endpoint is dialled that speaks TLS. */
export interface DialTls extends TlsRules {
  /** SNI, and the name the certificate must have. */
  readonly serverName: string
  readonly ca?: string | Buffer
  readonly crl?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
}

/** Where and how to dial: one endpoint, resolved from configuration. */
export interface DialAddress {
  /**
   * For logs and records: `http://10.0.0.1:50051`, `https://api:443`, `unix:/run/x.sock`, or the name given to a
   * `connect` endpoint.
   */
  readonly name: string
  /** TCP address; the host name is resolved anew at each connect. */
  readonly tcp?: { readonly host: string; readonly port: number }
  /** Path of a unix socket. */
  readonly unix?: string
  /** Makes the byte stream itself: a server in the same process, a tunnel. */
  readonly connect?: () => import('node:stream').Duplex
  readonly tls?: DialTls
  /** The connection begins with a header of the PROXY protocol, of this version. */
  readonly proxyHeader?: ProxyVersion
}
