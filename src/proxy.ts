/**
 * The proxy: puts listeners, routing and backends together, and is the only place that chooses a
 * transport. Listen, drain, close; or be the handler of somebody else's server.
 */
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { Backend } from './backend/backend.ts'
import { Client } from './backend/client-share.ts'
import { addedFields } from './call/added-fields.ts'
import type { RelayContext } from './call/context.ts'
import { LiveCalls } from './call/live-calls.ts'
import { Relay } from './call/relay.ts'
import { accessLog } from './observe/access-log.ts'
import { shownCause, shownPath } from './observe/log-fields.ts'
import { createLogger } from './observe/logger.ts'
import { droppedLogLines } from './observe/standard-output.ts'
import { type BackendSetup, defaultCallBytes, type ProxySetup } from './proxy-setup.ts'
import type { Target } from './routing/director.ts'
import { createRouter } from './routing/router.ts'
import { Acceptor, type AcceptorOwner } from './transport/acceptor.ts'
import { CallMemory } from './transport/call-memory.ts'
import { systemClock } from './transport/clock.ts'
import { framesClientTransport } from './transport/frames/client.ts'
import type { FramesContext } from './transport/frames/frames-context.ts'
import { framesServerTransport } from './transport/frames/server.ts'
import { type ListenAddress, Listener, type ListenTls } from './transport/listener.ts'
import { type BesideOptions, besideListener, type StreamHandler } from './transport/native/beside-listener.ts'
import { nativeClientTransport } from './transport/native/client.ts'
import { nativeServerTransport, nativeStreamHandler } from './transport/native/server.ts'
import { TimerWheel } from './transport/timer-wheel.ts'
import type { ClientTransport, ServerSession, ServerTransport, Stream, TransportName } from './transport/transport.ts'
import { loopTurn } from './transport/turn.ts'
import { MemoryBudget } from './wire/memory-budget.ts'
import type { ConnectionError, StreamError } from './wire/protocol-error.ts'

export type { BesideOptions, StreamHandler }

/** Where to listen; `port: 0` takes a free one, `path` is a unix socket. */
export interface ListenOptions extends ListenAddress {
  readonly tls?: ListenTls
  /** Default `frames`. */
  readonly transport?: TransportName
}

export interface BoundAddress {
  /** `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/proxy.sock`. */
  readonly address: string
  /** 0 for a unix socket. */
  readonly port: number
}

/** Everything that is open now; all zero (but sessions kept ready) when the proxy is idle. */
export interface OpenCounts {
  readonly calls: number
  readonly clientConnections: number
  readonly clientSessions: number
  readonly waitingCalls: number
  readonly backendSessions: number
  readonly backendStreams: number
  /** Deadlines and queue timers. */
  readonly timers: number
}

export class GrpcProxy implements AcceptorOwner {
  readonly #setup: ProxySetup
  readonly #log: Logger
  readonly #wheel = new TimerWheel(systemClock)
  /** By name; those that a director brought, by their definition. */
  readonly #backends = new Map<string | BackendSetup, Backend>()
  readonly #listeners = new Set<Listener>()
  readonly #violations = new Map<string, number>()
  /** Of connections that others accepted. */
  readonly #handed: Acceptor
  readonly #live = new LiveCalls()
  readonly #memory: CallMemory
  readonly #serve: StreamHandler
  readonly #relayContext: RelayContext
  readonly #serverTransports: Readonly<Record<TransportName, () => ServerTransport>>
  readonly #clientTransports: Readonly<Record<TransportName, () => ClientTransport>>
  /** Those who wait for the last call to end. */
  readonly #whenIdle = new Set<() => void>()
  #stopping = false
  #closed: Promise<void> | undefined

  /** @param setup resolved; `createProxy` makes it of what a user writes */
  constructor(setup: ProxySetup) {
    this.#setup = setup
    this.#memory = new CallMemory(setup.limits.maxCallBytes ?? defaultCallBytes())
    this.#log = setup.logger ?? createLogger(setup.log)
    const frames = this.#framesContext()
    this.#serverTransports = {
      native: () => nativeServerTransport(setup.limits),
      frames: () => framesServerTransport(frames),
    }
    this.#clientTransports = {
      native: () => nativeClientTransport(setup.limits),
      frames: () => framesClientTransport(frames),
    }
    this.#handed = new Acceptor(setup.limits, framesServerTransport(frames), this, systemClock)
    for (const [name, options] of Object.entries(setup.backends)) this.#backends.set(name, this.#open(options))
    this.#relayContext = {
      routes: {
        director: setup.director ?? createRouter(setup.routes),
        backend: named => this.#backendOf(named),
      },
      clock: systemClock,
      wheel: this.#wheel,
      memory: this.#memory,
      replayBytes: setup.limits.replayBytes,
      acceptNonGrpc: setup.acceptNonGrpc,
      addedFields: addedFields(setup.headers),
      record: setup.log.access ? accessLog(this.#log) : undefined,
      onFault: (message, path, cause) => this.#log.error({ path: shownPath(path), err: cause }, message),
      onOddity: token => this.#count(token),
      live: this.#live,
    }
    this.#serve = nativeStreamHandler(this, setup.limits.maxHeaderListBytes)
    this.handler = this.handlerFor({})
  }

  #framesContext(): FramesContext {
    const { limits } = this.#setup
    return {
      limits,
      clock: systemClock,
      wheel: this.#wheel,
      budget: new MemoryBudget(limits.maxBufferedBytes),
      memory: this.#memory,
      onViolation: this.#onViolation,
      onFault: error => this.#log.error({ err: error }, 'a mistake of the proxy cost a connection'),
    }
  }

  readonly #onViolation = (peer: string, error: ConnectionError | StreamError): void => {
    this.#count(error.token)
    const level = error.name === 'ConnectionError' ? 'warn' : 'debug'
    this.#log[level](
      { peer, violation: error.token, detail: shownCause(error.message) },
      'a peer broke a rule of HTTP/2',
    )
  }

  #count(token: string): void {
    this.#violations.set(token, (this.#violations.get(token) ?? 0) + 1)
  }

  /**
   * How often peers broke a rule of HTTP/2 or a limit against floods, by its token; on `frames` sessions. On all:
   * requests that ended with trailers (`request-trailers`), which are not forwarded.
   */
  violations(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#violations)
  }

  /** Lines of the process's log that standard output did not take; a `logger` of your own is not counted. */
  droppedLogLines(): number {
    return droppedLogLines()
  }

  #open(options: BackendSetup): Backend {
    return new Backend(options, {
      transport: this.#clientTransports[options.transport](),
      clock: systemClock,
      wheel: this.#wheel,
      turn: loopTurn,
      // A part, so that a few such clients do not take all of a session's before they are found out.
      clientHeldBytes: this.#setup.limits.maxSessionBufferedBytes / 8,
      random: Math.random,
      log: this.#logEndpoint,
    })
  }

  #backendOf(named: Target['backend']): Backend | undefined {
    const known = this.#backends.get(named as string | BackendSetup)
    if (known !== undefined || !isDefinition(named)) return known
    // A director that defines a backend anew for each call would open sessions without end.
    if (this.#backends.size >= MAX_BACKENDS) return undefined
    const backend = this.#open(named)
    this.#backends.set(named, backend)
    if (this.#closed !== undefined) backend.close()
    return backend
  }

  /**
   * Serves streams of a user's own server: `server.on('stream', proxy.handler)`. That server's
   * settings and limits hold for its sessions; draining them is its owner's business.
   */
  readonly handler: StreamHandler

  /**
   * Like `handler`, beside what the server has besides: services of its own, and all that is not gRPC.
   *
   * ```ts
   * server.on('stream', proxy.handlerFor({ otherwise: app.callback() }))
   * ```
   */
  handlerFor(options: BesideOptions): StreamHandler {
    const onRequestListener = () => this.#log.warn(REQUEST_LISTENER)
    return besideListener(options, { serve: this.#serve, onRequestListener })
  }

  /**
   * Serves a connection that somebody else accepted: `net.createServer(proxy.connection)`,
   * `tls.createServer({ …, ALPNProtocols: ['h2'] }, proxy.connection)`. Drain and close are the proxy's, for these
   * as for its own; to stop accepting is the server's owner's.
   */
  readonly connection = (socket: Socket): void => {
    if (this.#stopping) socket.destroy()
    else if (this.#handed.track(socket)) this.#handed.accept(socket)
  }

  /** Listens on all addresses of the configuration. @throws like `listen`; then none is left open */
  async start(): Promise<BoundAddress[]> {
    const bound: BoundAddress[] = []
    try {
      for (const listener of this.#setup.listeners) bound.push(await this.listen(listener))
    } catch (error) {
      await this.close()
      throw error
    }
    return bound
  }

  /**
   * @param options `tls` takes PEM text, not paths
   * @returns the real address
   * @throws Error when the proxy was closed or told to drain;
   * Error with the system's code (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`) when it cannot be had
   */
  async listen(options: ListenOptions = {}): Promise<BoundAddress> {
    if (this.#stopping) throw new Error('the proxy is closed')
    const { transport = 'frames', ...address } = options
    const carrier = this.#serverTransports[transport]()
    const listener = new Listener({ ...this.#setup.limits, ...address }, carrier, this, systemClock)
    this.#listeners.add(listener)
    let bound: BoundAddress
    try {
      bound = await listener.listen()
    } catch (error) {
      this.#listeners.delete(listener)
      throw this.#stopping ? new Error('the proxy is closed', { cause: error }) : error
    }
    if (this.#stopping) {
      await listener.close()
      throw new Error('the proxy is closed')
    }
    this.#log.info(
      { address: bound.address, tls: options.tls !== undefined, transport },
      `listening on ${bound.address}`,
    )
    return bound
  }

  onStream(stream: Stream, session: ServerSession): Relay {
    session.kept ??= new Client()
    return new Relay(this.#relayContext, stream, session, session.kept as Client, this.#onRelayOver)
  }

  readonly #onRelayOver = (): void => {
    if (this.#live.size > 0) return
    for (const resolve of this.#whenIdle) resolve()
  }

  onSessionClosed(session: ServerSession, reason: string): void {
    this.#log.debug({ peer: session.peer.address, reason: shownCause(reason) }, 'client session closed')
  }

  onRefused(refusal: string, peer: string, detail: string): void {
    this.#log.info({ peer, refusal, detail: shownCause(detail) }, 'connection refused')
  }

  readonly #logEndpoint = (event: string, endpoint: string, detail: string): void => {
    const level = event === 'connect-failed' ? 'warn' : 'debug'
    this.#log[level]({ endpoint, detail: shownCause(detail) }, `endpoint ${event}`)
  }

  #acceptors(): (Listener | Acceptor)[] {
    return [...this.#listeners, this.#handed]
  }

  counts(): OpenCounts {
    let waitingCalls = 0
    let backendSessions = 0
    let backendStreams = 0
    for (const backend of this.#backends.values()) {
      waitingCalls += backend.waiting
      for (const endpoint of backend.endpoints) {
        backendSessions += endpoint.sessionCount
        backendStreams += endpoint.streamCount
      }
    }
    let clientConnections = 0
    let clientSessions = 0
    for (const listener of this.#acceptors()) {
      clientConnections += listener.connections
      clientSessions += listener.sessions
    }
    const calls = this.#live.size
    const timers = this.#wheel.size
    return { calls, clientConnections, clientSessions, waitingCalls, backendSessions, backendStreams, timers }
  }

  /**
   * Accepts nothing new, tells the clients by GOAWAY, lets the calls in flight finish; after the
   * grace period answers what is left with UNAVAILABLE. Then closes.
   * @param graceMs default: the configuration's `drain.graceMs`
   */
  async drain(graceMs: number = this.#setup.drain.graceMs): Promise<void> {
    this.#stopping = true
    for (const listener of this.#acceptors()) listener.drain()
    this.#log.info({ calls: this.#live.size, graceMs }, 'draining')
    if (this.#live.size > 0) {
      await new Promise<void>(resolve => {
        const done = () => {
          timer.cancel()
          this.#whenIdle.delete(done)
          resolve()
        }
        const timer = systemClock.after(graceMs, done)
        this.#whenIdle.add(done)
      })
    }
    await this.close()
  }

  /** Ends every call and connection now. Resolves when the sockets are gone, also the second time. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#stopping = true
    this.#live.abortAll()
    // Answers to the last calls are written in this turn's end; then the connections go.
    await new Promise(resolve => setImmediate(resolve))
    await Promise.all(this.#acceptors().map(listener => listener.close()))
    // Those of somebody else's server, whose connection goes on.
    this.#live.abortAll()
    await Promise.all([...this.#backends.values()].map(backend => backend.close()))
    this.#log.flush()
  }

  onSessionReady(): void {
    // Nothing to do before its first call.
  }
}

/** What `defineBackend` made; a director in plain JavaScript may return anything. */
function isDefinition(named: unknown): named is BackendSetup {
  return Array.isArray((named as Partial<BackendSetup> | null)?.endpoints)
}

/** More are surely a mistake: a backend is a fleet's service, not a call's. */
const MAX_BACKENDS = 10_000

const REQUEST_LISTENER =
  "the http2 server has a request listener beside the proxy's: from now on the listener gets only what is not gRPC, but it " +
  'may have answered the first call. Create the server without one, and give it to proxy.handlerFor({ otherwise: listener })'
