/** A listening socket, plain or TLS: what it accepts goes to its `Acceptor`. It is the same for every transport. */
import net from 'node:net'
import type { TLSSocket, Server as TlsServer } from 'node:tls'
import { type AcceptedSession, Acceptor, type AcceptorOptions, type AcceptorOwner } from './acceptor.ts'
import { AlpnChallenges } from './alpn-challenges.ts'
import type { Clock } from './clock.ts'
import { ListenerSecurity, type ListenTls } from './listen-tls.ts'
import { type BoundAddress, type ListenAddress, ListeningSocket } from './listening-socket.ts'
import { nodeTls } from './node-tls.ts'
import { type Accepted, addressOf, type Wrapped } from './peer.ts'
import { Forwarders, type ProxyProtocolRules, readProxyHeader } from './proxied-socket.ts'
import type { TicketKeys } from './ticket-keys.ts'
import { tlsRefusal } from './tls-refusal.ts'
import { HTTP2_TLS } from './tls-rules.ts'
import type { ServerTransport } from './transport.ts'

/** RFC 7301 §3.2: the server's order decides. */
const WITH_HTTP1 = [...HTTP2_TLS.ALPNProtocols, 'http/1.1']

/** `prefaceTimeoutMs` is for the TLS handshake too. */
export interface ListenerOptions extends ListenAddress, AcceptorOptions {
  readonly tls?: ListenTls
  /** Connections begin with a header that says whose they are. */
  readonly proxyProtocol?: ProxyProtocolRules | undefined
  /** What peers are told to have come to. */
  readonly name?: string
}

/** What of it may change while it listens. */
export type ListenerUpdate = AcceptorOptions & Pick<ListenerOptions, 'tls' | 'proxyProtocol'>

export class Listener {
  /** What listens. */
  readonly #server: net.Server
  /** Ends TLS: the same, or one that is given connections once their headers were read. */
  readonly #tls: TlsServer | undefined
  readonly #socket: ListeningSocket
  readonly #options: ListenerOptions
  readonly #owner: AcceptorOwner
  readonly #clock: Clock
  readonly #acceptor: Acceptor
  readonly #security: ListenerSecurity | undefined
  #forwarders: Forwarders | undefined
  /** By the connection under TLS: where a certificate is refused, Node tells it once the connection is gone. */
  readonly #clients = new WeakMap<net.Socket, string>()

  /** @param tickets of TLS sessions, shared with other listeners. @param challenges the same, of authorities */
  constructor(
    options: ListenerOptions,
    transport: ServerTransport,
    owner: AcceptorOwner,
    clock: Clock,
    tickets: TicketKeys,
    challenges = new AlpnChallenges(),
  ) {
    this.#options = options
    this.#owner = owner
    this.#clock = clock
    this.#acceptor = new Acceptor(options, transport, owner, clock)
    this.#security = options.tls && new ListenerSecurity(options.tls, tickets, challenges)
    this.#tls = this.#security && this.#secureServer(this.#security)
    this.#forwarders = options.proxyProtocol && new Forwarders(options.proxyProtocol)
    if (this.#forwarders === undefined) {
      this.#server = this.#tls ?? net.createServer()
      this.#server.on('connection', (socket: net.Socket) => {
        if (this.#acceptor.track(socket)) this.#begin(socket)
      })
    } else {
      this.#server = net.createServer()
      this.#server.on('connection', (socket: net.Socket) => this.#readHeader(socket))
    }
    // Errors of accept (EMFILE) are temporary.
    const onAcceptError = (error: Error) => owner.onRefused('too-many', 'accept', error.message)
    this.#socket = new ListeningSocket(this.#server, options, onAcceptError)
  }

  /** On a TLS server of its own the handshake has begun. */
  #begin(socket: net.Socket): void {
    if (this.#tls === undefined) this.#accept(socket)
    else this.#clients.set(socket, addressOf(socket))
  }

  #readHeader(socket: net.Socket): void {
    const refuse = (detail: string) => {
      this.#owner.onRefused('proxy-header', addressOf(socket), detail)
      socket.destroy()
    }
    if (!this.#forwarders!.has(socket)) {
      socket.on('error', () => {}) // It is closed.
      return refuse('proxyProtocol.from does not have the address')
    }
    if (!this.#acceptor.track(socket, false)) return
    const onRead = () => {
      if (!this.#acceptor.named(socket)) return
      this.#begin(socket)
      this.#tls?.emit('connection', socket)
    }
    const timeoutMs = this.#options.prefaceTimeoutMs
    readProxyHeader({ socket, clock: this.#clock, timeoutMs, onRead, onWrong: refuse })
  }

  #secureServer(security: ListenerSecurity): TlsServer {
    const server = nodeTls().createServer({
      ...security.server(this.#options.http1 === undefined ? HTTP2_TLS.ALPNProtocols : WITH_HTTP1),
      handshakeTimeout: this.#options.prefaceTimeoutMs,
    })
    server.on('secureConnection', socket => this.#secured(socket))
    server.on('tlsClientError', (error, socket) => {
      this.#refuse(socket, security.whyUnknown(error, socket) ?? tlsRefusal(error, socket))
    })
    return server
  }

  #secured(socket: TLSSocket): void {
    if (AlpnChallenges.isOver(socket)) return socket.destroySoon()
    const stale = this.#security?.staleCertificate(socket)
    if (stale === undefined) this.#accept(socket)
    else this.#refuse(socket, stale)
  }

  #accept(socket: Accepted): void {
    socket.cameTo = this.#options.name
    this.#acceptor.accept(socket)
  }

  #refuse(socket: TLSSocket, detail: string): void {
    const client = this.#clients.get((socket as Wrapped)._parent ?? socket)
    // Of a connection that had no place, or lost it, an error says only that it is gone.
    const isTold = this.#acceptor.serves(socket) || typeof socket.authorizationError === 'string'
    if (isTold && client !== undefined) this.#owner.onRefused('tls', client, detail)
    socket.destroy()
  }

  /** @throws like `ListeningSocket.listen` */
  listen(): Promise<BoundAddress> {
    return this.#socket.listen()
  }

  /** A connection that another process has accepted for it. Nothing was read from it. */
  take(socket: net.Socket): void {
    this.#server.emit('connection', socket)
  }

  /**
   * For connections that come from now on. TLS has other certificates then, tried before
   * (`checkSecureContext`); whether there is TLS, whether clients are asked for a certificate, and whether there are headers
   * of the PROXY protocol stays as it was.
   */
  update(options: ListenerUpdate, transport: ServerTransport): void {
    this.#acceptor.update(options, transport)
    if (options.proxyProtocol !== undefined) this.#forwarders = new Forwarders(options.proxyProtocol)
    if (options.tls === undefined || this.#security === undefined) return
    this.#security.update(options.tls)
    this.renewContext()
  }

  /** The keys of its tickets are others. */
  renewContext(): void {
    if (this.#security !== undefined) this.#tls?.setSecureContext(this.#security.context)
  }

  get sessions(): number {
    return this.#acceptor.sessions
  }

  get connections(): number {
    return this.#acceptor.connections
  }

  /** The oldest first. */
  get accepted(): Iterable<AcceptedSession> {
    return this.#acceptor.accepted
  }

  /** Accepts no more and tells the clients; they finish what they have. */
  drain(): void {
    this.#socket.stop()
    this.#acceptor.drain()
  }

  /** Resolves when no connection is left. */
  empty(): Promise<void> {
    return this.#acceptor.empty()
  }

  /** Resolves when no connection is left: connections that have not ended after a moment are closed. */
  async close(): Promise<void> {
    this.#socket.stop()
    await this.#acceptor.close()
  }
}
