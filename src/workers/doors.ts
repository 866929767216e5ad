/** Where a primary listens: it accepts connections and reads nothing of them. */
import net from 'node:net'
import type { Logger } from 'pino'
import { changed } from '../backend/changed.ts'
import { listenersByKey } from '../proxy/front-change.ts'
import type { ListenerSetup } from '../proxy/setup.ts'
import { type BoundAddress, ListeningSocket } from '../transport/listening-socket.ts'
import type { Connection } from './worker-handle.ts'

export interface DoorsChange {
  /** The listeners, with where each has its socket. */
  readonly listeners: readonly ListenerSetup[]
  commit(): void
  discard(): void
}

interface Door {
  readonly setup: ListenerSetup
  readonly socket: ListeningSocket
  readonly bound: BoundAddress
  /** Accepted before the workers know the listener. */
  readonly early: Connection[]
  isOpen: boolean
}

export class Doors {
  readonly #log: Logger
  readonly #onConnection: (connection: Connection) => void
  #doors = new Map<string, Door>()
  #stopped = false

  constructor(log: Logger, onConnection: (connection: Connection) => void) {
    this.#log = log
    this.#onConnection = onConnection
  }

  get isOpen(): boolean {
    return this.#doors.size > 0
  }

  get addresses(): BoundAddress[] {
    return [...this.#doors.values()].map(({ bound }) => bound)
  }

  /** Binds what is new. @throws the system's error where an address cannot be had, with nothing left open */
  async prepare(listeners: readonly ListenerSetup[]): Promise<DoorsChange> {
    const after = listenersByKey(listeners)
    // What of a listener may change is for the workers to say.
    const { added } = changed<unknown>(this.#doors, after, () => false)
    const opened = new Map<string, Door>()
    const discard = () => {
      for (const { socket, early } of opened.values()) {
        socket.stop()
        for (const one of early) one.socket.destroy()
      }
    }
    try {
      for (const key of added) opened.set(key, await this.#open(key, after.get(key)!))
    } catch (error) {
      discard()
      throw error
    }
    const bound = Array.from(after, ([key, setup]) => ({
      ...setup,
      bound: (opened.get(key) ?? this.#doors.get(key))!.bound,
    }))
    return { listeners: bound, commit: () => this.#replace(after, opened), discard }
  }

  async #open(listener: string, setup: ListenerSetup): Promise<Door> {
    const early: Connection[] = []
    const server = net.createServer({ pauseOnConnect: true }, socket => {
      // Of a client that has gone meanwhile.
      socket.on('error', () => {})
      const connection = { listener, socket }
      if (door?.isOpen) this.#onConnection(connection)
      else early.push(connection)
    })
    const onAcceptError = (error: Error) =>
      this.#log.info({ peer: 'accept', refusal: 'too-many', detail: error.message }, 'connection refused')
    const socket = new ListeningSocket(server, setup, onAcceptError, listener)
    let door: Door | undefined
    const bound = await socket.listen()
    door = { setup, socket, bound, early, isOpen: false }
    if (this.#stopped) {
      socket.stop()
      throw new Error('the proxy is closed')
    }
    return door
  }

  #replace(after: ReadonlyMap<string, ListenerSetup>, opened: ReadonlyMap<string, Door>): void {
    const before = this.#doors
    this.#doors = new Map([...after.keys()].map(key => [key, before.get(key) ?? opened.get(key)!]))
    for (const [key, { socket }] of before) if (!after.has(key)) socket.stop()
    for (const door of opened.values()) {
      const { address } = door.bound
      const { tls, transport } = door.setup
      this.#log.info({ address, tls: tls !== undefined, transport }, `listening on ${address}`)
      door.isOpen = true
      for (const connection of door.early.splice(0)) this.#onConnection(connection)
    }
  }

  /** Accepts no more. */
  stop(): void {
    this.#stopped = true
    for (const { socket } of this.#doors.values()) socket.stop()
    this.#doors.clear()
  }
}
