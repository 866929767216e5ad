/**
 * What downstream and upstream sessions have in common: a `Connection` of `wire/` on a byte stream, with a
 * clock, because the connection itself reads none.
 *
 * ```
 *   socket ──bytes──▶ connection ──▶ streams, owners
 *   socket ◀─write─── flush ◀── (onPending, one flush a turn for all: flusher.ts)
 * ```
 *
 * Its life: open → ending (GOAWAY is on its way, what arrives is ignored, the socket gets `LINGER_MS`) → gone.
 */
import net from 'node:net'
import type { Duplex } from 'node:stream'
import { Connection } from '../../wire/connection.ts'
import type { ConnectionLimits, ConnectionOwner } from '../../wire/connection-options.ts'
import { ErrorCode } from '../../wire/errors.ts'
import { framesTaken } from '../../wire/frame-in-hand.ts'
import { ConnectionError, type StreamError } from '../../wire/protocol-error.ts'
import type { Role } from '../../wire/settings.ts'
import type { WireStream, WireStreamOwner } from '../../wire/stream.ts'
import { Work } from '../../wire/work.ts'
import { reasonOf } from '../connect-failure.ts'
import { WheelTimer } from '../timer-wheel.ts'
import { HeadersRefused } from '../transport.ts'
import { type Flushable, flushNow, flushSoon } from './flusher.ts'
import type { FramesContext } from './frames-context.ts'
import { countWork, giveShare, type Rest, type Waiting, waitForTurn } from './shares.ts'
import { HeldBack } from './stalls.ts'

/** How long the other side has to take our last bytes and to close the connection. */
const LINGER_MS = 1_000
/**
 * At most this many bytes wait for a peer that does not read. Beyond it nothing more is read from a client, because
 * what waits are answers to what it sent, and a backend gets no more calls. DATA alone never comes near it.
 */
export const MAX_UNSENT_BYTES = 1_048_576
/** How often the allowances against floods are refilled, though only when something arrives. */
const TICK_MS = 1_000

const refuse = (reason: string, tooLarge: boolean): HeadersRefused => new HeadersRefused(reason, tooLarge)

export abstract class FramesSession implements ConnectionOwner, Flushable, Waiting {
  readonly work: Work = new Work()
  readonly shared: boolean
  waited: number = Number.MIN_SAFE_INTEGER
  protected readonly connection: Connection
  protected readonly context: FramesContext
  #socket: Duplex | undefined
  /**
   * Whether the kernel has the bytes that a write took, or a copy of them, so that their memory may be written again.
   */
  #reusable = false
  #attached = false
  #ending = false
  #gone = false
  #paused = false
  /**
   * Usually at most one; a byte stream that goes on after `pause` may cause more. While there is one, nothing is read.
   */
  readonly #rests: Rest[] = []
  #waiting = false
  #error: Error | undefined
  #ticked: number
  /** Waits for our SETTINGS to be acknowledged, and later for a header block that does not end. */
  readonly #waits: WheelTimer = new WheelTimer(() => this.#waitedEnough())
  /** The header block that the timer is for, or 0. At first the timer is for SETTINGS. */
  #waitsFor = -1
  /** Waits for a peer that takes nothing of what waits for it. */
  readonly #stalls: WheelTimer = new WheelTimer(() => this.#stalled())
  #sentBytes = 0
  readonly #heldBack: HeldBack
  #reads = 0
  /** How many writes the socket has finished, and how many they were when the timer was armed. */
  #writes = 0
  #seenWrites = 0
  readonly #lingers: WheelTimer = new WheelTimer(() => this.#socket!.destroy())

  constructor(role: Role, limits: ConnectionLimits, context: FramesContext) {
    this.context = context
    this.shared = role === 'client'
    this.#ticked = context.clock.now()
    const { budget } = context
    const { frames: counts, stalls } = context.counts[role]
    this.#heldBack = new HeldBack(stalls)
    this.connection = new Connection({ role, limits, owner: this, refuse, budget, work: this.work, counts })
  }

  /** The other end, for logs. */
  protected abstract readonly peerName: string
  abstract onReady(): void
  abstract onStream(stream: WireStream): WireStreamOwner
  abstract onFree(): void
  abstract onGoaway(code: ErrorCode, debug: string): void
  /** It comes last and once, in a turn of its own. */
  protected abstract onGone(reason: string): void

  /**
   * The byte stream is there: reads it and sends our preface. What the stream reads by itself (`onread`) it need not
   * emit.
   */
  protected attach(socket: Duplex): void {
    this.#attached = true
    this.#reusable = socket instanceof net.Socket
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    this.connection.start()
    this.arm(this.#waits, this.context.limits.settingsTimeoutMs)
  }

  /** To be attached to the byte stream as soon as that exists. */
  protected watch(socket: Duplex): void {
    this.#socket = socket
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  readonly #onData = (chunk: Buffer): void => {
    // A chunk of a socket was read for us alone. A chunk of another stream may be somebody's constant.
    this.read(chunk, chunk.length, this.#reusable)
    framesTaken()
  }

  /** @returns whether the buffer may be written again */
  protected readInto(buffer: Buffer, bytes: number): boolean {
    this.read(buffer, bytes, true)
    // What was taken stays in the buffer until it is sent, which is at once if the sockets take it.
    const free = !framesTaken() || flushNow()
    const rest = this.#rests.at(-1)
    if (rest?.chunk !== buffer) return free
    rest.pinned = !free
    return false
  }

  /** Bytes beyond the connection's share of this turn wait for another turn. */
  protected read(chunk: Buffer, end: number, rewritable: boolean): void {
    let at = 0
    if (this.#rests.length === 0) {
      at = this.#receive(chunk, 0, end, rewritable)
      if (at === end) return
      this.#socket!.pause()
      this.#waitForTurn()
    }
    this.#rests.push({ chunk, at, end, rewritable, pinned: false })
  }

  goOn(): boolean {
    if (!this.#waiting) return false
    for (let rest = this.#rests[0]; rest !== undefined; rest = this.#rests[0]) {
      // Nothing more is read for a peer that takes nothing, and what a peer sent that is gone needs no answer.
      if (this.#paused && !this.#gone) break
      rest.at = this.#receive(rest.chunk, rest.at, rest.end, rest.rewritable)
      if (framesTaken() && !flushNow()) rest.pinned = true
      if (rest.at < rest.end) return true
      this.#rests.shift()
      if (!rest.pinned) this.onUsed(rest.chunk)
    }
    this.#waiting = false
    if (this.#gone) this.#tellGone()
    else if (!this.#paused) this.#socket!.resume()
    return false
  }

  #waitForTurn(): void {
    if (this.#waiting) return
    this.#waiting = true
    waitForTurn(this)
  }

  /** The buffer that `readInto` had kept may be written again. */
  protected onUsed(_buffer: Buffer): void {}

  /** Something was received. */
  protected onReceived(): void {}

  #receive(chunk: Buffer, start: number, end: number, rewritable: boolean): number {
    const { connection, work } = this
    this.#reads++
    const now = this.context.clock.now()
    if (now - this.#ticked >= TICK_MS) {
      this.#ticked = now
      connection.tick(now)
    }
    giveShare(this)
    const before = work.left
    let at = end
    try {
      at = connection.receive(chunk, end, rewritable, now, start)
    } catch (error) {
      this.context.onFault(error as Error)
    }
    countWork(this, before)
    this.onReceived()
    if (this.#stalls.armed && !this.#unread) this.#watchStall()
    if (connection.unfinishedBlock !== this.#waitsFor && connection.settingsPending === 0) this.#watchBlock()
    if (this.#paused) return at
    // A backend that reads nothing because we read nothing would wait for us forever, so it gets no calls instead.
    if (connection.pendingBytes > MAX_UNSENT_BYTES || (connection.role === 'server' && this.clogged)) this.#pause()
    return at
  }

  /** The socket holds too much that it cannot write: HEADERS and control frames, which no window holds back. */
  protected get clogged(): boolean {
    return this.#socket !== undefined && this.#socket.writableLength > MAX_UNSENT_BYTES
  }

  /** Bytes that wait for a flush, or for the socket. */
  protected get unsentBytes(): number {
    return this.connection.pendingBytes + (this.#socket?.writableLength ?? 0)
  }

  /** All that waited was written. */
  protected onTaken(): void {}

  #watchBlock(): void {
    this.#waitsFor = this.connection.unfinishedBlock
    if (this.#waitsFor > 0) this.arm(this.#waits, this.context.limits.headersTimeoutMs)
    else this.context.wheel.disarm(this.#waits)
  }

  #waitedEnough(): void {
    this.connection.fail(
      this.#waitsFor > 0
        ? new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'slow-headers', 'a header block did not end in time')
        : new ConnectionError(ErrorCode.SETTINGS_TIMEOUT, 'settings-timeout', 'SETTINGS were not acknowledged in time'),
    )
  }

  #pause(): void {
    this.#paused = true
    this.#socket!.pause()
    if (!this.#stalls.armed) this.#watchStall()
  }

  onPending(): void {
    flushSoon(this)
  }

  flush(): boolean {
    const { connection } = this
    const spans = this.#take()
    const socket = this.#socket
    const last = spans.length - 1
    if (socket === undefined || this.#gone || last < 0) return this.#afterFlush()
    if (last > 0) socket.cork()
    for (let i = 0; i < last; i++) socket.write(spans[i]!)
    socket.write(spans[last]!, this.#onWritten)
    if (last > 0) socket.uncork()
    const sent = socket.writableLength === 0
    if (!sent) connection.congested = true
    else if (this.#reusable) connection.reuse()
    this.#afterFlush()
    return sent && this.#reusable
  }

  #afterFlush(): boolean {
    this.#heldBack.look(this.connection)
    if (!this.#gone && this.#unread !== this.#stalls.armed) this.#watchStall()
    return this.#endIfOver()
  }

  #take(): Buffer[] {
    try {
      return this.connection.flush()
    } catch (error) {
      this.context.onFault(error as Error)
      return this.connection.flush()
    }
  }

  /** The peer must take something before anything goes on. */
  get #unread(): boolean {
    return this.connection.queuedBytes > 0 || this.#paused || this.clogged
  }

  #watchStall(): void {
    if (!this.#unread) return this.context.wheel.disarm(this.#stalls)
    this.#sentBytes = this.connection.sentBytes
    this.#seenWrites = this.#writes
    this.arm(this.#stalls, this.context.limits.stallTimeoutMs)
  }

  #stalled(): void {
    const { connection } = this
    if (connection.over !== undefined || !this.#unread) return
    // While the socket is full no DATA goes out. Otherwise, what it takes besides DATA says nothing about windows.
    const moves = this.clogged ? this.#writes !== this.#seenWrites : connection.sentBytes !== this.#sentBytes
    if (moves) return this.#watchStall()
    connection.fail(
      new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'stalled', 'nothing was taken of what waits for the peer'),
    )
  }

  readonly #onWritten = (): void => {
    const { connection } = this
    const socket = this.#socket!
    this.#writes++
    // The last write of a socket that is destroyed ends in this way too.
    if (socket.destroyed || socket.writableLength > 0) return
    if (this.#reusable) connection.reuse()
    if (connection.congested) connection.congested = false
    if (this.#paused && connection.pendingBytes <= MAX_UNSENT_BYTES) {
      this.#paused = false
      if (this.#rests.length > 0) this.#waitForTurn()
      else socket.resume()
      flushSoon(this)
    }
    this.onTaken()
  }

  onStreamError(error: StreamError): void {
    this.context.onViolation(this.peerName, error)
  }

  onFailed(error: ConnectionError): void {
    this.#error ??= error
    this.context.onViolation(this.peerName, error)
    this.context.wheel.disarm(this.#waits)
    this.context.wheel.disarm(this.#stalls)
  }

  onDrained(): void {
    this.connection.end('drained')
    flushSoon(this)
  }

  ping(): void {
    this.connection.ping()
  }

  /** While nothing is read for a peer that takes nothing, what it takes says that it is there. */
  get received(): number {
    return this.#reads + (this.#paused ? this.#writes : 0)
  }

  /** Everything was said: our side closes once it is written, and the whole socket a moment later. */
  #endIfOver(): boolean {
    if (this.connection.over === undefined || this.#ending || this.#gone || this.#socket === undefined) return true
    this.#ending = true
    this.#rests.length = 0
    this.context.wheel.disarm(this.#waits)
    this.#socket.end()
    // What still arrives is read and dropped. Otherwise the kernel answers it with a reset, and our GOAWAY is lost.
    this.#socket.resume()
    this.arm(this.#lingers, LINGER_MS)
    return true
  }

  /** Ends the session now; what is queued is still written. */
  destroy(reason = 'closed by the proxy'): void {
    if (!this.#attached) return this.lose(new Error('gave up connecting'))
    this.connection.end(reason)
    flushSoon(this)
  }

  /** Why it is or was lost. */
  protected lose(error: Error): void {
    this.#error ??= error
    this.#socket?.destroy()
  }

  readonly #onError = (error: Error): void => {
    this.#error ??= error
  }

  readonly #onEnd = (): void => {
    this.connection.closed(this.#reason)
    flushSoon(this)
  }

  readonly #onClose = (): void => {
    if (this.#gone) return
    this.#gone = true
    // Answers of a backend that came still count, but nobody waits for what a client asked.
    if (this.#rests.length > 0 && this.connection.role === 'client') this.#waitForTurn()
    else this.#tellGone()
  }

  #tellGone(): void {
    this.#rests.length = 0
    this.#waiting = false
    this.context.wheel.disarm(this.#waits)
    this.context.wheel.disarm(this.#stalls)
    this.context.wheel.disarm(this.#lingers)
    this.connection.closed(this.#reason)
    this.#heldBack.look(this.connection)
    this.onGone(this.connection.over ?? this.#reason)
  }

  get #reason(): string {
    return this.#error ? reasonOf(this.#error) : `${this.peerName} closed the connection`
  }

  protected arm(timer: WheelTimer, ms: number): void {
    this.context.wheel.arm(timer, this.context.clock.now() + ms)
  }
}
