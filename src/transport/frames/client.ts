/** The upstream side on our own frames: sessions to endpoints. */
import net from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { ConnectionLimits } from '../../wire/connection-options.ts'
import type { ErrorCode } from '../../wire/errors.ts'
import { MAX_31_BIT } from '../../wire/frame.ts'
import { lentBuffer } from '../../wire/lent.ts'
import type { WireStream, WireStreamOwner } from '../../wire/stream.ts'
import { plainReason } from '../connect-failure.ts'
import { awaitedBy, dial } from '../dial.ts'
import { WheelTimer } from '../timer-wheel.ts'
import type {
  Awaited,
  ClientSession,
  ClientSessionOwner,
  ClientTransport,
  DialAddress,
  Stream,
  StreamOwner,
} from '../transport.ts'
import { connectionLimits, type FramesContext } from './frames-context.ts'
import { FramesSession, MAX_UNSENT_BYTES } from './session.ts'

/**
 * Sizes of read buffers. A session begins with the first; a buffer that a read fills is followed by the next larger
 * one. A frame of 16 KiB that a read cuts is copied; with the largest buffer that is one frame in sixteen.
 */
const READ_BYTES = [16_384, 65_536, 262_144] as const

/** Connecting, then open, then draining or not, then closed. */
class FramesClientSession extends FramesSession implements ClientSession {
  readonly #address: DialAddress
  readonly #owner: ClientSessionOwner
  #draining = false
  answered = false
  /**
   * Somebody asked for `free` and got 0, because the socket is full or there is no window for what a new call would
   * bring.
   */
  #wasClogged = false
  #size = 0
  /** Waits for window that clients do not let the backend have. */
  readonly #starves: WheelTimer = new WheelTimer(() => this.#shed())
  /** The buffer of the next read, until that read has begun; after that only if it is another buffer. */
  #buffer: Buffer | undefined = lentBuffer(READ_BYTES[0])
  #reading = false
  /** A buffer that was read into and is free again. */
  #spare: Buffer | undefined
  #socket: Duplex | undefined

  constructor(address: DialAddress, owner: ClientSessionOwner, limits: ConnectionLimits, context: FramesContext) {
    super('client', limits, context)
    this.#address = address
    this.#owner = owner
    try {
      this.#dial()
    } catch (error) {
      // A user's `connect` may throw anything.
      queueMicrotask(() => this.onGone(error instanceof Error ? error.message : String(error)))
    }
  }

  #dial(): void {
    const { tls } = this.#address
    const socket = dial(this.#address, {
      tickets: this.context.tickets,
      onread: { buffer: this.#takeBuffer as () => Uint8Array, callback: this.#onRead },
    })
    this.#socket = socket
    this.watch(socket)
    if (tls !== undefined) socket.once('secureConnect', () => this.#secured(socket as TLSSocket))
    else if (socket instanceof net.Socket && socket.connecting) socket.once('connect', () => this.attach(socket))
    else this.attach(socket)
  }

  #secured(socket: TLSSocket): void {
    if (socket.alpnProtocol === 'h2') this.attach(socket)
    // RFC 9113 §3.2: "Implementations that support HTTP/2 over TLS MUST use protocol negotiation in TLS [TLS-ALPN]."
    else this.lose(new Error('the endpoint did not negotiate "h2" by ALPN'))
  }

  /** Asked by the socket before its first read and after each. */
  readonly #takeBuffer = (): Buffer | undefined => {
    const buffer = this.#buffer
    // One connect may try several addresses, and the socket of each asks.
    if (this.#reading) this.#buffer = undefined
    return buffer
  }

  readonly #onRead = (bytes: number, buffer: Buffer): boolean => {
    if (!this.#reading) {
      this.#reading = true
      this.#buffer = undefined
    }
    const free = this.readInto(buffer, bytes)
    if (bytes === buffer.length && this.#size < READ_BYTES.length - 1) this.#size++
    else if (free) return true
    this.#buffer = this.#spare ?? lentBuffer(READ_BYTES[this.#size]!)
    this.#spare = undefined
    return true
  }

  protected override onUsed(buffer: Buffer): void {
    if (buffer.length === READ_BYTES[this.#size]) this.#spare = buffer
  }

  protected override onReceived(): void {
    if (this.connection.starved && !this.#starves.armed) this.#watchReaders()
  }

  #watchReaders(): void {
    this.connection.markConsumers()
    this.arm(this.#starves, this.context.limits.slowReaderTimeoutMs)
  }

  #shed(): void {
    if (!this.connection.starved) return
    try {
      this.connection.shed()
    } catch (error) {
      this.context.onFault(error as Error)
    }
    if (this.connection.starved) this.#watchReaders()
  }

  protected get peerName(): string {
    return this.#address.name
  }

  get awaited(): Awaited {
    return awaitedBy(this.#socket)
  }

  get streams(): number {
    return this.connection.streams
  }

  get free(): number {
    const free = this.#draining ? 0 : this.connection.free
    if (free === 0) return 0
    this.#wasClogged ||= this.#isClogged
    return this.#wasClogged ? 0 : free
  }

  get #isClogged(): boolean {
    return this.clogged || this.connection.pendingBytes > MAX_UNSENT_BYTES || this.connection.starved
  }

  override flush(): boolean {
    const sent = super.flush()
    if (this.#wasClogged) this.#hasRoom()
    return sent
  }

  protected override onTaken(): void {
    if (this.#wasClogged) this.#hasRoom()
  }

  #hasRoom(): void {
    if (this.#isClogged) return
    this.#wasClogged = false
    this.onFree()
  }

  open(owner: StreamOwner): Stream {
    return this.connection.openStream(owner)
  }

  onReady(): void {
    this.#owner.onReady(this)
  }

  /** The peer may not push, and it opens no other streams. */
  onStream(_stream: WireStream): WireStreamOwner {
    throw new Error('a server opened a stream')
  }

  onFree(): void {
    this.#owner.onFree(this)
  }

  onSpent(): void {
    this.#owner.onSpent(this)
  }

  retire(): void {
    this.#draining = true
    this.connection.drain()
  }

  onGoaway(code: ErrorCode, debug: string): void {
    this.#draining = true
    this.#owner.onDraining(this, code, debug)
  }

  protected onGone(reason: string): void {
    this.#draining = true
    this.context.wheel.disarm(this.#starves)
    this.#owner.onSessionClosed(this, plainReason(reason))
  }
}

/** @returns a transport whose `:scheme` is the relay's business: it sends blocks as they are. */
export function framesClientTransport(context: FramesContext): ClientTransport {
  // The peer limits how many streams there are.
  const limits = connectionLimits(context.limits, MAX_31_BIT)
  return {
    name: 'frames',
    connect: (address, owner) => new FramesClientSession(address, owner, limits, context),
  }
}
