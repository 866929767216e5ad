/** A listening socket, plain or TLS: what it accepts goes to its `Acceptor`. It is the same for every transport. */
import net from 'node:net'
import type tls from 'node:tls'
import { type AcceptedSession, Acceptor, type AcceptorOptions, type AcceptorOwner } from './acceptor.ts'
import type { Clock } from './clock.ts'
import { type BoundAddress, type ListenAddress, ListeningSocket } from './listening-socket.ts'
import { nodeTls } from './node-tls.ts'
import { addressOf } from './peer.ts'
import { HTTP2_TLS } from './tls-rules.ts'
import type { ServerTransport } from './transport.ts'

/** RFC 7301 §3.2: the server's order decides. */
const WITH_HTTP1 = [...HTTP2_TLS.ALPNProtocols, 'http/1.1']

export interface ListenTls {
  readonly cert: string | Buffer
  readonly key: string | Buffer
  /** Clients are asked for a certificate of this authority. */
  readonly clientCa?: string | Buffer
  /** Clients without a valid certificate are refused in the handshake. */
  readonly requireClientCertificate?: boolean
}

/** `prefaceTimeoutMs` is for the TLS handshake too. */
export interface ListenerOptions extends ListenAddress, AcceptorOptions {
  readonly tls?: ListenTls
}

/** @throws Node's error for what is wrong with it */
export function checkSecureContext(options: ListenTls): void {
  nodeTls().createSecureContext(secureContextOptions(options))
}

/** What connections are secured with. */
function secureContextOptions({ cert, key, clientCa }: ListenTls): tls.SecureContextOptions {
  const { ciphers, minVersion } = HTTP2_TLS
  return { cert, key, ca: clientCa, ciphers, minVersion }
}

/** Whether clients are asked for a certificate, and whether they need one. */
export function asksForCertificate({ clientCa, requireClientCertificate }: ListenTls) {
  const requestCert = clientCa !== undefined
  return { requestCert, rejectUnauthorized: requestCert && requireClientCertificate !== false }
}

export class Listener {
  readonly #server: net.Server
  readonly #socket: ListeningSocket
  readonly #options: ListenerOptions
  readonly #owner: AcceptorOwner
  readonly #acceptor: Acceptor

  constructor(options: ListenerOptions, transport: ServerTransport, owner: AcceptorOwner, clock: Clock) {
    this.#options = options
    this.#owner = owner
    this.#acceptor = new Acceptor(options, transport, owner, clock)
    this.#server = options.tls === undefined ? net.createServer() : this.#secureServer(options.tls)
    this.#server.on('connection', socket => {
      if (this.#acceptor.track(socket) && options.tls === undefined) this.#acceptor.accept(socket)
    })
    this.#server.on('secureConnection', socket => this.#acceptor.accept(socket))
    // Errors of accept (EMFILE) are temporary.
    const onAcceptError = (error: Error) => owner.onRefused('too-many', 'accept', error.message)
    this.#socket = new ListeningSocket(this.#server, options, onAcceptError)
  }

  #secureServer(options: ListenTls): net.Server {
    const server = nodeTls().createServer({
      ...secureContextOptions(options),
      ...asksForCertificate(options),
      ...HTTP2_TLS,
      ...(this.#options.http1 !== undefined && { ALPNProtocols: WITH_HTTP1 }),
      handshakeTimeout: this.#options.prefaceTimeoutMs,
    })
    server.on('tlsClientError', (error, socket) => {
      // For a connection that had no place, or lost it, this says only that it is gone.
      if (this.#acceptor.serves(socket)) this.#owner.onRefused('tls', addressOf(socket), error.message)
      socket.destroy()
    })
    return server
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
   * (`checkSecureContext`); whether there is TLS, and whether clients are asked for a certificate, stays as it was.
   */
  update(options: AcceptorOptions & Pick<ListenerOptions, 'tls'>, transport: ServerTransport): void {
    this.#acceptor.update(options, transport)
    if (options.tls !== undefined) (this.#server as tls.Server).setSecureContext(secureContextOptions(options.tls))
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
