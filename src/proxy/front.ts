/** The clients' side of the proxy: its listeners, and the connections that others accepted for it. */
import type { Socket } from 'node:net'
import { Acceptor, type AcceptorOptions, type AcceptorOwner } from '../transport/acceptor.ts'
import { systemClock } from '../transport/clock.ts'
import { Listener } from '../transport/listener.ts'
import type { ServerTransport, TransportName } from '../transport/transport.ts'
import type { ListenerSetup } from './setup.ts'

export interface BoundAddress {
  /** `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/proxy.sock`. */
  readonly address: string
  /** 0 for a unix socket. */
  readonly port: number
}

/** What of the front is open now. */
export interface FrontCounts {
  readonly clientConnections: number
  readonly clientSessions: number
}

export interface FrontContext {
  readonly transport: (name: TransportName) => ServerTransport
  readonly owner: AcceptorOwner
}

export class Front {
  readonly #context: FrontContext
  readonly #options: AcceptorOptions
  readonly #listeners = new Set<Listener>()
  /** Of connections that others accepted. */
  readonly #handed: Acceptor
  #stopping = false

  constructor(options: AcceptorOptions, context: FrontContext) {
    this.#options = options
    this.#context = context
    this.#handed = new Acceptor(options, context.transport('frames'), context.owner, systemClock)
  }

  #acceptors(): (Listener | Acceptor)[] {
    return [...this.#listeners, this.#handed]
  }

  get counts(): FrontCounts {
    let [clientConnections, clientSessions] = [0, 0]
    for (const acceptor of this.#acceptors()) {
      clientConnections += acceptor.connections
      clientSessions += acceptor.sessions
    }
    return { clientConnections, clientSessions }
  }

  /** @throws Error when the proxy was closed or told to drain; the system's error when the address cannot be had */
  async listen({ transport, ...address }: ListenerSetup): Promise<BoundAddress> {
    if (this.#stopping) throw new Error('the proxy is closed')
    const { owner } = this.#context
    const options = { ...this.#options, ...address }
    const listener = new Listener(options, this.#context.transport(transport), owner, systemClock)
    this.#listeners.add(listener)
    try {
      const bound = await listener.listen()
      if (!this.#stopping) return bound
    } catch (error) {
      this.#listeners.delete(listener)
      throw this.#stopping ? new Error('the proxy is closed', { cause: error }) : error
    }
    await listener.close()
    throw new Error('the proxy is closed')
  }

  /** A connection that somebody else accepted. */
  serve(socket: Socket): void {
    if (this.#stopping) socket.destroy()
    else if (this.#handed.track(socket)) this.#handed.accept(socket)
  }

  /** From now on nothing new is listened on. */
  stop(): void {
    this.#stopping = true
  }

  /** Accepts nothing new, and tells the clients; they finish what they have. */
  drain(): void {
    this.stop()
    for (const acceptor of this.#acceptors()) acceptor.drain()
  }

  /** Resolves when the last connection is gone. */
  async close(): Promise<void> {
    this.stop()
    await Promise.all(this.#acceptors().map(acceptor => acceptor.close()))
  }
}
