/**
 * The streams of one connection: those that are open, how the last closed ones ended, and those whose owners
 * must be told something. It also has the connection's receive window, into which everything flows back.
 *
 * A stream is in exactly one of these: `unsent` (a client's before its HEADERS), open, ended. It leaves the
 * table when it ends, before its owner hears of it.
 */
import type { Allowance } from './allowance.ts'
import { ConnectionWindow } from './connection-window.ts'
import { DEFAULT_MAX_FRAME_SIZE, MAX_31_BIT } from './frame.ts'
import type { HeaderFieldLike } from './hpack/header-field.ts'
import { type Denied, type MemoryBudget, SHARE_BYTES } from './memory-budget.ts'
import type { Outbound } from './outbound.ts'
import type { Role, Settings } from './settings.ts'
import { type StreamEnd, type StreamKeeper, WireStream, type WireStreamOwner } from './stream.ts'
import { StreamMap } from './stream-map.ts'
import { ClosedStreams, StreamState } from './stream-state.ts'
import type { RoundTrips } from './window-growth.ts'

/** What the table must know about the settings of both sides. */
export interface BothSettings {
  readonly peer: Settings
  /** Our settings, as far as the peer has acknowledged them. */
  readonly ours: Settings
}

/** Bytes that windows begin with, and that they may grow to. */
export interface WindowLimits {
  readonly initialStreamWindow: number
  readonly maxStreamWindow: number
  readonly initialConnectionWindow: number
  readonly maxConnectionWindow: number
}

export class StreamTable implements StreamKeeper, Denied {
  readonly role: Role
  readonly outbound: Outbound
  /** The window of the connection: what the peer may send us on all streams. */
  readonly window: ConnectionWindow
  /** Highest number that the client of this connection has used. */
  highest = 0
  /** A stream ended since this was last set to false. */
  freed = false

  readonly #settings: BothSettings
  readonly #limits: WindowLimits
  readonly #budget: MemoryBudget
  readonly #floods: Allowance
  readonly #open = new StreamMap<WireStream>()
  readonly #closed = new ClosedStreams()
  /** The stream found last: most frames come next to another of the same stream. */
  #last: WireStream | undefined
  readonly #unsent: WireStream[] = []
  /** Streams that ended and whose held bytes are not all released. */
  readonly #late = new Set<WireStream>()
  #settling: WireStream[] = []
  /** Whether the connection is over, so that windows no longer matter. */
  #lost = false

  constructor(
    role: Role,
    outbound: Outbound,
    settings: BothSettings,
    floods: Allowance,
    limits: WindowLimits,
    budget: MemoryBudget,
  ) {
    this.role = role
    this.outbound = outbound
    this.#settings = settings
    this.#floods = floods
    this.#limits = limits
    this.#budget = budget
    this.window = new ConnectionWindow(limits.initialConnectionWindow, limits.maxConnectionWindow)
  }

  /** Streams that are not over. */
  get size(): number {
    return this.#open.size + this.#unsent.length
  }

  /** §5.1.1: "Stream identifiers cannot be reused." How many a client has left. */
  get numbersLeft(): number {
    return (MAX_31_BIT - this.highest - (this.highest === 0 ? 1 : 0)) / 2 - this.#unsent.length
  }

  /** The open stream of that number. */
  find(streamId: number): WireStream | undefined {
    const last = this.#last
    if (last !== undefined && last.id === streamId) return last
    const stream = this.#open.get(streamId)
    if (stream !== undefined) this.#last = stream
    return stream
  }

  /** The state of a stream that is not open. Servers never open streams here: even ones are idle. */
  stateOf(streamId: number): StreamState {
    return this.#closed.stateOf(streamId, streamId % 2 === 1 ? this.highest : 0)
  }

  open(): Iterable<WireStream> {
    return this.#open
  }

  /** A client's new stream. */
  addUnsent(owner: WireStreamOwner): WireStream {
    const stream = new WireStream(this, owner)
    this.#unsent.push(stream)
    return stream
  }

  beginStream(stream: WireStream, block: readonly HeaderFieldLike[]): void {
    this.#removeUnsent(stream)
    this.highest += this.highest === 0 ? 1 : 2
    // It was the last number, and the connection's owner must hear of it.
    if (this.highest === MAX_31_BIT) this.freed = true
    stream.headRequest = isHead(block)
    this.begin(stream, this.highest, StreamState.IDLE)
  }

  begin(stream: WireStream, id: number, state: StreamState): void {
    const { peer, ours } = this.#settings
    stream.begin(id, state, peer.initialWindowSize, ours.initialWindowSize)
    this.#open.add(stream)
    this.#last = stream
  }

  /** A client's HEADERS that became no stream: we reset it at once. */
  refused(streamId: number): void {
    this.highest = streamId
    this.#closed.add(streamId, StreamState.CLOSED_RESET_SENT)
  }

  endLater(stream: WireStream, end: StreamEnd): void {
    this.#forget(stream, end)
    this.#later(stream)
  }

  /** A frame from the wire ended the stream, and its owner hears of it at once. */
  endNow(stream: WireStream, end: StreamEnd): void {
    if (stream.end !== undefined) return
    this.#forget(stream, end)
    stream.endTold = true
    stream.owner.onClosed(end)
  }

  writableLater(stream: WireStream): void {
    if (stream.writableDue) this.#later(stream)
  }

  released(stream: WireStream, bytes: number): void {
    if (stream.muted) {
      stream.receiveWindow.consume(bytes)
      return this.giveBack(bytes)
    }
    const { initialStreamWindow, maxStreamWindow } = this.#limits
    const ceiling = Math.min(maxStreamWindow, Math.max(initialStreamWindow, this.#budget.growthBytes))
    const increment = stream.receiveWindow.release(bytes, ceiling)
    // Nobody sends any more on a stream that the peer has ended.
    if (increment > 0 && (stream.state === StreamState.OPEN || stream.state === StreamState.HALF_CLOSED_LOCAL))
      this.outbound.windowUpdate(stream.id, increment)
    this.giveBack(bytes)
  }

  releasedLate(stream: WireStream, bytes: number): void {
    const consumed = Math.min(bytes, stream.receiveWindow.held)
    if (consumed === 0) return
    stream.receiveWindow.consume(consumed)
    if (stream.receiveWindow.held === 0) this.#late.delete(stream)
    this.giveBack(consumed)
  }

  /** The peer may not send a frame of the usual size on any stream, as what it sent was not consumed. */
  get starved(): boolean {
    const { window } = this
    return window.available < DEFAULT_MAX_FRAME_SIZE && window.held > 0 && !this.#lost
  }

  /** Streams with received bytes that are not released. */
  holding(): WireStream[] {
    return [...this.#open, ...this.#late].filter(({ receiveWindow }) => receiveWindow.held > 0)
  }

  /** Gives the connection's window the size that it begins with, as far as there is room. */
  openWindow(): void {
    this.#give(this.window.unopened)
  }

  /** DATA came: counts it in the connection's window. Throws the `ConnectionError` of a peer that may not send it. */
  arrived(bytes: number, trips: RoundTrips): void {
    this.window.receive(bytes, trips)
    this.resume()
  }

  /** Received bytes that no stream holds any more. */
  giveBack(bytes: number): void {
    if (this.#lost) return
    const { window } = this
    const before = window.promised
    window.consume(bytes)
    this.#budget.changed(before, window.promised)
    this.resume()
  }

  /** For `MemoryBudget`: gives the peer the window that is due, as far as there is room. */
  resume(): void {
    if (this.#lost) return
    const due = this.window.due(this.#budget.growthBytes)
    if (due > 0) this.#give(due)
    else this.#budget.served(this)
  }

  #give(due: number): void {
    const { window } = this
    const { promised } = window
    const increment = Math.min(due, this.#budget.room(promised))
    // Less than half of what every connection has is not worth an update.
    if (increment < due && increment * 2 < SHARE_BYTES) return this.#budget.deny(this)
    this.#budget.served(this)
    if (increment === 0) return
    window.give(increment)
    this.#budget.changed(promised, promised + increment)
    this.outbound.windowUpdate(0, increment)
  }

  /** Whether windows may grow, so that round trips must be measured. */
  get grows(): boolean {
    return this.window.grows || this.#limits.maxStreamWindow > this.#settings.ours.initialWindowSize
  }

  /** Streams whose owners must be told something. */
  get unsettled(): boolean {
    return this.#settling.length > 0
  }

  /** Tells them. What this causes in turn waits until the next call. */
  settle(): void {
    if (this.#settling.length === 0) return
    const settling = this.#settling
    this.#settling = []
    let at = 0
    try {
      while (at < settling.length) this.#settleOne(settling[at++]!)
    } finally {
      // An owner threw, so the other owners are told later.
      if (at < settling.length) this.#settling.push(...settling.slice(at))
    }
  }

  #settleOne(stream: WireStream): void {
    stream.settling = false
    if (stream.end !== undefined) {
      if (stream.endTold) return
      stream.endTold = true
      stream.owner.onClosed(stream.end)
    } else if (stream.writableDue && stream.queuedBytes === 0) {
      stream.writableDue = false
      stream.owner.onWritable()
    }
  }

  /**
   * A client's streams above `lastStreamId`, and those that have no number yet: GOAWAY says that they were not seen.
   */
  loseAbove(lastStreamId: number, reason: string): void {
    const lost = [...this.#open, ...this.#unsent].filter(({ id }) => id === 0 || id > lastStreamId)
    // What still comes for it is ignored, as after a reset.
    for (const stream of lost) if (stream.id !== 0) stream.state = StreamState.CLOSED_RESET_SENT
    this.#lose(lost, { kind: 'lost', by: 'peer', unprocessed: true, reason })
  }

  /** The connection is over. */
  loseAll(by: 'peer' | 'self', reason: string): void {
    if (!this.#lost) {
      this.#lost = true
      this.#budget.forget(this, this.window.promised)
      this.#late.clear()
    }
    this.#lose([...this.#open, ...this.#unsent], { kind: 'lost', by, unprocessed: false, reason })
    while (this.#settling.length > 0) this.settle()
  }

  /** All are over before the first owner is told, so that whatever it does to another stream sends nothing. */
  #lose(streams: readonly WireStream[], end: StreamEnd): void {
    for (const stream of streams) {
      this.#forget(stream, end)
      stream.endTold = true
    }
    for (const stream of streams) stream.owner.onClosed(end)
  }

  #later(stream: WireStream): void {
    if (stream.settling) return
    stream.settling = true
    this.#settling.push(stream)
    this.outbound.notice()
  }

  #forget(stream: WireStream, end: StreamEnd): void {
    stream.end = end
    this.freed = true
    if (stream.id === 0) return this.#removeUnsent(stream)
    this.outbound.leave(stream)
    stream.dropQueue()
    this.#open.delete(stream)
    this.#closed.add(stream.id, stream.state)
    if (this.#last === stream) this.#last = undefined
    if (end.kind === 'clean') this.#floods.callEnded()
    const { held } = stream.receiveWindow
    if (held === 0) return
    // The owner may still have to forward what came: until then it is held.
    const kept = end.kind === 'clean' ? held : Math.min(held, stream.owner.waitingBytes ?? 0)
    if (kept > 0 && !this.#lost) this.#late.add(stream)
    this.releasedLate(stream, held - kept)
  }

  #removeUnsent(stream: WireStream): void {
    const unsent = this.#unsent
    // Most are sent in the order in which they are opened, one at a time.
    if (unsent.at(-1) === stream) unsent.pop()
    else unsent.splice(unsent.lastIndexOf(stream), 1)
  }
}

function isHead(block: readonly HeaderFieldLike[]): boolean {
  for (let i = 0; i < block.length; i++) if (block[i]!.name === ':method') return block[i]!.value === 'HEAD'
  return false
}
