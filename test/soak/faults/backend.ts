/** An endpoint that does to its calls what their plans say, and can be told to do worse to its sessions. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Code, Setting, type Settings } from '../../support/frames.ts'
import type { DecodedField } from '../../support/hpack.ts'
import { Answer } from './answer.ts'
import type { Ledger } from './ledger.ts'
import { Peer, type PeerOwner } from './peer.ts'
import type { PeerStream, StreamOwner } from './peer-stream.ts'

const LINGER_MS = 3_000

/** A session from the proxy. */
export class Session implements PeerOwner {
  readonly name: string
  readonly peer: Peer
  readonly #backend: Backend
  readonly #ledger: Ledger
  /** By stream id. */
  readonly answers = new Map<number, Answer>()
  /** GOAWAY was sent. */
  leaving = false
  /** Ended by us, or by a relay for us. */
  #ended = false
  readonly #waiting: (() => void)[] = []

  constructor(name: string, socket: Socket, settings: Settings, backend: Backend, ledger: Ledger) {
    this.name = name
    this.#backend = backend
    this.#ledger = ledger
    this.peer = new Peer(socket, 'server', settings, this)
  }

  onStream(stream: PeerStream, fields: readonly DecodedField[], endStream: boolean): StreamOwner | undefined {
    const id = Number(fields.find(field => field.name === 'soak-call')?.value)
    const call = this.#ledger.calls.get(id)
    if (call === undefined) {
      this.complain(`a call that nobody made: ${JSON.stringify(fields.map(f => `${f.name}: ${f.value.slice(0, 40)}`))}`)
      return undefined
    }
    call.visits.push({ port: this.#backend.port, session: this.name, atMs: performance.now() })
    if (call.plan.pool !== this.#backend.pool) this.#ledger.complain(`came to ${this.name}`, call)
    if (stream.id > this.peer.lastAccepted) {
      call.mark('unprocessed', `${stream.id} is above GOAWAY's ${this.peer.lastAccepted} on ${this.name}`)
      return undefined
    }
    const answer = new Answer(call, stream, this.#ledger, () => this.#answered(stream.id))
    this.answers.set(stream.id, answer)
    stream.owner = answer
    answer.begin(fields, endStream)
    return answer
  }

  #answered(streamId: number): void {
    this.answers.delete(streamId)
    if (this.answers.size === 0) for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Resolves when no call is on it. */
  idle(): Promise<void> {
    if (this.answers.size === 0) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  /** From now on it is our doing that its calls fail. */
  doom(text: string): void {
    if (this.#ended) return
    this.#ended = true
    this.#ledger.trouble(this.#backend.port, text)
    for (const { call } of this.answers.values()) call.mark('session-ended', `${text}, ${this.name}`)
  }

  /** GOAWAY; streams above `last` are forgotten as if they had never come. */
  goaway(last: number, code: number): void {
    this.leaving = true
    this.#ledger.goaway(this.#backend.port)
    this.peer.lastAccepted = Math.min(last, this.peer.lastAccepted)
    for (const [id, answer] of [...this.answers]) {
      if (id <= last) continue
      answer.call.mark('unprocessed', `GOAWAY ${last} code ${code}, stream ${id} on ${this.name}`)
      answer.drop()
    }
    this.peer.goaway(last, code)
  }

  /** All was said. Reads on until the other end closes too: closed at once, the kernel may reset what it has not read. */
  finish(): void {
    const { socket } = this.peer
    if (!this.peer.open) return
    socket.end()
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => clearTimeout(timer))
  }

  end(how: 'fin' | 'destroy' | 'reset', text: string = how): void {
    this.doom(text)
    const { socket } = this.peer
    if (how === 'reset') socket.resetAndDestroy()
    else if (how === 'destroy') socket.destroy()
    else socket.destroySoon()
  }

  onGoaway(): void {}

  onClosed(): void {
    if (!this.#ended && !this.leaving && !this.#backend.stopping && this.answers.size > 0) {
      this.complain(`the proxy ended the session under ${this.answers.size} streams`)
    }
    for (const answer of [...this.answers.values()]) answer.onLost()
    this.#backend.sessions.delete(this)
  }

  complain(text: string): void {
    this.#ledger.complain(`on ${this.name}: ${text}`)
  }
}

export class Backend {
  readonly name: string
  readonly pool: 'calm' | 'storm'
  readonly sessions = new Set<Session>()
  readonly #ledger: Ledger
  readonly #settings: () => Settings
  #server: Server | undefined
  #port = 0
  #count = 0
  stopping = false
  /** Told to the proxy where a relay stands in front. */
  publicPort = 0

  /** @param settings of each new session */
  constructor(name: string, pool: 'calm' | 'storm', ledger: Ledger, settings: () => Settings = () => ({})) {
    this.name = name
    this.pool = pool
    this.#ledger = ledger
    this.#settings = settings
  }

  /** The port that the proxy knows. */
  get port(): number {
    return this.publicPort === 0 ? this.#port : this.publicPort
  }

  /** On the same port each time. */
  async listen(): Promise<number> {
    const server = createServer(socket => this.#accept(socket))
    this.#server = server
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    return this.#port
  }

  #accept(socket: Socket): void {
    const session = new Session(`${this.name}#${++this.#count}`, socket, this.#settings(), this, this.#ledger)
    session.peer.raiseWindow(4 * 2 ** 20)
    this.sessions.add(session)
  }

  /** The process is gone: the port is closed, and its connections. */
  async kill(how: 'fin' | 'destroy' | 'reset'): Promise<void> {
    const server = this.#server
    this.#server = undefined
    this.#ledger.trouble(this.port, 'killed')
    server?.close()
    for (const session of [...this.sessions]) session.end(how, `killed by ${how}`)
    if (server !== undefined) await once(server, 'close')
  }

  /** At the end of all. */
  async stop(): Promise<void> {
    this.stopping = true
    if (this.#server !== undefined) await this.kill('destroy')
  }
}

/** What sessions say at first; the calm ones are not all alike either. */
export const PLAIN: Settings = { [Setting.MAX_CONCURRENT_STREAMS]: 1_000 }
export const ERROR_CODES = [Code.INTERNAL_ERROR, Code.ENHANCE_YOUR_CALM, Code.PROTOCOL_ERROR, Code.INADEQUATE_SECURITY]
