/** Downstream on our own frames: sessions made of accepted sockets. */
import type { Socket } from 'node:net'
import type { ConnectionLimits } from '../../wire/connection-options.ts'
import type { WireStream, WireStreamOwner } from '../../wire/stream.ts'
import { peerOf } from '../peer.ts'
import { WheelTimer } from '../timer-wheel.ts'
import type { Peer, ServerSession, ServerSessionOwner, ServerTransport } from '../transport.ts'
import { connectionLimits, type FramesContext } from './frames-context.ts'
import { FramesSession } from './session.ts'

/** A client has so long to answer the PING of a drain, before it is taken to have seen the GOAWAY. */
const DRAIN_PING_MS = 5_000

class FramesServerSession extends FramesSession implements ServerSession {
  readonly peer: Peer
  opened = 0
  kept: unknown
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
    // Servers open no streams.
  }

  onGoaway(): void {
    // A client's GOAWAY is about streams that we never open: it ends what it has, and then the connection.
  }

  drain(): void {
    this.connection.drain()
    if (this.connection.over === undefined) this.arm(this.#drainTimer, DRAIN_PING_MS)
  }

  protected onGone(reason: string): void {
    this.context.wheel.disarm(this.#drainTimer)
    this.#owner.onSessionClosed(this, reason)
  }
}

/** Makes sessions of sockets whose preface was seen already (its bytes are unshifted). */
export function framesServerTransport(context: FramesContext): ServerTransport {
  const limits = connectionLimits(context.limits, context.limits.maxConcurrentStreams)
  return {
    name: 'frames',
    accept: (socket, owner) => new FramesServerSession(socket, owner, limits, context),
  }
}
