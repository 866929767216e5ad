/** The proxy: puts the clients' side, the calls and the backends together; listens, drains and closes. */
import type { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { Client } from '../backend/client-share.ts'
import type { SourceProblem } from '../backend/endpoint-source.ts'
import { Fleet } from '../backend/fleet.ts'
import { addedFields } from '../call/added-fields.ts'
import type { RelayContext } from '../call/context.ts'
import { LiveCalls } from '../call/live-calls.ts'
import { oneObserver } from '../call/observer.ts'
import { Relay } from '../call/relay.ts'
import { accessLog } from '../observe/access-log.ts'
import { shownCause, shownPath } from '../observe/log-fields.ts'
import { createLogger } from '../observe/logger.ts'
import { droppedLogLines } from '../observe/standard-output.ts'
import type { Director } from '../routing/director.ts'
import { createRouter } from '../routing/router.ts'
import type { AcceptorOwner } from '../transport/acceptor.ts'
import { systemClock } from '../transport/clock.ts'
import type { ListenAddress, ListenTls } from '../transport/listener.ts'
import { TimerWheel } from '../transport/timer-wheel.ts'
import type { ServerSession, Stream, TransportName } from '../transport/transport.ts'
import { loopTurn } from '../transport/turn.ts'
import { type BesideOptions, Carriers, type StreamHandler } from './carriers.ts'
import { type ChangeSummary, type Live, prepareChange } from './change.ts'
import { type BoundAddress, Front } from './front.ts'
import type { ListenerSetup, ProxySetup } from './setup.ts'
import { type OpenCounts, openCounts, Tally } from './state.ts'

/** Where to listen; `port: 0` takes a free one, `path` is a unix socket. */
export interface ListenOptions extends ListenAddress {
  /** PEM text, not paths. */
  readonly tls?: ListenTls
  /** Default `frames`. */
  readonly transport?: TransportName
}

/** Lines about endpoints, where they are not for debugging. */
const LEVELS: Readonly<Record<string, 'warn' | 'info'>> = {
  ...{ 'connect-failed': 'warn', 'asked-too-often': 'warn', unhealthy: 'warn', ejected: 'warn' },
  ...{ healthy: 'info', readmitted: 'info' },
}

export class VerbatimProxy implements Live {
  setup: ProxySetup
  readonly log: Logger
  readonly #wheel = new TimerWheel(systemClock)
  readonly #live = new LiveCalls()
  readonly #tally = new Tally()
  readonly #carriers: Carriers
  readonly fleet: Fleet
  readonly front: Front
  readonly #serve: StreamHandler
  /** What the next call is made with; one that has begun keeps what it has. */
  #relayContext: RelayContext
  /** Those who wait for the last call to end. */
  readonly #whenIdle = new Set<() => void>()
  /** The last of the changes that were asked for. */
  #changes: Promise<unknown> = Promise.resolve()
  #stopping = false
  #closed: Promise<void> | undefined

  /** @param setup resolved; `createProxy` makes it of what a user writes */
  constructor(setup: ProxySetup) {
    this.setup = setup
    this.log = setup.logger ?? createLogger(setup.log)
    this.#carriers = new Carriers(setup.limits, { wheel: this.#wheel, log: this.log, count: this.#tally.add })
    this.fleet = new Fleet(setup.backends, {
      transport: name => this.#carriers.client(name),
      // A part, so that a few such clients do not take all of a session's before they are found out.
      clientHeldBytes: () => this.setup.limits.maxSessionBufferedBytes / 8,
      clock: systemClock,
      wheel: this.#wheel,
      turn: loopTurn,
      random: Math.random,
      log: this.#logEndpoint,
      onSourceProblem: this.#logSource,
      onOddity: this.#endpointOddity,
    })
    const owner = this.#acceptorOwner()
    const onListening = this.#onListening
    this.front = new Front(setup.limits, { transport: name => this.#carriers.server(name), owner, onListening })
    this.#relayContext = this.#contextOf(setup, setup.director ?? createRouter(setup.routes))
    this.#serve = this.#carriers.streamHandler(owner)
    this.handler = this.handlerFor({})
  }

  #contextOf(setup: ProxySetup, director: Director): RelayContext {
    return {
      routes: { director, backend: this.fleet.lookup() },
      clock: systemClock,
      wheel: this.#wheel,
      memory: this.#carriers.memory,
      replayBytes: setup.limits.replayBytes,
      acceptNonGrpc: setup.acceptNonGrpc,
      addedFields: addedFields(setup.headers),
      observer: oneObserver([setup.log.access ? accessLog(this.log) : undefined]),
      onFault: (message, path, cause) => this.log.error({ path: shownPath(path), err: cause }, message),
      onOddity: this.#tally.add,
      live: this.#live,
    }
  }

  #acceptorOwner(): AcceptorOwner {
    return {
      onStream: (stream, session) => this.#relay(stream, session),
      onSessionReady: () => {
        // Nothing to do before its first call.
      },
      onSessionClosed: (session, reason) =>
        this.log.debug({ peer: session.peer.address, reason: shownCause(reason) }, 'client session closed'),
      onRefused: (refusal, peer, detail) =>
        this.log.info({ peer, refusal, detail: shownCause(detail) }, 'connection refused'),
    }
  }

  #relay(stream: Stream, session: ServerSession): Relay {
    session.kept ??= new Client(session.peer.address)
    return new Relay(this.#relayContext, stream, session, session.kept as Client, this.#onRelayOver)
  }

  readonly #onRelayOver = (): void => {
    if (this.#live.size > 0) return
    for (const resolve of this.#whenIdle) resolve()
  }

  readonly #logEndpoint = (event: string, endpoint: string, detail: string): void => {
    this.log[LEVELS[event] ?? 'debug']({ endpoint, detail: shownCause(detail) }, `endpoint ${event}`)
  }

  readonly #endpointOddity = (token: string, endpoint: string, detail: string, again: boolean): void => {
    this.#tally.add(token)
    if (!again) this.log.warn({ endpoint, detail: shownCause(detail) }, 'endpoint tells what cannot be used')
  }

  readonly #logSource = (backend: string, problem: SourceProblem | undefined): void => {
    if (problem === undefined) return this.log.info({ backend }, 'endpoints are known again')
    const what =
      problem.kind === 'lost' ? 'endpoints cannot be had; those from before stay' : 'not all endpoints are used'
    this.log.warn({ backend, detail: shownCause(problem.text) }, what)
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

  readonly #onListening = ({ tls, transport }: ListenerSetup, { address }: BoundAddress): void => {
    this.log.info({ address, tls: tls !== undefined, transport }, `listening on ${address}`)
  }

  adopt(setup: ProxySetup, director: Director): void {
    // Transports that are made anew have forgotten the TLS sessions of backends.
    if (!isDeepStrictEqual(setup.limits, this.setup.limits)) this.#carriers.update(setup.limits)
    if (setup.logger === undefined) this.log.level = setup.log.level
    this.setup = setup
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

  counts(): OpenCounts {
    return openCounts(this.#live, this.front, this.fleet, this.#wheel)
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
    this.log.info({ calls: this.#live.size, graceMs }, 'draining')
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
    this.log.flush()
  }
}
