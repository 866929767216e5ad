/** A raw HTTP/2 server: it listens, and gives each connection to the test. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { Inbox } from './inbox.ts'
import { type ConnectionOptions, RawConnection } from './raw-connection.ts'
import type { ReceivedHeaders } from './received.ts'
import { closing, type Scope } from './teardown.ts'

export interface ServerOptions extends ConnectionOptions {
  /** Over TLS with ALPN `h2`. */
  readonly tls?: Pick<TlsOptions, 'ca' | 'cert' | 'key' | 'requestCert' | 'rejectUnauthorized'>
}

/** A stream that a client opened, on whichever connection. */
export interface Incoming {
  readonly connection: RawConnection
  readonly streamId: number
  readonly headers: ReceivedHeaders
}

export class RawServer {
  readonly connections: RawConnection[] = []
  /** Every stream opened so far, in order. */
  readonly requests: Incoming[] = []
  readonly #server: Server
  readonly #newConnections = new Inbox<RawConnection>(() => this.describe())
  readonly #newRequests = new Inbox<Incoming>(() => this.describe())
  readonly #options: ServerOptions
  #onConnection: (connection: RawConnection) => void = () => {}

  private constructor(options: ServerOptions) {
    this.#options = options
    const { tls } = options
    this.#server =
      tls === undefined
        ? createServer(socket => this.#accept(socket))
        : createTlsServer({ ALPNProtocols: ['h2'], ...tls }, socket => this.#accept(socket))
  }

  static async listen(t: Scope, options: ServerOptions = {}): Promise<RawServer> {
    const server = closing(t, new RawServer(options))
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}`
  }

  /** The first connection not yet taken, or the next. */
  connection(): Promise<RawConnection> {
    return this.#newConnections.take(() => true, 'a connection')
  }

  /** Called for each connection, before who waits for it. */
  onConnection(listener: (connection: RawConnection) => void): void {
    this.#onConnection = listener
  }

  /** The first request not yet taken, or the next, on whichever connection. */
  request(matches: (request: Incoming) => boolean = () => true): Promise<Incoming> {
    return this.#newRequests.take(matches, 'a request')
  }

  describe(): string {
    return `${this.connections.length} connections came\n${this.connections.map(c => c.describe()).join('\n')}`
  }

  /** Takes no more connections; those there are stay. */
  async refuse(): Promise<void> {
    if (!this.#server.listening) return
    // Its callback would wait for the connections.
    this.#server.close()
  }

  /** Destroys every connection, and waits for the port to be free. */
  async destroy(): Promise<void> {
    for (const connection of this.connections) connection.destroy()
    this.#newConnections.end('the server is closed')
    this.#newRequests.end('the server is closed')
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(socket: Socket): void {
    const connection = new RawConnection(socket, 'server', this.#options)
    this.connections.push(connection)
    const seen = new Set<number>()
    connection.onHeaders(headers => {
      const { streamId } = headers
      if (seen.has(streamId)) return
      seen.add(streamId)
      const request = { connection, streamId, headers }
      this.requests.push(request)
      this.#newRequests.put(request)
    })
    this.#onConnection(connection)
    this.#newConnections.put(connection)
  }
}
