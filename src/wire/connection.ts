/**
 * One HTTP/2 connection (RFC 9113), either side, without I/O and without a clock of its own.
 *
 * ```
 *   socket ──receive(chunk)──▶ FrameReader ──▶ Inbound ──┐
 *                                                   StreamTable ◀──▶ WireStream ◀──▶ owners
 *   socket ◀──flush()───────── FrameWriter ◀── Outbound ─┘
 * ```
 *
 * The layer around it: `start`; `receive` for each chunk; on `onPending` a `flush` in a later turn of the loop,
 * its spans to the socket, then `congested = true` if that did not take them and `false` once it did, and
 * `reuse` when it has sent them all; `tick` now and then; `closed` when the socket is gone.
 *
 * Nothing a peer does makes it throw: a wrong frame costs a stream (RST_STREAM) or the connection (GOAWAY,
 * `onFailed`). An owner is never called from within its own call: it hears in `flush` of what it caused itself.
 */
import { Allowance } from './allowance.ts'
import {
  CONNECTION_LIMITS,
  type ConnectionLimits,
  type ConnectionOptions,
  type ConnectionOwner,
  settingsOf,
} from './connection-options.ts'
import { ErrorCode } from './errors.ts'
import { MAX_31_BIT } from './frame.ts'
import { withdrawFrame } from './frame-in-hand.ts'
import { FrameReader } from './frame-reader.ts'
import { HpackDecoder } from './hpack/decoder.ts'
import { Inbound, type InboundOwner, PING_BYTES, Ping } from './inbound.ts'
import { MemoryBudget } from './memory-budget.ts'
import { Outbound } from './outbound.ts'
import { ConnectionError, type StreamError, streamError } from './protocol-error.ts'
import { LocalSettings, type Role, Settings } from './settings.ts'
import { SlowReaders } from './slow-readers.ts'
import type { WireStream, WireStreamOwner } from './stream.ts'
import { StreamTable } from './stream-table.ts'

const UNBOUNDED = new MemoryBudget()

export class Connection implements InboundOwner {
  readonly role: Role
  /** What the peer announced. */
  readonly peer: Settings = new Settings()
  /** The useless things that the peer did, and how many more of them are allowed. */
  readonly floods: Allowance
  readonly #owner: ConnectionOwner
  readonly #limits: typeof CONNECTION_LIMITS & ConnectionLimits
  readonly #local: LocalSettings
  readonly #outbound: Outbound
  readonly #table: StreamTable
  readonly #inbound: Inbound
  readonly #reader: FrameReader
  readonly #decoder: HpackDecoder
  #ready = false
  #draining = false
  /** We sent the GOAWAY that names the last stream. */
  #goawaySent = false
  #goawayReceived = false
  #drainedTold = false
  #spentTold = false
  /** `free` was read as 0, so its reader must hear when there is room. */
  #wasFull = false
  readonly #slowReaders = new SlowReaders()
  /** PINGs of the caller that have no ACK yet. */
  #pings = 0
  /** Why it is over. */
  #over: string | undefined

  constructor(options: ConnectionOptions) {
    const { role, owner } = options
    const limits = { ...CONNECTION_LIMITS, ...options.limits }
    const refuse = options.refuse ?? ((reason: string) => new Error(`a block that cannot be sent: ${reason}`))
    const { peer } = this
    this.role = role
    this.#owner = owner
    this.#limits = limits
    this.#local = new LocalSettings(role)
    this.floods = new Allowance(limits.floods, options.counts?.floods)
    this.#outbound = new Outbound(peer, this.floods, limits.maxOutputBytes, refuse, () => owner.onPending())
    this.#outbound.counts = options.counts
    const both = { peer, ours: this.#local.acknowledged }
    this.#table = new StreamTable(role, this.#outbound, both, this.floods, limits, options.budget ?? UNBOUNDED)
    this.#decoder = new HpackDecoder(limits)
    this.#inbound = new Inbound(
      this.#table,
      this.floods,
      this.#decoder,
      peer,
      this.#local,
      this,
      limits.maxConcurrentStreams,
    )
    this.#reader = new FrameReader(this.#inbound, { ...limits, role, work: options.work })
    this.#inbound.work = this.#reader.work
  }

  /** Sends our preface. It must come before anything else. */
  start(): void {
    if (this.role === 'client') this.#outbound.writer.preface()
    const entries = settingsOf(this.role, this.#limits)
    this.#local.announce(entries)
    this.#outbound.settings(entries)
    this.#table.openWindow()
  }

  /**
   * Bytes came: `chunk[0..end)`. Afterwards the caller may use the chunk again, with `rewritable` only if
   * `framesTaken()` then says false: streams of other connections may have taken DATA frames in place, with their heads
   * written over, and `chunk` must stay as it is until the sockets of those connections have sent them.
   *
   * `nowMs`: any clock in milliseconds, for windows to grow only while that makes the sender faster. Without one
   * they grow whenever they are used up, and small calls may wait behind what large ones have on their way.
   *
   * @returns `end`; or the place where it stopped because no `work` is left. The next call continues the same chunk
   * there
   */
  receive(chunk: Buffer, end: number = chunk.length, rewritable = false, nowMs = 0, start = 0): number {
    if (this.#over !== undefined) return end
    this.#inbound.nowMs = nowMs
    try {
      this.#inbound.rewritable = rewritable ? chunk : undefined
      const at = this.#reader.read(chunk, end, start)
      this.#outbound.pump()
      this.#tellFreed()
      return at
    } catch (error) {
      if (error instanceof ConnectionError) {
        this.fail(error)
        return end
      }
      this.#failByOwner()
      throw error
    }
  }

  /** Calls owners, lets waiting streams send, and hands out what the socket must write, in order. */
  flush(): Buffer[] {
    try {
      this.#table.settle()
      this.#outbound.pump()
      this.#tellFreed()
    } catch (error) {
      this.#failByOwner()
      throw error
    }
    const spans = this.#outbound.take()
    if (this.#table.unsettled || this.#outbound.unfinished) this.#outbound.notice()
    return spans
  }

  /** The socket has taken all bytes that `flush` ever handed out. */
  reuse(): void {
    this.#outbound.writer.reuse()
  }

  /** Whether the socket still has to take what it was given. While it has, no DATA is written. */
  get congested(): boolean {
    return this.#outbound.congested
  }

  set congested(congested: boolean) {
    this.#outbound.congested = congested
    if (this.#outbound.unfinished) this.#outbound.notice()
  }

  /** Bytes that wait for a flush. Do not read from a peer that lets them grow. */
  get pendingBytes(): number {
    return this.#outbound.writer.pendingBytes
  }

  /** Refills the allowances, by any clock in milliseconds. Once a second is enough. */
  tick(nowMs: number): void {
    this.floods.tick(nowMs)
  }

  /** The socket is gone, and every stream hears of it. Do not call this from within a call of a stream's owner. */
  closed(reason: string): void {
    this.#over ??= reason
    this.#reader.close()
    this.#table.loseAll('peer', this.#over)
    this.#outbound.writer.discard()
  }

  /** Gives the connection up: GOAWAY, `onFailed`, all streams lost. Also for SETTINGS_TIMEOUT and the like. */
  fail(error: ConnectionError): void {
    if (this.#over !== undefined) return
    this.#over = error.message
    this.#reader.close()
    this.#outbound.goaway(this.#lastProcessed, error.code, error.token)
    this.#owner.onFailed(error)
    this.#table.loseAll('self', this.#over)
  }

  /**
   * §6.8: "The last stream identifier in the GOAWAY frame contains the highest-numbered stream identifier for
   * which the sender of the GOAWAY frame might have taken some action". A server opens none.
   */
  get #lastProcessed(): number {
    return this.role === 'server' ? Math.min(this.#table.highest, this.#inbound.lastStreamId) : 0
  }

  /** Why it is over, once it is. */
  get over(): string | undefined {
    return this.#over
  }

  /** Bytes that wait for the peer's windows, or for the socket. */
  get queuedBytes(): number {
    return this.#outbound.queuedBytes
  }

  /** Streams whose bytes wait: for their own windows, and for what all of them share, the connection's window or the socket. */
  get heldBack(): { readonly own: number; readonly shared: number; readonly byWindow: boolean } {
    const { queuedStreams, waitingStreams, window } = this.#outbound
    return { own: queuedStreams - waitingStreams, shared: waitingStreams, byWindow: window.available <= 0 }
  }

  /** Bytes of DATA sent so far. With a clock, the caller can tell a slow peer from one that takes nothing. */
  get sentBytes(): number {
    return this.#outbound.sentBytes
  }

  /**
   * The number of the header block that began and has not ended, or 0. The caller, who has a clock, can find slow
   * headers with it.
   */
  get unfinishedBlock(): number {
    return this.#reader.unfinishedBlock
  }

  /** Bytes held for frames and header blocks that are not complete. */
  get unfinishedBytes(): number {
    return this.#reader.heldBytes + this.#decoder.heldBytes
  }

  /** How many SETTINGS of ours have no acknowledgement. The caller, who has a clock, needs it for SETTINGS_TIMEOUT. */
  get settingsPending(): number {
    return this.#local.pending
  }

  /** `onPong` follows. */
  ping(): void {
    if (this.#over !== undefined) return
    this.#pings++
    this.#outbound.ping(PING_BYTES, Ping.CALLER * 8, false)
  }

  /**
   * A client's connection opens no more streams, and need not announce it. A server's sends GOAWAY. §6.8: "A server
   * that is attempting to gracefully shut down a connection SHOULD send an initial GOAWAY frame with the last stream
   * identifier set to 2^31-1 and a NO_ERROR code. … After allowing time for any in-flight stream creation (at least one
   * round-trip time), the server MAY send another GOAWAY frame with an updated last stream identifier." `onDrained`
   * follows. `debug` says why, in the first one.
   */
  drain(debug = ''): void {
    if (this.#draining || this.#over !== undefined) return
    this.#draining = true
    if (this.role === 'client') {
      this.#table.freed = true
      return this.#outbound.notice()
    }
    this.#outbound.goaway(MAX_31_BIT, ErrorCode.NO_ERROR, debug)
    this.#outbound.ping(PING_BYTES, Ping.DRAIN * 8, false)
  }

  /** The client did not answer the PING of `drain` in time. The connection goes on as if it had. */
  drainTimedOut(): void {
    if (this.#over === undefined) this.pingAcknowledged(Ping.DRAIN)
  }

  /** Ends it now, without a fault of the peer: GOAWAY(NO_ERROR), all streams lost. Flush, then close the socket. */
  end(reason: string): void {
    if (this.#over !== undefined) return
    this.#over = reason
    this.#reader.close()
    if (!this.#goawaySent) this.#outbound.goaway(this.#lastProcessed, ErrorCode.NO_ERROR, '')
    this.#table.loseAll('self', reason)
  }

  /** Streams open now. */
  get streams(): number {
    return this.#table.size
  }

  /** Streams that `openStream` may open now; 0 until SETTINGS came, and after GOAWAY or `drain`. */
  get free(): number {
    if (!this.#ready || this.#goawayReceived || this.#draining || this.#over !== undefined) return 0
    if (this.role === 'server') return 0
    const most = Math.min(this.peer.maxConcurrentStreams, this.#limits.maxConcurrentStreams)
    const free = Math.min(most - this.#table.size, this.#table.numbersLeft)
    if (free > 0) return free
    this.#wasFull = true
    return 0
  }

  /** A client's new stream, only while `free > 0`. It exists on the wire once its HEADERS are sent. */
  openStream(owner: WireStreamOwner): WireStream {
    if (this.free < 1) throw new Error('no stream is free')
    return this.#table.addUnsent(owner)
  }

  /**
   * The peer has no window left, because of what owners have not released: their streams block all others. The caller,
   * who has a clock, then calls `markConsumers`, and `shed` if this is still so some seconds later.
   */
  get starved(): boolean {
    return this.#table.starved
  }

  /** Remembers how much each owner has released. */
  markConsumers(): void {
    this.#slowReaders.mark(this.#table.holding())
  }

  /**
   * Tells owners that released almost nothing since `markConsumers` to give up (`onOverdue`): those that hold most,
   * and half of all that is held. Each is also an `onStreamError`, whose stream is still there.
   */
  shed(): void {
    for (const stream of this.#slowReaders.overdue(this.#table.holding(), this.heldBytes)) {
      this.#owner.onStreamError(streamError(stream.id, 'slow-reader', `${stream.receiveWindow.held} bytes`))
      stream.owner.onOverdue?.()
    }
  }

  /** Received bytes that owners have not released. */
  get heldBytes(): number {
    return this.#table.window.held
  }

  // What `Inbound` calls

  openedByPeer(stream: WireStream): WireStreamOwner {
    return this.#owner.onStream(stream)
  }

  streamFailed(error: StreamError): void {
    this.#owner.onStreamError(error)
  }

  settingsCame(): void {
    if (this.#ready) this.#table.freed = true
    else {
      this.#ready = true
      this.#owner.onReady()
    }
  }

  goawayCame(lastStreamId: number, code: ErrorCode, debug: string): void {
    this.#goawayReceived = true
    if (this.role === 'client') this.#table.loseAbove(lastStreamId, 'GOAWAY: not processed by the peer')
    this.#owner.onGoaway(code, debug)
    this.#table.freed = true
  }

  /** False when nothing was asked. */
  pingAcknowledged(which: number): boolean {
    if (which === Ping.CALLER) {
      if (this.#pings === 0) return false
      this.#pings--
      this.#owner.onPong?.()
      return true
    }
    // A client that drains sends no PING.
    if (!this.#draining || this.#goawaySent || this.role === 'client') return false
    this.#goawaySent = true
    this.#inbound.lastStreamId = this.#table.highest
    this.#outbound.goaway(this.#table.highest, ErrorCode.NO_ERROR, '')
    this.#table.freed = true
    return true
  }

  /** An owner threw. The mistake is ours, and the peer must hear that the connection is over. */
  #failByOwner(): void {
    withdrawFrame()
    this.fail(new ConnectionError(ErrorCode.INTERNAL_ERROR, 'internal-error', 'an error of our own'))
  }

  #tellFreed(): void {
    if (!this.#table.freed || this.#over !== undefined) return
    this.#table.freed = false
    if (this.#wasFull && this.free > 0) {
      this.#wasFull = false
      this.#owner.onFree()
    }
    const client = this.role === 'client'
    if (client && !this.#spentTold && this.#table.highest === MAX_31_BIT) {
      this.#spentTold = true
      this.#owner.onSpent?.()
    }
    // A client's GOAWAY is about streams that we never open.
    const ending = client ? this.#goawayReceived || this.#draining : this.#goawaySent
    if (!ending || this.#drainedTold || this.#table.size > 0) return
    this.#drainedTold = true
    this.#owner.onDrained()
  }
}
