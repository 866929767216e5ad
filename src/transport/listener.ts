/** A listening socket, plain or TLS: what it accepts goes to its `Acceptor`. It is the same for every transport. */
import { chmodSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import type tls from 'node:tls'
import { Acceptor, type AcceptorOptions, type AcceptorOwner } from './acceptor.ts'
import type { Clock } from './clock.ts'
import { nodeTls } from './node-tls.ts'
import { addressOf, formatAddress } from './peer.ts'
import { HTTP2_TLS } from './tls-rules.ts'
import type { ServerTransport } from './transport.ts'
import { bindNarrowly, listenOver } from './unix-socket.ts'

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
  /** Who may connect to the unix socket, as `chmod` takes it (`0o660`); default: what the process's umask leaves. */
  readonly socketMode?: number
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
  readonly #options: ListenerOptions
  readonly #owner: AcceptorOwner
  readonly #acceptor: Acceptor
  #draining = false
  #abortListen: (() => void) | undefined

  constructor(options: ListenerOptions, transport: ServerTransport, owner: AcceptorOwner, clock: Clock) {
    this.#options = options
    this.#owner = owner
    this.#acceptor = new Acceptor(options, transport, owner, clock)
    this.#server = options.tls === undefined ? net.createServer() : this.#secureServer(options.tls)
    this.#server.on('connection', socket => {
      if (this.#acceptor.track(socket) && options.tls === undefined) this.#acceptor.accept(socket)
    })
    this.#server.on('secureConnection', socket => this.#acceptor.accept(socket))
  }

  #secureServer(options: ListenTls): net.Server {
    const server = nodeTls().createServer({
      ...secureContextOptions(options),
      ...asksForCertificate(options),
      ...HTTP2_TLS,
      handshakeTimeout: this.#options.prefaceTimeoutMs,
    })
    server.on('tlsClientError', (error, socket) => {
      // For a connection that had no place, or lost it, this says only that it is gone.
      if (this.#acceptor.serves(socket)) this.#owner.onRefused('tls', addressOf(socket), error.message)
      socket.destroy()
    })
    return server
  }

  /**
   * Takes over a unix socket on which nobody listens any more.
   * @throws the system's error (`EADDRINUSE`, `EACCES`, …) when the address cannot be used, `ENOTSOCK` where there is a
   * file that is not a socket; Error when closed meanwhile
   */
  listen(): Promise<{ address: string; port: number }> {
    return listenOver(this.#options.path, () => this.#listen())
  }

  #listen(): Promise<{ address: string; port: number }> {
    if (this.#draining) return Promise.reject(new Error('closed before it listened'))
    const { host, port, path, socketMode } = this.#options
    const server = this.#server
    return new Promise((resolve, reject) => {
      const onError = (error: Error) => {
        server.removeListener('listening', onListening)
        reject(error)
      }
      this.#abortListen = () => reject(new Error('closed before it listened'))
      server.once('error', onError)
      const onListening = () => {
        server.removeListener('error', onError)
        // It was told to stop while the host name was looked up: the promise was rejected, and there is no address.
        if (this.#draining) {
          server.close()
          return
        }
        // Errors of accept (EMFILE) come later and are temporary.
        server.on('error', error => this.#owner.onRefused('too-many', 'accept', error.message))
        const bound = server.address() as AddressInfo | string
        if (typeof bound !== 'string') {
          resolve({ address: formatAddress(bound.address, bound.port), port: bound.port })
          return
        }
        if (socketMode !== undefined) chmodSync(bound, socketMode)
        resolve({ address: `unix:${bound}`, port: 0 })
      }
      server.once('listening', onListening)
      if (path === undefined) server.listen({ host: host ?? '127.0.0.1', port: port ?? 0 })
      else if (socketMode === undefined) server.listen({ path })
      else bindNarrowly(socketMode, () => server.listen({ path }))
    })
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

  #stop(): void {
    this.#draining = true
    this.#server.close()
    this.#abortListen?.()
  }

  /** Accepts no more and tells the clients; they finish what they have. */
  drain(): void {
    this.#stop()
    this.#acceptor.drain()
  }

  /** Resolves when no connection is left. */
  empty(): Promise<void> {
    return this.#acceptor.empty()
  }

  /** Resolves when no connection is left: connections that have not ended after a moment are closed. */
  async close(): Promise<void> {
    this.#stop()
    await this.#acceptor.close()
  }
}
