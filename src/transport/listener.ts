/**
 * A listening socket: accepts connections, plain or TLS, lets only those through that begin with
 * HTTP/2's preface, and keeps count of the sessions made of them. The same for every transport.
 */
import net, { type AddressInfo, type Socket } from 'node:net'
import tls, { type TLSSocket } from 'node:tls'
import { addressOf, formatAddress } from './peer.ts'
import { HTTP1_ANSWER, judgeFirstBytes } from './preface.ts'
import type { ServerSession, ServerSessionOwner, ServerTransport } from './transport.ts'

export interface ListenTls {
  readonly cert: string | Buffer
  readonly key: string | Buffer
  /** Clients are asked for a certificate of this authority. */
  readonly clientCa?: string | Buffer
  /** Clients without a valid certificate are refused in the handshake. */
  readonly requireClientCertificate?: boolean
}

export interface ListenAddress {
  readonly host?: string
  /** 0 takes a free one. */
  readonly port?: number
  /** A unix socket instead of host and port. */
  readonly path?: string
}

export interface ListenerOptions extends ListenAddress {
  readonly tls?: ListenTls
  /** A client that has not sent its preface (and TLS handshake) by then is closed. */
  readonly prefaceTimeoutMs: number
  /** Connections beyond are closed at once: each costs memory before it has said anything. */
  readonly maxClientSessions: number
}

/** A connection that did not become a session, and why; for logs and counters. */
export type Refusal = 'http1' | 'not-http2' | 'silent' | 'no-alpn' | 'tls' | 'too-many'

export interface ListenerOwner extends ServerSessionOwner {
  onRefused(refusal: Refusal, peer: string, detail: string): void
}

/** How long a closed listener waits for a client to close its side of the connection. */
const LINGER_MS = 1_000
const NOTHING = Buffer.alloc(0)

export class Listener implements ServerSessionOwner {
  readonly #server: net.Server
  readonly #options: ListenerOptions
  readonly #transport: ServerTransport
  readonly #owner: ListenerOwner
  /** Every accepted connection, so that `close` leaves none behind. */
  readonly #sockets = new Set<Socket>()
  /** With the timer that waits for a session's SETTINGS; undefined once they came. */
  readonly #sessions = new Map<ServerSession, NodeJS.Timeout | undefined>()
  #draining = false
  #onIdle: (() => void) | undefined
  #abortListen: (() => void) | undefined

  constructor(options: ListenerOptions, transport: ServerTransport, owner: ListenerOwner) {
    this.#options = options
    this.#transport = transport
    this.#owner = owner
    this.#server = options.tls === undefined ? net.createServer({ noDelay: true }) : this.#secureServer(options.tls)
    this.#server.maxConnections = options.maxClientSessions
    this.#server.on('drop', dropped => {
      owner.onRefused(
        'too-many',
        dropped?.remoteAddress ?? 'unix',
        `more than ${options.maxClientSessions} connections`,
      )
    })
    this.#server.on(options.tls === undefined ? 'connection' : 'secureConnection', socket => this.#accept(socket))
    this.#server.on('connection', socket => this.#track(socket))
  }

  #secureServer({ cert, key, clientCa, requireClientCertificate }: ListenTls): net.Server {
    const server = tls.createServer({
      cert,
      key,
      ca: clientCa,
      requestCert: clientCa !== undefined,
      rejectUnauthorized: clientCa !== undefined && requireClientCertificate !== false,
      ALPNProtocols: ['h2'],
      handshakeTimeout: this.#options.prefaceTimeoutMs,
      noDelay: true,
    })
    server.on('tlsClientError', (error, socket) => {
      this.#owner.onRefused('tls', addressOf(socket), error.message)
      socket.destroy()
    })
    return server
  }

  /** @throws the system's error (`EADDRINUSE`, `EACCES`, …) when the address cannot be had; Error when closed meanwhile */
  listen(): Promise<{ address: string; port: number }> {
    const { host, port, path } = this.#options
    return new Promise((resolve, reject) => {
      this.#abortListen = () => reject(new Error('closed before it listened'))
      this.#server.once('error', reject)
      this.#server.listen(path === undefined ? { host: host ?? '127.0.0.1', port: port ?? 0 } : { path }, () => {
        this.#server.removeListener('error', reject)
        // Told to stop while the host name was looked up.
        if (this.#draining) this.#server.close()
        // Errors of accept (EMFILE) come later and pass by themselves.
        this.#server.on('error', error => this.#owner.onRefused('too-many', 'accept', error.message))
        const bound = this.#server.address() as AddressInfo | string
        if (typeof bound === 'string') resolve({ address: `unix:${bound}`, port: 0 })
        else resolve({ address: formatAddress(bound.address, bound.port), port: bound.port })
      })
    })
  }

  get sessions(): number {
    return this.#sessions.size
  }

  get connections(): number {
    return this.#sockets.size
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {
      // `'close'` follows; a session that was made of the socket reports the error itself.
    })
    socket.once('close', () => {
      this.#sockets.delete(socket)
      if (this.#sockets.size === 0) this.#onIdle?.()
    })
  }

  #accept(socket: Socket): void {
    const secure = socket as TLSSocket
    secure.on('error', () => {
      // As in `#track`, for the TLS layer.
    })
    const timer = setTimeout(
      () => this.#refuse(socket, 'silent', 'no HTTP/2 preface in time'),
      this.#options.prefaceTimeoutMs,
    )
    let head: Buffer = NOTHING
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
      if (verdict === 'http1') this.#refuse(socket, 'http1', 'the client speaks HTTP/1', HTTP1_ANSWER)
      // RFC 9113 §3.2: HTTP/2 over TLS uses the "h2" protocol identifier, by ALPN.
      else if (verdict === 'http2') this.#refuse(socket, 'no-alpn', 'the client did not negotiate "h2" by ALPN')
      else this.#refuse(socket, 'not-http2', 'the first bytes are not HTTP/2')
    }
    socket.on('readable', onReadable)
    socket.once('close', () => clearTimeout(timer))
  }

  #open(socket: Socket, settingsTimer: NodeJS.Timeout): void {
    const session = this.#transport.accept(socket, this)
    this.#sessions.set(session, settingsTimer)
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
    clearTimeout(this.#sessions.get(session))
    this.#sessions.set(session, undefined)
    this.#owner.onSessionReady(session)
  }

  onSessionClosed(session: ServerSession, reason: string): void {
    this.#sessions.delete(session)
    this.#owner.onSessionClosed(session, reason)
  }

  #stop(): void {
    this.#draining = true
    this.#server.close()
    this.#abortListen?.()
  }

  /** Accepts no more and tells the clients; they finish what they have. */
  drain(): void {
    this.#stop()
    for (const session of this.#sessions.keys()) session.drain()
  }

  /** Resolves when no connection is left: what has not gone by itself after a moment is closed. */
  async close(): Promise<void> {
    this.#stop()
    for (const session of this.#sessions.keys()) session.destroy()
    if (this.#sockets.size === 0) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(() => {
        for (const socket of this.#sockets) socket.destroy()
      }, LINGER_MS)
      this.#onIdle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
