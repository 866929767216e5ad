/** The proxy: puts the clients' side, the calls and the backends together; listens, drains and closes. */
import type { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { Client } from '../backend/client-share.ts'
import { Fleet } from '../backend/fleet.ts'
import { requestFields } from '../call/added-fields.ts'
import type { RelayContext } from '../call/context.ts'
import { LiveCalls } from '../call/live-calls.ts'
import { Relay } from '../call/relay.ts'
import { createLogger } from '../observe/logger.ts'
import { droppedLogLines } from '../observe/outputs.ts'
import { metricsText, type Reading, type TextFormat } from '../observe/registry.ts'
import type { Director } from '../routing/director.ts'
import { continueHits, createRouter } from '../routing/router.ts'
import { systemClock } from '../transport/clock.ts'
import type { ListenTls } from '../transport/listen-tls.ts'
import type { BoundAddress, ListenAddress } from '../transport/listening-socket.ts'
import { TimerWheel } from '../transport/timer-wheel.ts'
import type { ServerSession, Stream, TransportName } from '../transport/transport.ts'
import { loopClock, loopTurn } from '../transport/turn.ts'
import { type BesideOptions, Carriers, type StreamHandler } from './carriers.ts'
import { type ChangeSummary, type Live, prepareChange } from './change.ts'
import { ClientCounts } from './client-counts.ts'
import { ConfigurationRecord } from './configuration-record.ts'
import { Entrance } from './entrance.ts'
import { EventLog } from './event-log.ts'
import { Front } from './front.ts'
import { Observers } from './observers.ts'
import type { ProxySetup } from './setup.ts'
import { type OpenCounts, openCounts, type ProxyState, proxyState, type StateOptions, Tally } from './state.ts'
import type { CallsOwner } from './web-front.ts'

/** Where to listen; `port: 0` takes a free one, `path` is a unix socket. */
export interface ListenOptions extends ListenAddress {
  /** PEM text, not paths. */
  readonly tls?: ListenTls
  /** Default `frames`. */
  readonly transport?: TransportName
}

export class VerbatimProxy implements Live {
  setup: ProxySetup
  readonly log: Logger
  readonly #events: EventLog
  readonly #wheel = new TimerWheel(systemClock)
  readonly #live = new LiveCalls()
  readonly #tally = new Tally()
  readonly #carriers: Carriers
  readonly fleet: Fleet
  readonly front: Front
  readonly clients = new ClientCounts()
  readonly configuration = new ConfigurationRecord()
  readonly #serve: StreamHandler
  readonly #observers: Observers
  readonly #entrance = new Entrance(this)
  /** What the next call is made with; one that has begun keeps what it has. */
  #relayContext: RelayContext
  /** The last of the changes that were asked for. */
  #changes: Promise<unknown> = Promise.resolve()
  #stopping = false
  #closed: Promise<void> | undefined

  /** @param setup resolved; `createProxy` makes it of what a user writes */
  constructor(setup: ProxySetup) {
    this.setup = setup
    this.log = setup.logger ?? createLogger(setup.log)
    this.#observers = new Observers(setup, this.log, () => this.readMetrics())
    this.#events = new EventLog(this.log, this.#observers.repeats, this.#tally.add)
    const { violation: onViolation } = this.#events
    this.#carriers = new Carriers(setup.limits, { wheel: this.#wheel, log: this.log, onViolation })
    this.fleet = new Fleet(setup.backends, {
      transport: name => this.#carriers.client(name),
      // A part, so that a few such clients do not take all of a session's before they are found out.
      clientHeldBytes: () => this.setup.limits.maxSessionBufferedBytes / 8,
      clock: systemClock,
      turnClock: loopClock,
      wheel: this.#wheel,
      turn: loopTurn,
      random: Math.random,
      start: Math.random,
      log: this.#events.endpoint,
      onSourceProblem: this.#events.source,
      onOddity: this.#events.oddity,
    })
    const owner = this.clients.counting(this.#acceptorOwner())
    this.front = new Front(setup, {
      transport: name => this.#carriers.server(name),
      owner,
      http1: () => this.#carriers.http1(this.#events.malformed),
      isReady: () => this.notReady.length === 0,
      ...{ memory: this.#carriers.memory, ...this.#events.ofFront },
    })
    this.#relayContext = this.#contextOf(setup, setup.director ?? createRouter(setup.routes, { services: this.fleet }))
    this.#serve = this.#carriers.streamHandler(owner)
    this.handler = this.handlerFor({})
  }

  #contextOf(setup: ProxySetup, director: Director): RelayContext {
    return {
      routes: { director, entrance: this.#entrance.to(director, setup), backend: this.fleet.lookup() },
      clock: loopClock,
      wheel: this.#wheel,
      memory: this.#carriers.memory,
      replayBytes: setup.limits.replayBytes,
      acceptNonGrpc: setup.acceptNonGrpc,
      ...requestFields(setup),
      ...this.#observers.ofCalls,
      onFault: this.#events.fault,
      onOddity: this.#tally.add,
      live: this.#live,
    }
  }

  #acceptorOwner(): CallsOwner {
    return {
      onStream: (stream, session) => this.#relay(stream, session),
      onSessionReady() {}, // Nothing to do before its first call.
      onSessionClosed: this.#events.clientGone,
      onRefused: this.#events.refused,
    }
  }

  #relay(stream: Stream, session: ServerSession): Relay {
    session.kept ??= new Client(session.peer.address)
    return new Relay(this.#relayContext, stream, session, session.kept as Client)
  }

  readonly handler: StreamHandler

  handlerFor(options: BesideOptions): StreamHandler {
    return this.#carriers.handlerBeside(this.#serve, options)
  }

  readonly connection = (socket: Socket): void => this.front.serve(socket)

  async start(): Promise<BoundAddress[]> {
    try {
      return await this.front.start(this.setup.listeners)
    } catch (error) {
      await this.close()
      throw error
    }
  }

  listen(options: ListenOptions = {}): Promise<BoundAddress> {
    return this.front.listen({ ...options, transport: options.transport ?? 'frames' })
  }

  get logLevel(): string {
    return this.log.level
  }

  /** Another level of the log, until a configuration has another one. */
  set logLevel(level: string) {
    this.log.level = level
    // Whether there are records of calls depends on it.
    this.#relayContext = this.#contextOf(this.setup, this.#relayContext.routes.director)
  }

  adopt(setup: ProxySetup, director: Director): void {
    this.#observers.update(setup)
    // Transports that are made anew have forgotten the TLS sessions of backends.
    if (!isDeepStrictEqual(setup.limits, this.setup.limits)) this.#carriers.update(setup.limits)
    if (setup.logger === undefined) this.log.level = setup.log.level
    this.setup = setup
    this.configuration.changed()
    continueHits(this.#relayContext.routes.director, director)
    this.#relayContext = this.#contextOf(setup, director)
  }

  /**
   * Changes to the next configuration while calls run; one change after the other.
   * @throws what `prepareChange` does; Error when the proxy was closed meanwhile
   */
  change(next: ProxySetup): Promise<ChangeSummary> {
    const changed = this.#changes.then(() => this.#change(next))
    this.#changes = changed.catch(() => {})
    return changed
  }

  async #change(next: ProxySetup): Promise<ChangeSummary> {
    const change = await prepareChange(this, next)
    if (this.#stopping) {
      await change.discard()
      throw new Error('the proxy is closed')
    }
    change.commit()
    const { listeners, backends, needsRestart } = change.summary
    this.log.info({ listeners, backends, needsRestart }, 'the configuration has changed')
    return change.summary
  }

  /** Why it should get no new connections; none: it is ready. */
  get notReady(): string[] {
    if (this.#stopping) return ['it is draining']
    const missing = [...this.fleet.missing.map(name => `no endpoint of ${name} can be used`), ...this.front.missing]
    return this.front.isOpen || this.setup.listeners.length === 0 ? missing : ['no listener is open', ...missing]
  }

  counts(): OpenCounts {
    return openCounts(this.#live, this.front, this.fleet, this.#wheel)
  }

  metrics(format: TextFormat = 'prometheus'): string {
    return metricsText(this.readMetrics(), format)
  }

  /** All of them at this moment, as plain data. */
  readMetrics(): Reading[] {
    return this.#observers.metrics.read(this, this.#live, this.#carriers)
  }

  state(options: StateOptions = {}): ProxyState {
    const { director } = this.#relayContext.routes
    const [fleet, front, live, observers] = [this.fleet, this.front, this.#live, this.#observers]
    return proxyState({ fleet, front, live, observers, director, counts: this.counts() }, options)
  }

  violations(): Readonly<Record<string, number>> {
    return this.#tally.counts
  }

  droppedLogLines(): number {
    return droppedLogLines()
  }

  async drain(graceMs: number = this.setup.drain.graceMs): Promise<void> {
    this.#stopping = true
    this.front.drain()
    this.#entrance.drain()
    this.log.info({ calls: this.#live.size, graceMs }, 'draining')
    // A connection without a call may have one on its way.
    await Promise.all([this.front.empty(graceMs), this.#live.empty(systemClock, graceMs)])
    await this.close()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#stopping = true
    this.front.stop()
    this.#live.abortAll()
    // Answers to the last calls are written in this turn's end; then the connections go.
    await new Promise(resolve => setImmediate(resolve))
    await this.front.close()
    // Those of somebody else's server, whose connection goes on.
    this.#live.abortAll()
    await this.fleet.close()
    await this.#observers.close()
    this.log.flush()
  }
}
