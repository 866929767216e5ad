/** Sessions to the simulated endpoints: what the backend knows of a transport, without bytes. */
import type {
  ClientSession,
  ClientSessionOwner,
  ClientTransport,
  DialAddress,
  HeaderBlock,
  Stream,
  StreamEnd,
  StreamOwner,
} from '../../src/transport/transport.ts'
import type { Agenda } from './agenda.ts'
import type { Server } from './server.ts'

/** From dialling to SETTINGS. */
const CONNECT_MS = 1
const MAX_STREAMS = 100

const field = (name: string, value: string) => ({ name, value, neverIndexed: false })
const ANSWER: HeaderBlock = [field(':status', '200'), field('grpc-status', '0')]
const CLEAN: StreamEnd = { kind: 'clean' }
const LOST: StreamEnd = { kind: 'lost', by: 'peer', unprocessed: false, reason: 'the endpoint is gone' }

export class SimulatedStream implements Stream {
  readonly queuedBytes = 0
  readonly #owner: StreamOwner
  readonly #session: SimulatedSession
  open = true

  constructor(session: SimulatedSession, owner: StreamOwner) {
    this.#session = session
    this.#owner = owner
  }

  sendHeaders(): void {
    this.#session.server.accept(this)
  }

  answer(): void {
    this.#owner.onHeaders(ANSWER, true)
    this.end(CLEAN)
  }

  end(how: StreamEnd): void {
    this.open = false
    this.#session.ended(this)
    this.#owner.onClosed(how)
  }

  // No call of the simulation sends data, or is given up.
  sendData(): boolean {
    return true
  }
  sendTrailers(): void {}
  reset(): void {}
  resetWhenSent(): void {}
  release(): void {}
  mute(): void {}
}

export class SimulatedSession implements ClientSession {
  readonly server: Server
  readonly #owner: ClientSessionOwner
  readonly #streams = new Set<SimulatedStream>()
  readonly #agenda: Agenda
  answered = false
  readonly received = 0
  #ready = false
  #leaving = false
  #closed = false
  #wasFull = false

  constructor(server: Server, owner: ClientSessionOwner, agenda: Agenda) {
    this.server = server
    this.#owner = owner
    this.#agenda = agenda
    server.sessions.add(this)
    agenda.after(CONNECT_MS, () => {
      if (this.#closed) return
      if (server.stopped) return this.#close('connection refused')
      this.#ready = true
      owner.onReady(this)
    })
  }

  get streams(): number {
    return this.#streams.size
  }

  get free(): number {
    if (!this.#ready || this.#leaving || this.#closed) return 0
    const free = MAX_STREAMS - this.#streams.size
    if (free === 0) this.#wasFull = true
    return free
  }

  open(owner: StreamOwner): SimulatedStream {
    const stream = new SimulatedStream(this, owner)
    this.#streams.add(stream)
    return stream
  }

  ended(stream: SimulatedStream): void {
    this.#streams.delete(stream)
    if (this.#leaving && this.#streams.size === 0) this.#agenda.after(0, () => this.#close('done'))
    if (!this.#wasFull || this.free === 0) return
    this.#wasFull = false
    this.#owner.onFree(this)
  }

  /** The endpoint says GOAWAY. */
  goAway(): void {
    if (this.#leaving || this.#closed) return
    if (!this.#ready) return
    this.#leaving = true
    this.#owner.onDraining(this, 0, '')
    if (this.#streams.size === 0) this.#close('done')
  }

  /** The connection ends. @returns how many calls were on it */
  break(): number {
    const streams = [...this.#streams]
    for (const stream of streams) stream.end(LOST)
    this.#close('connection reset')
    return streams.length
  }

  #close(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    this.server.sessions.delete(this)
    this.#owner.onSessionClosed(this, reason)
  }

  /** Nobody here asks. */
  ping(): void {}

  retire(): void {
    this.#leaving = true
    if (this.#streams.size === 0) this.#agenda.after(0, () => this.#close('retired'))
  }

  destroy(): void {
    this.#agenda.after(0, () => this.break())
  }
}

export class SimulatedTransport implements ClientTransport {
  readonly name = 'frames'
  /** By the names of their addresses. */
  readonly #servers: ReadonlyMap<string, Server>
  readonly #agenda: Agenda
  /** Sessions that were dialled. */
  dialled = 0

  constructor(servers: ReadonlyMap<string, Server>, agenda: Agenda) {
    this.#servers = servers
    this.#agenda = agenda
  }

  connect(address: DialAddress, owner: ClientSessionOwner): ClientSession {
    this.dialled++
    return new SimulatedSession(this.#servers.get(address.name)!, owner, this.#agenda)
  }
}
