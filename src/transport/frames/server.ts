/** The downstream side on our own frames: sessions made of accepted sockets. */
import type { Socket } from 'node:net'
import type { ConnectionLimits } from '../../wire/connection-options.ts'
import { ErrorCode } from '../../wire/errors.ts'
import { ConnectionError } from '../../wire/protocol-error.ts'
import type { WireStream, WireStreamOwner } from '../../wire/stream.ts'
import { peerOf } from '../peer.ts'
import { WheelTimer } from '../timer-wheel.ts'
import type { Peer, ServerSession, ServerSessionOwner, ServerTransport } from '../transport.ts'
import { connectionLimits, type FramesContext } from './frames-context.ts'
import { FramesSession, MAX_UNSENT_BYTES } from './session.ts'

/** How long a client has to answer the PING of a drain. After that we assume that it has seen the GOAWAY. */
const DRAIN_PING_MS = 5_000

class FramesServerSession extends FramesSession implements ServerSession {
  readonly peer: Peer
  opened = 0
  kept: unknown
  heldBytes = 0
  /** The part of it that this session counts itself. */
  #countedBytes = 0
  readonly #owner: ServerSessionOwner
  readonly #drainTimer: WheelTimer = new WheelTimer(() => this.connection.drainTimedOut())

  constructor(socket: Socket, owner: ServerSessionOwner, limits: ConnectionLimits, context: FramesContext) {
    super('server', limits, context)
    this.peer = peerOf(socket)
    this.#owner = owner
    this.watch(socket)
    this.attach(socket)
    socket.resume()
  }

  protected override read(chunk: Buffer, end: number, rewritable: boolean): void {
    super.read(chunk, end, rewritable)
    this.#countMemory()
  }

  override flush(): boolean {
    const sent = super.flush()
    if (!sent) this.#countMemory()
    return sent
  }

  protected override onTaken(): void {
    this.#countMemory()
  }

  /**
   * Counts frames and blocks that have not ended, and what the socket leaves unsent beyond the usual, because no window
   * holds back HEADERS and control frames.
   */
  #countMemory(): void {
    const bytes = this.connection.unfinishedBytes + Math.max(0, this.unsentBytes - MAX_UNSENT_BYTES)
    const more = bytes - this.#countedBytes
    if (more === 0) return
    const { memory } = this.context
    if (more < 0) memory.give(this, -more)
    else if (!memory.take(this, more)) return this.#failForMemory()
    this.#countedBytes = bytes
  }

  #failForMemory(): void {
    const text = 'unfinished or unread frames of the client take too much memory'
    this.connection.fail(new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'memory-share', text))
  }

  protected get peerName(): string {
    return this.peer.address
  }

  get streams(): number {
    return this.connection.streams
  }

  onReady(): void {
    this.#owner.onSessionReady(this)
  }

  onStream(stream: WireStream): WireStreamOwner {
    this.opened++
    return this.#owner.onStream(stream, this)
  }

  onFree(): void {
    // A server opens no streams.
  }

  onGoaway(): void {
    // A client's GOAWAY is about streams that we never open. The client ends what it has, and then the connection.
  }

  drain(debug?: string): void {
    this.connection.drain(debug)
    if (this.connection.over === undefined) this.arm(this.#drainTimer, DRAIN_PING_MS)
  }

  protected onGone(reason: string): void {
    this.context.memory.give(this, this.#countedBytes)
    this.#countedBytes = 0
    this.context.wheel.disarm(this.#drainTimer)
    this.#owner.onSessionClosed(this, reason)
  }
}

/** Makes sessions of sockets whose preface was already seen (its bytes were put back). */
export function framesServerTransport(context: FramesContext): ServerTransport {
  const limits = connectionLimits(context.limits, context.limits.maxConcurrentStreams)
  return {
    name: 'frames',
    accept: (socket, owner) => new FramesServerSession(socket, owner, limits, context),
  }
}
