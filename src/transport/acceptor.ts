/**
 * Decides what becomes of accepted sockets, plain or TLS, whoever accepted them. It lets only those through that begin
 * with HTTP/2's preface, and counts the sessions made of them. It is the same for every transport.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { NO_BYTES } from '../wire/no-bytes.ts'
import type { Clock } from './clock.ts'
import type { Http1Transport } from './http1/server.ts'
import { Lifetime, type LifetimeLimits } from './lifetime.ts'
import { addressOf, type Wrapped } from './peer.ts'
import { Place, type PlaceLimits, Places, type Refused } from './places.ts'
import { HTTP1_ANSWER, judgeFirstBytes } from './preface.ts'
import type { ServerSession, ServerSessionOwner, ServerTransport } from './transport.ts'

/** A connection that did not become a session, and why; for logs and counters. */
export type Refusal = 'http1' | 'not-http2' | 'silent' | 'no-alpn' | 'tls' | 'proxy-header' | Refused['refusal']

export interface AcceptorOwner extends ServerSessionOwner {
  onRefused(refusal: Refusal, peer: string, detail: string): void
}

export interface AcceptorOptions extends PlaceLimits, LifetimeLimits {
  /** A client that has not sent its preface by then loses its connection. */
  readonly prefaceTimeoutMs: number
  /**
   * After a silence of this length TCP asks whether the client is still there, as it may vanish without a FIN. 0:
   * never.
   */
  readonly tcpKeepaliveMs: number
  /** Takes connections of HTTP/1.1. Undefined: they are refused. */
  readonly http1?: Http1Transport | undefined
}

/** A session, as whoever looks at it sees it. */
export interface AcceptedSession {
  readonly session: ServerSession
  /** When its connection came through the preface. */
  readonly sinceMs: number
}

/** A session that was made of a connection. */
class Accepted implements AcceptedSession {
  readonly session: ServerSession
  readonly sinceMs: number
  /** The timer that waits for its SETTINGS; once they came what bounds its life, if anything does. */
  watch: NodeJS.Timeout | Lifetime | undefined

  constructor(session: ServerSession, sinceMs: number, watch: NodeJS.Timeout | Lifetime | undefined) {
    this.session = session
    this.sinceMs = sinceMs
    this.watch = watch
  }
}

/** How long a closed acceptor waits for a client to close its side of the connection. */
const LINGER_MS = 1_000
/** How long one that drains waits for the preface of a connection that it has accepted. */
const LAST_PREFACE_MS = 1_000

export class Acceptor implements ServerSessionOwner {
  #options: AcceptorOptions
  #transport: ServerTransport
  readonly #owner: AcceptorOwner
  readonly #places: Places
  readonly #clock: Clock
  readonly #random: () => number
  /** Every accepted connection, so that `close` leaves none behind. */
  readonly #sockets = new Set<Socket>()
  /** In the order in which they came. */
  readonly #sessions = new Map<ServerSession, Accepted>()
  #draining = false
  /** Those who wait for the last connection to go. */
  #whenEmpty: (() => void)[] = []

  /** @param random a number from 0 up to 1 */
  constructor(
    options: AcceptorOptions,
    transport: ServerTransport,
    owner: AcceptorOwner,
    clock: Clock,
    random: () => number = Math.random,
  ) {
    this.#options = options
    this.#clock = clock
    this.#random = random
    this.#places = new Places(options, clock)
    this.#transport = transport
    this.#owner = owner
  }

  /** For connections that come from now on. */
  update(options: AcceptorOptions, transport: ServerTransport): void {
    this.#options = options
    this.#transport = transport
    this.#places.update(options)
  }

  get sessions(): number {
    return this.#sessions.size
  }

  get connections(): number {
    return this.#sockets.size
  }

  /** The oldest first. */
  get accepted(): Iterable<AcceptedSession> {
    return this.#sessions.values()
  }

  /**
   * A connection that is there, before its TLS handshake if it has one: it is counted, and `close` closes it.
   * @param isNamed it is known whose it is; else `named` has to follow
   * @returns false when there was no place for it; then it is closed
   */
  track(socket: Socket, isNamed = true): boolean {
    const place = this.#places.take(socket, isNamed)
    socket.on('error', () => {
      // `'close'` follows; a session that was made of the socket reports the error itself.
    })
    if (!(place instanceof Place)) return this.#noPlace(socket, place)
    socket.setNoDelay(true)
    const { tcpKeepaliveMs } = this.#options
    // Node rounds it down to whole seconds, and takes 0 for the system's two hours.
    if (tcpKeepaliveMs > 0) socket.setKeepAlive(true, Math.max(1_000, tcpKeepaliveMs))
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#places.free(place)
      if (this.#sockets.size === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve()
    })
    return true
  }

  /** It is known now whose connection it is. @returns false when there is no place for one more of theirs; it is closed */
  named(socket: Socket): boolean {
    const place = this.#places.of(socket)
    const refused = place && this.#places.assign(place)
    return refused === undefined ? place !== undefined : this.#noPlace(socket, refused)
  }

  #noPlace(socket: Socket, { refusal, detail }: Refused): false {
    this.#owner.onRefused(refusal, addressOf(socket), detail)
    socket.destroy()
    return false
  }

  /** Whether the connection has a place and was not told to leave. */
  serves(socket: Socket): boolean {
    return this.#placeOf(socket) !== undefined
  }

  #placeOf(socket: Socket): Place | undefined {
    return this.#places.of(socket) ?? this.#places.of((socket as Wrapped)._parent ?? socket)
  }

  /** A connection that is ready to be read: a `'connection'` of net, a `'secureConnection'` of TLS. */
  accept(socket: Socket): void {
    const secure = socket as TLSSocket
    secure.on('error', () => {
      // The same as in `track`, for the TLS layer.
    })
    const timer = setTimeout(
      () => this.#refuse(socket, 'silent', 'no HTTP/2 preface in time'),
      this.#options.prefaceTimeoutMs,
    )
    let head: Buffer = NO_BYTES
    const onReadable = () => {
      const bytes = socket.read() as Buffer | null
      if (bytes === null) return
      head = head.length === 0 ? bytes : Buffer.concat([head, bytes])
      const verdict = judgeFirstBytes(head)
      if (verdict === 'more') return
      socket.removeListener('readable', onReadable)
      socket.unshift(head)
      if (verdict === 'http2' && (secure.encrypted !== true || secure.alpnProtocol === 'h2'))
        return this.#open(socket, timer)
      clearTimeout(timer)
      const { http1 } = this.#options
      if (verdict === 'http1' && http1 !== undefined && secure.alpnProtocol !== 'h2') this.#openHttp1(socket, http1)
      else if (verdict === 'http1') this.#refuse(socket, 'http1', 'the client speaks HTTP/1', HTTP1_ANSWER)
      // RFC 9113 §3.2: HTTP/2 over TLS uses the "h2" protocol identifier, by ALPN.
      else if (verdict === 'http2') this.#refuse(socket, 'no-alpn', 'the client did not negotiate "h2" by ALPN')
      else this.#refuse(socket, 'not-http2', 'the first bytes are not HTTP/2')
    }
    socket.on('readable', onReadable)
    socket.once('close', () => clearTimeout(timer))
  }

  #open(socket: Socket, settingsTimer: NodeJS.Timeout): void {
    this.#opened(socket, this.#transport.accept(socket, this), settingsTimer)
  }

  /** It is ready at once. Without PING, TCP alone can notice that a client is not there any more. */
  #openHttp1(socket: Socket, http1: Http1Transport): void {
    const session = http1.accept(socket, this)
    const limits = { ...this.#options, clientKeepalive: undefined }
    this.#opened(socket, session, Lifetime.of(session, limits, this.#clock, this.#random))
  }

  #opened(socket: Socket, session: ServerSession, watch: Accepted['watch']): void {
    this.#sessions.set(session, new Accepted(session, this.#clock.now(), watch))
    const place = this.#placeOf(socket)
    if (place !== undefined) place.session = session
    if (this.#draining) session.drain()
  }

  #refuse(socket: Socket, refusal: Refusal, detail: string, answer?: string): void {
    this.#owner.onRefused(refusal, addressOf(socket), detail)
    if (answer === undefined) {
      socket.destroy()
      return
    }
    socket.resume()
    socket.end(answer)
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  }

  onStream(...args: Parameters<ServerSessionOwner['onStream']>): ReturnType<ServerSessionOwner['onStream']> {
    return this.#owner.onStream(...args)
  }

  onSessionReady(session: ServerSession): void {
    const accepted = this.#sessions.get(session)
    if (accepted !== undefined) {
      clearTimeout(accepted.watch as NodeJS.Timeout | undefined)
      accepted.watch = Lifetime.of(session, this.#options, this.#clock, this.#random)
    }
    this.#owner.onSessionReady(session)
  }

  onSessionClosed(session: ServerSession, reason: string): void {
    const watch = this.#sessions.get(session)?.watch
    if (watch instanceof Lifetime) watch.end()
    this.#sessions.delete(session)
    this.#owner.onSessionClosed(session, reason)
  }

  /** Tells the clients; they finish what they have. A connection that says nothing within a moment is closed. */
  drain(): void {
    this.#draining = true
    for (const session of this.#sessions.keys()) session.drain()
    const timer = setTimeout(() => setImmediate(this.#closeSilent), LAST_PREFACE_MS)
    void this.empty().then(() => clearTimeout(timer))
  }

  /** What has come by now was read before. */
  readonly #closeSilent = (): void => {
    for (const socket of this.#sockets) if (this.#placeOf(socket)?.session === undefined) socket.destroy()
  }

  /** Resolves when no connection is left. */
  empty(): Promise<void> {
    if (this.#sockets.size === 0) return Promise.resolve()
    return new Promise(resolve => this.#whenEmpty.push(resolve))
  }

  /** Resolves when no connection is left: connections that have not ended after a moment are closed. */
  async close(): Promise<void> {
    this.#draining = true
    for (const session of this.#sessions.keys()) session.destroy()
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy()
    }, LINGER_MS)
    await this.empty()
    clearTimeout(timer)
  }
}
