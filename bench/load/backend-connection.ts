/** One connection of the suite's own backend: a `Connection` of the wire layer on an accepted socket. */
import type { Socket } from 'node:net'
import { flushSoon } from '../../src/transport/frames/flusher.ts'
import {
  Connection,
  type ConnectionLimits,
  type ConnectionOwner,
  type HeaderField,
  type WireStream,
  type WireStreamOwner,
} from '../../src/wire/index.ts'
import { BackendCall } from './backend-call.ts'
import { type CallPlan, readPlan } from './call-plan.ts'

/** While more than this waits to be written, nothing is read, because what waits are answers to requests. */
const MAX_UNSENT_BYTES = 1_048_576
/** How often allowances against floods are refilled. */
const TICK_MS = 1_000

export class BackendConnection implements ConnectionOwner {
  readonly #connection: Connection
  readonly #socket: Socket
  #tickedMs = performance.now()
  #paused = false
  /** Equal blocks are mostly the same list, so the plan of the last one is also that of the next. */
  #lastBlock: readonly HeaderField[] | undefined
  #lastPlan: CallPlan | undefined

  constructor(socket: Socket, limits: ConnectionLimits) {
    this.#socket = socket
    this.#connection = new Connection({ role: 'server', owner: this, limits })
    socket.on('data', this.#onData)
    socket.on('error', () => {})
    socket.on('close', () => this.#connection.closed('the client closed the connection'))
    this.#connection.start()
  }

  /** The flusher calls it. */
  flush(): boolean {
    const connection = this.#connection
    const socket = this.#socket
    const spans = connection.flush()
    const last = spans.length - 1
    if (last < 0 || socket.destroyed) return true
    if (last > 0) socket.cork()
    for (let i = 0; i < last; i++) socket.write(spans[i]!)
    socket.write(spans[last]!, this.#onWritten)
    if (last > 0) socket.uncork()
    const sent = socket.writableLength === 0
    if (sent) connection.reuse()
    else connection.congested = true
    return sent
  }

  readonly #onData = (chunk: Buffer): void => {
    const connection = this.#connection
    const now = performance.now()
    if (now - this.#tickedMs >= TICK_MS) {
      this.#tickedMs = now
      connection.tick(now)
    }
    connection.receive(chunk)
    if (connection.pendingBytes <= MAX_UNSENT_BYTES) return
    this.#paused = true
    this.#socket.pause()
  }

  readonly #onWritten = (): void => {
    const connection = this.#connection
    if (this.#socket.writableLength > 0) return
    connection.reuse()
    if (connection.congested) connection.congested = false
    if (!this.#paused) return
    this.#paused = false
    this.#socket.resume()
  }

  readonly #planOf = (block: readonly HeaderField[]): CallPlan => {
    if (block !== this.#lastBlock) {
      this.#lastPlan = readPlan(block)
      this.#lastBlock = block
    }
    return this.#lastPlan!
  }

  onPending(): void {
    flushSoon(this)
  }

  onStream(stream: WireStream): WireStreamOwner {
    return new BackendCall(stream, this.#planOf)
  }

  /** The client gets GOAWAY, and reports its calls as failed. */
  onFailed(): void {
    flushSoon({
      flush: () => {
        this.#socket.end()
        return true
      },
    })
  }

  onReady(): void {}
  onFree(): void {}
  onGoaway(): void {}
  onDrained(): void {}
  onPong(): void {}
  onStreamError(): void {}
}
