/**
 * What a connection receives: each frame against the states, the windows, the rules of messages and the
 * limits, and on to the owner of its stream.
 *
 * A frame that is wrong throws: a `ConnectionError` goes through the reader to `Connection`, a `StreamError`
 * is caught here and costs only the stream.
 */
import { type Allowance, Flood } from './allowance.ts'
import type { ErrorCode } from './errors.ts'
import { type FrameHandler, MAX_31_BIT } from './frame.ts'
import { countCode } from './frame-counts.ts'
import { offerFrame, withdrawFrame } from './frame-in-hand.ts'
import { REFERENCE_BYTES } from './frame-writer.ts'
import type { HpackDecoder } from './hpack/decoder.ts'
import type { HeaderField } from './hpack/header-field.ts'
import { checkLength, InboundHeaders, type InboundHeadersOwner } from './inbound-headers.ts'
import type { Outbound } from './outbound.ts'
import { ConnectionError, connectionError, StreamError } from './protocol-error.ts'
import type { LocalSettings, Settings } from './settings.ts'
import type { StreamEnd } from './stream.ts'
import { StreamEvent, StreamState, transition } from './stream-state.ts'
import type { StreamTable } from './stream-table.ts'
import { RoundTrips } from './window-growth.ts'
import { unitsOfWindows, Work } from './work.ts'

const CLEAN: StreamEnd = { kind: 'clean' }

/** The eight bytes of our PINGs, one after the other; the last byte tells them apart when their ACK comes. */
export const PING_BYTES: Buffer = Buffer.from('verbati\0verbati\u0001verbati\u0002', 'latin1')
export const Ping = { PROBE: 0, DRAIN: 1, CALLER: 2 } as const

/** What the connection hears about frames that concern itself. Only `Connection` implements it. */
export interface InboundOwner extends InboundHeadersOwner {
  settingsCame(): void
  goawayCame(lastStreamId: number, code: ErrorCode, debug: string): void
  pingAcknowledged(which: number): boolean
}

export class Inbound implements FrameHandler {
  /** The chunk that is being read, if it may be changed: its DATA frames can be forwarded where they lie. */
  rewritable: Buffer | undefined
  /** The highest stream that our GOAWAY lets in. */
  lastStreamId: number = MAX_31_BIT
  readonly #table: StreamTable
  readonly #outbound: Outbound
  readonly #floods: Allowance
  readonly #decoder: HpackDecoder
  readonly #peer: Settings
  readonly #local: LocalSettings
  readonly #owner: InboundOwner
  readonly #server: boolean
  readonly #headers: InboundHeaders
  /** When the current chunk came, by any clock in milliseconds. */
  nowMs = 0
  /** The budget of the connection, because some frames cost more than others. */
  work: Work = new Work()
  readonly #trips = new RoundTrips()

  constructor(
    table: StreamTable,
    floods: Allowance,
    decoder: HpackDecoder,
    peer: Settings,
    local: LocalSettings,
    owner: InboundOwner,
    maxConcurrentStreams: number,
  ) {
    this.#table = table
    this.#outbound = table.outbound
    this.#floods = floods
    this.#decoder = decoder
    this.#peer = peer
    this.#local = local
    this.#owner = owner
    this.#server = table.role === 'server'
    this.#headers = new InboundHeaders(table, floods, decoder, owner, maxConcurrentStreams)
  }

  onData(id: number, bytes: Buffer, start: number, end: number, flow: number, endStream: boolean, headAt: number) {
    this.#arrived(flow)
    // Many frames without content are of no use.
    if (start === end && !endStream) this.#floods.spend(Flood.EMPTY_DATA)
    const stream = this.#table.find(id)
    if (stream === undefined) return this.#dataOnClosed(id, flow, endStream)
    if (start < end) this.#floods.useful()
    // From here on the stream accounts for the bytes, unless it does not take them.
    let taken = false
    try {
      stream.state = transition(stream.state, endStream ? StreamEvent.RECV_DATA_END : StreamEvent.RECV_DATA, id)
      stream.receiveWindow.receive(flow, this.#trips)
      taken = true
      checkLength(stream, end - start, endStream)
    } catch (error) {
      if (!taken) this.#table.giveBack(flow)
      return this.#caught(error)
    }
    // The owner does not see padding, nor bytes that come after it has given up.
    if (flow > end - start) this.#table.released(stream, flow - (end - start))
    if (stream.resetWaits) stream.release(end - start)
    else if (start < end || endStream) {
      const whole = flow >= REFERENCE_BYTES && flow === end - start && bytes === this.rewritable
      if (whole) offerFrame(bytes, headAt, start, end)
      stream.owner.onData(bytes, start, end, endStream)
      if (whole) withdrawFrame()
    }
    if (endStream && stream.state === StreamState.CLOSED) this.#table.endNow(stream, CLEAN)
  }

  onHeaders(id: number, bytes: Buffer, start: number, end: number, endStream: boolean): void {
    // Whatever becomes of it: §4.3: a receiver that does not decompress a field block must end the connection.
    this.#decoded(id, this.#decoder.decode(bytes, start, end), endStream)
  }

  onFragment(id: number, bytes: Buffer, start: number, end: number, endStream: boolean, last: boolean): void {
    this.#decoder.push(bytes, start, end)
    if (last) this.#decoded(id, this.#decoder.finish(), endStream)
  }

  #decoded(id: number, block: readonly HeaderField[], endStream: boolean): void {
    try {
      const stream = this.#table.find(id)
      if (stream !== undefined) this.#headers.onOpen(stream, block, endStream)
      else if (id > this.#table.highest || id % 2 === 0) {
        // §6.8: "After sending a GOAWAY frame, the sender can discard frames for streams initiated by the receiver
        // with identifiers higher than the identified last stream."
        if (id > this.lastStreamId) this.#floods.spend(Flood.IGNORED_HEADERS)
        else this.#headers.onNew(id, block, endStream)
      } else {
        transition(this.#table.stateOf(id), endStream ? StreamEvent.RECV_HEADERS_END : StreamEvent.RECV_HEADERS, id)
        this.#floods.spend(Flood.IGNORED_HEADERS)
      }
    } catch (error) {
      this.#caught(error)
    }
  }

  onRstStream(id: number, code: number): void {
    const stream = this.#table.find(id)
    if (stream === undefined) {
      if (id <= this.lastStreamId) transition(this.#table.stateOf(id), StreamEvent.RECV_RST_STREAM, id)
      return
    }
    // The peer has our whole answer. gRPC clients end a request in this way when the response came early.
    const answered = stream.state === StreamState.HALF_CLOSED_LOCAL
    stream.state = transition(stream.state, StreamEvent.RECV_RST_STREAM, id)
    const { counts } = this.#outbound
    if (counts !== undefined) countCode(counts.resetsReceived, code)
    this.#table.endNow(stream, { kind: 'reset', code, by: 'peer' })
    // A client may open this many; a server can only answer what we asked.
    if (!this.#server) return
    if (answered) this.#floods.callEnded()
    else this.#floods.spend(Flood.RESETS)
  }

  onWindowUpdate(id: number, increment: number): void {
    if (id === 0) this.#floods.returned(this.#outbound.window.increase(increment))
    else this.#streamWindowUpdate(id, increment)
    this.#floods.spend(Flood.WINDOW_UPDATES)
  }

  #streamWindowUpdate(id: number, increment: number): void {
    const stream = this.#table.find(id)
    if (stream === undefined) {
      if (id <= this.lastStreamId) transition(this.#table.stateOf(id), StreamEvent.RECV_WINDOW_UPDATE, id)
      return
    }
    try {
      this.#floods.returned(stream.sendWindow.increase(increment))
      if (stream.queuedBytes > 0 && stream.sendWindow.available > 0) this.#outbound.wait(stream)
    } catch (error) {
      this.#caught(error)
    }
  }

  onSettings(bytes: Buffer, start: number, end: number): void {
    this.#floods.spend(Flood.SETTINGS)
    const difference = this.#peer.apply(bytes, start, end)
    // §6.9.2: "a receiver MUST adjust the size of all stream flow-control windows that it maintains by the
    // difference between the new value and the old value."
    if (difference !== 0) {
      this.work.left -= unitsOfWindows(this.#table.size)
      for (const stream of this.#table.open()) {
        stream.sendWindow.adjust(difference)
        if (stream.queuedBytes > 0 && stream.sendWindow.available > 0) this.#outbound.wait(stream)
      }
    }
    this.#outbound.writer.maxFrameSize = this.#peer.maxFrameSize
    this.#outbound.encoder.setLimit(this.#peer.lowestHeaderTableSize)
    this.#outbound.encoder.setLimit(this.#peer.headerTableSize)
    // §6.5.3: "Once all values have been processed, the recipient MUST immediately emit a SETTINGS frame with
    // the ACK flag set."
    this.#outbound.settingsAck()
    this.#owner.settingsCame()
  }

  onSettingsAck(): void {
    const difference = this.#local.acknowledge()
    if (difference !== 0)
      for (const stream of this.#table.open()) {
        stream.receiveWindow.adjust(difference)
        // In a smaller window enough may have been released for an update, and nothing else would send it.
        this.#table.released(stream, 0)
      }
    this.#decoder.setLimit(this.#local.acknowledged.headerTableSize)
  }

  onPing(bytes: Buffer, at: number, ack: boolean): void {
    if (!ack) {
      this.#floods.spend(Flood.PINGS)
      return this.#outbound.ping(bytes, at, true)
    }
    const which = bytes[at + 7]!
    if (which > Ping.CALLER || bytes.compare(PING_BYTES, which * 8, which * 8 + 8, at, at + 8) !== 0)
      return this.#floods.spend(Flood.PINGS)
    const asked = which === Ping.PROBE ? this.#trips.acknowledged(this.nowMs) : this.#owner.pingAcknowledged(which)
    if (!asked) this.#floods.spend(Flood.PINGS)
  }

  onGoaway(lastStreamId: number, code: number, bytes: Buffer, start: number, end: number): void {
    this.#floods.spend(Flood.SETTINGS)
    const { counts } = this.#outbound
    if (counts !== undefined) countCode(counts.goawaysReceived, code)
    this.#owner.goawayCame(lastStreamId, code, bytes.toString('latin1', start, Math.min(end, start + 1_024)))
  }

  onPriority(): void {
    this.#floods.spend(Flood.PRIORITIES)
  }

  onUnknown(): void {
    this.#floods.spend(Flood.UNKNOWN)
  }

  /** The reader reports none unless `pushEnabled`. */
  onPushPromise(): void {
    throw connectionError('push-disabled')
  }

  onStreamError(error: StreamError, flowBytes: number): void {
    this.#arrived(flowBytes)
    this.#table.giveBack(flowBytes)
    // §6.4: "RST_STREAM frames MUST NOT be sent for a stream in the "idle" state." §5.4.1: "an endpoint MAY choose
    // to treat a stream error as a connection error".
    if (this.#table.stateOf(error.streamId) === StreamState.IDLE && error.streamId <= this.lastStreamId)
      throw new ConnectionError(error.code, error.token, error.message)
    this.#caught(error)
  }

  /** Counts DATA in the connection's window, and measures round trips by it where windows may grow. */
  #arrived(flowBytes: number): void {
    if (flowBytes === 0) return
    const table = this.#table
    table.arrived(flowBytes, this.#trips)
    if (table.grows && this.#trips.received(flowBytes, this.nowMs))
      this.#outbound.ping(PING_BYTES, Ping.PROBE * 8, false)
  }

  #dataOnClosed(id: number, flowBytes: number, endStream: boolean): void {
    // §6.9: "A receiver that receives a flow-controlled frame MUST always account for its contribution against
    // the connection flow-control window, unless the receiver treats this as a connection error".
    this.#table.giveBack(flowBytes)
    if (id > this.lastStreamId) return
    try {
      transition(this.#table.stateOf(id), endStream ? StreamEvent.RECV_DATA_END : StreamEvent.RECV_DATA, id)
    } catch (error) {
      this.#caught(error)
    }
  }

  /** A `StreamError` costs its stream; all other errors go up. */
  #caught(error: unknown): void {
    if (!(error instanceof StreamError)) throw error
    const { streamId, code, token: violation } = error
    if (streamId > this.lastStreamId) return
    const stream = this.#table.find(streamId)
    // §5.4.2: "To avoid looping, an endpoint MUST NOT send a RST_STREAM in response to a RST_STREAM frame"; and one
    // that was sent is enough.
    if (stream !== undefined) {
      // A stream that both sides have ended must not be reset (§5.1, "closed"), and servers count such frames against
      // all calls.
      if (stream.state !== StreamState.CLOSED) {
        stream.state = StreamState.CLOSED_RESET_SENT
        this.#outbound.rstStream(streamId, code)
      }
      this.#table.endNow(stream, { kind: 'reset', code, by: 'self', violation })
    } else if (this.#server && streamId > this.#table.highest) {
      this.#table.refused(streamId)
      this.#outbound.rstStream(streamId, code)
    } else if (this.#table.stateOf(streamId) === StreamState.CLOSED_RESET_RECEIVED) {
      this.#outbound.rstStream(streamId, code)
    } else return
    this.#owner.streamFailed(error)
    // The peer made us reset it (CVE-2025-8671). A client opened the streams itself, unless there is none any more.
    if (this.#server || stream === undefined) this.#floods.spend(Flood.RESETS)
  }
}
