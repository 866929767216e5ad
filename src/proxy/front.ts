/** The clients' side of the proxy: its listeners, and the connections that others accepted for it. */
import type { Socket } from 'node:net'
import { type Changed, changed } from '../backend/changed.ts'
import { Acceptor, type AcceptorOptions } from '../transport/acceptor.ts'
import { AlpnChallenges } from '../transport/alpn-challenges.ts'
import { systemClock } from '../transport/clock.ts'
import { isInherited } from '../transport/inherited-sockets.ts'
import { hasCertificate } from '../transport/listen-tls.ts'
import { Listener } from '../transport/listener.ts'
import { type BoundAddress, socketName } from '../transport/listening-socket.ts'
import { TicketKeys } from '../transport/ticket-keys.ts'
import type { ServerTransport, TransportName } from '../transport/transport.ts'
import { checkKept, listenersByKey } from './front-change.ts'
import type { ListenerSetup, ProxySetup } from './setup.ts'
import { type WebFront, type WebFrontContext, webFront } from './web-front.ts'

/** What of the front is open now. */
export interface FrontCounts {
  readonly clientConnections: number
  readonly clientSessions: number
}

export interface FrontContext extends WebFrontContext {
  readonly transport: (name: TransportName) => ServerTransport
  readonly onListening: (setup: ListenerSetup, bound: BoundAddress) => void
}

/** The listeners of the next configuration; see `Change`. */
export interface FrontChange {
  readonly summary: Changed
  commit(): void
  discard(): Promise<void>
}

/** Something that clients connect to. */
export interface Door {
  /** Empty for connections that others accepted, which may have TLS or not. */
  readonly address: string
  readonly transport: TransportName
  readonly tls: boolean
  /** It accepts no more. */
  readonly draining: boolean
  readonly acceptor: Pick<Acceptor, 'connections' | 'sessions' | 'accepted'>
}

/** One that is open. */
interface Opened {
  setup: ListenerSetup
  readonly listener: Listener
  readonly bound: BoundAddress
  /** Where it takes gRPC-Web or probes. */
  readonly web: WebFront | undefined
}

export class Front {
  readonly #context: FrontContext
  #options: AcceptorOptions
  /** Those of the configuration, once it was asked to open them. */
  #configured: Map<string, Opened> | undefined
  /** Those that were asked for one by one. */
  readonly #others = new Set<Opened>()
  /** Are being opened; none of the others yet. */
  readonly #opening = new Set<Listener>()
  /** Drain; none of the others any more. */
  readonly #leaving = new Set<Opened>()
  /** Of connections that others accepted. */
  readonly #handed: Acceptor
  /** Of TLS sessions with clients. */
  readonly #tickets: TicketKeys
  /** Of authorities, which ask any of the listeners. */
  readonly challenges = new AlpnChallenges()
  #stopping = false

  constructor({ limits: options, tls }: Pick<ProxySetup, 'limits' | 'tls'>, context: FrontContext) {
    this.#options = options
    this.#tickets = new TicketKeys(tls, systemClock, () => {
      for (const { listener } of this.#opened()) listener.renewContext()
    })
    this.#context = context
    this.#handed = new Acceptor(options, context.transport('frames'), context.owner, systemClock)
  }

  #opened(): Opened[] {
    return [...(this.#configured?.values() ?? []), ...this.#others]
  }

  #acceptors(): (Listener | Acceptor)[] {
    const known = [...this.#opened(), ...this.#leaving].map(({ listener }) => listener)
    return [...known, ...this.#opening, this.#handed]
  }

  /** It listens somewhere. */
  get isOpen(): boolean {
    return this.#opened().length > 0
  }

  /** What listeners cannot serve anybody for the want of. */
  get missing(): string[] {
    const bare = this.#opened().filter(({ setup: { tls } }) => tls !== undefined && !hasCertificate(tls))
    return bare.map(({ setup, bound }) => `listener ${bound.address || socketName(setup)} has no certificate yet`)
  }

  get counts(): FrontCounts {
    let [clientConnections, clientSessions] = [0, 0]
    for (const acceptor of this.#acceptors()) {
      clientConnections += acceptor.connections
      clientSessions += acceptor.sessions
    }
    return { clientConnections, clientSessions }
  }

  /** All that clients connect to, with those that leave. */
  get doors(): Door[] {
    const draining = this.#stopping
    const doorOf = ({ setup, listener, bound }: Opened, leaves: boolean): Door => ({
      // A worker knows only what was configured.
      address: bound.address || socketName(setup),
      transport: setup.transport,
      tls: setup.tls !== undefined,
      draining: draining || leaves,
      acceptor: listener,
    })
    const listeners = [
      ...this.#opened().map(opened => doorOf(opened, false)),
      ...[...this.#leaving].map(opened => doorOf(opened, true)),
    ]
    if (this.#handed.connections === 0) return listeners
    const handed = { address: '', transport: 'frames', tls: false, draining, acceptor: this.#handed } as const
    return [...listeners, handed]
  }

  /** Opens the listeners of a configuration. @throws like `listen`; what is open by then is for `close` */
  async start(setups: readonly ListenerSetup[]): Promise<BoundAddress[]> {
    const opened = new Map<string, Opened>()
    this.#configured = opened
    const byKey = listenersByKey(setups)
    // Open sockets give connections at once, which would be lost if another address could not be had.
    const isOpen = (setup: ListenerSetup) => Number(isInherited(socketName(setup)))
    const openLast = [...byKey].sort(([, one], [, other]) => isOpen(one) - isOpen(other))
    for (const [key, setup] of openLast) opened.set(key, await this.#open(setup, this.#options, key))
    return [...byKey.keys()].map(key => opened.get(key)!.bound)
  }

  /** @throws Error when the proxy was closed or told to drain; the system's error when the address cannot be had */
  async listen(setup: ListenerSetup): Promise<BoundAddress> {
    const opened = await this.#open(setup, this.#options)
    this.#others.add(opened)
    return opened.bound
  }

  /** @param name its key in the configuration */
  async #open(setup: ListenerSetup, options: AcceptorOptions, name?: string): Promise<Opened> {
    const web = await webFront(setup, this.#context)
    if (this.#stopping) throw closed()
    const { owner, onListening, transport } = this.#context
    const all = { ...options, ...setup, http1: web?.http1, ...(name !== undefined && { name }) }
    const to = web?.owner ?? owner
    const listener = new Listener(all, transport(setup.transport), to, systemClock, this.#tickets, this.challenges)
    if (setup.bound !== undefined) return { setup, listener, bound: setup.bound, web }
    this.#opening.add(listener)
    try {
      const bound = await listener.listen()
      if (this.#stopping) {
        await listener.close()
        throw closed()
      }
      onListening(setup, bound)
      return { setup, listener, bound, web }
    } catch (error) {
      throw this.#stopping ? closed(error) : error
    } finally {
      this.#opening.delete(listener)
    }
  }

  /**
   * Binds what is new. It serves what connects at once, by the configuration that holds then.
   * @throws UnfitChange, or like `listen`; with nothing left open
   */
  async prepare({ listeners, limits, drain, tls }: ProxySetup): Promise<FrontChange> {
    const before = new Map([...(this.#configured ?? [])].map(([key, { setup }]) => [key, setup]))
    // Who has not started the proxy has no listeners of the configuration.
    const after = listenersByKey(this.#configured === undefined ? [] : listeners)
    const summary = changed(before, after, (was, is, key) => checkKept(key, was, is))
    const opened = new Map<string, Opened>()
    const discard = async () => {
      await Promise.all([...opened.values()].map(({ listener }) => listener.close()))
    }
    try {
      for (const key of summary.added) opened.set(key, await this.#open(after.get(key)!, limits, key))
    } catch (error) {
      await discard()
      throw error
    }
    const commit = () => {
      this.#options = limits
      this.#replace(after, opened, drain.graceMs)
      this.#update(new Set(summary.updated))
      this.#tickets.update(tls)
    }
    return { summary, commit, discard }
  }

  #replace(after: ReadonlyMap<string, ListenerSetup>, opened: ReadonlyMap<string, Opened>, graceMs: number): void {
    const before = this.#configured
    if (before === undefined) return
    this.#configured = new Map([...after.keys()].map(key => [key, before.get(key) ?? opened.get(key)!]))
    for (const [key, setup] of after) this.#configured.get(key)!.setup = setup
    for (const [key, opened] of before) if (!after.has(key)) this.#leave(opened, graceMs)
  }

  /** @param keys of those whose own options are others now: new certificates cost clients their TLS tickets */
  #update(keys: ReadonlySet<string>): void {
    const { transport } = this.#context
    const update = ({ listener, setup, web }: Opened, tls: ListenerSetup['tls']) =>
      listener.update(
        { ...this.#options, tls, http1: web?.http1, proxyProtocol: setup.proxyProtocol },
        transport(setup.transport),
      )
    for (const [key, opened] of this.#configured ?? []) {
      const { setup, web } = opened
      update(opened, keys.has(key) ? setup.tls : undefined)
      web?.update(setup)
    }
    for (const opened of this.#others) update(opened, undefined)
    this.#handed.update(this.#options, transport('frames'))
  }

  /** Its clients finish what they have; after the grace period they are closed. */
  #leave(opened: Opened, graceMs: number): void {
    const { listener } = opened
    this.#leaving.add(opened)
    listener.drain()
    const timer = systemClock.after(graceMs, () => void listener.close())
    void listener.empty().then(() => {
      timer.cancel()
      this.#leaving.delete(opened)
    })
  }

  /** A connection that another process accepted for this listener of the configuration. */
  take(key: string, socket: Socket): void {
    const opened = this.#stopping ? undefined : this.#configured?.get(key)
    if (opened === undefined) socket.destroy()
    else opened.listener.take(socket)
  }

  /** A connection that somebody else accepted. */
  serve(socket: Socket): void {
    if (this.#stopping) socket.destroy()
    else if (this.#handed.track(socket)) this.#handed.accept(socket)
  }

  /** From now on nothing new is listened on. */
  stop(): void {
    this.#stopping = true
    this.#tickets.close()
  }

  /** Accepts nothing new, and tells the clients; they finish what they have. */
  drain(): void {
    this.stop()
    for (const acceptor of this.#acceptors()) acceptor.drain()
  }

  /** Resolves when no connection is left, or after this time. */
  empty(atMostMs: number): Promise<void> {
    return new Promise(resolve => {
      const timer = systemClock.after(atMostMs, resolve)
      void Promise.all(this.#acceptors().map(acceptor => acceptor.empty())).then(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  /** Resolves when the last connection is gone. */
  async close(): Promise<void> {
    this.stop()
    await Promise.all(this.#acceptors().map(acceptor => acceptor.close()))
  }
}

function closed(cause?: unknown): Error {
  return new Error('the proxy is closed', cause === undefined ? undefined : { cause })
}
