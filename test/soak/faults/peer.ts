/**
 * One end of an HTTP/2 connection that moves data in earnest and does evil where it is told to. Built on the
 * frames and the HPACK of test/support, so it shares nothing with src/wire; and it holds the other end, the
 * proxy, to the rules: windows, frame sizes, stream numbers, nothing after an end, a pong to each ping.
 */
import type { Socket } from 'node:net'
import {
  Code,
  Flag,
  FrameReader,
  FrameType,
  PREFACE,
  type RawFrame,
  readSettings,
  Setting,
  type Settings,
  settingsPayload,
  uint32,
  writeFrame,
} from '../../support/frames.ts'
import { type DecodedField, type Field, HpackDecoder, HpackEncoder } from '../../support/hpack.ts'
import { Interpreter, type ReceivedHeaders } from '../../support/received.ts'
import { PeerStream, type StreamOwner } from './peer-stream.ts'

export interface PeerOwner {
  /** Servers: a stream was opened. Undefined: it is ignored. */
  onStream(stream: PeerStream, fields: readonly DecodedField[], endStream: boolean): StreamOwner | undefined
  onGoaway(lastStreamId: number, code: number): void
  onClosed(): void
  /** The other end broke a rule. */
  complain(text: string): void
}

const DEFAULT_WINDOW = 65_535
/** The most that we ever announce; the decoder must know it. */
export const LARGEST_TABLE = 16_384
/** RFC 7541 §6.3: a size update to 4096, where a new table begins. */
const TABLE_OF_4096 = Buffer.from([0x3f, 0xe1, 0x1f])
/** How each stream ended, kept for late frames. */
const REMEMBERED_STREAMS = 20_000

export class Peer {
  readonly socket: Socket
  readonly role: 'client' | 'server'
  readonly streams = new Map<number, PeerStream>()
  readonly #owner: PeerOwner
  readonly #reader = new FrameReader()
  readonly #interpreter: Interpreter
  readonly #decoder: HpackDecoder
  readonly #encoder = new HpackEncoder()
  readonly #closedStreams = new Map<number, 'ended' | 'reset by them' | 'reset by us'>()
  /** Announced, not acknowledged. */
  readonly #announced: Settings[] = []
  readonly #pings: Buffer[] = []
  #prefaceLeft: number
  #sendWindow = DEFAULT_WINDOW
  #receiveWindow = DEFAULT_WINDOW
  #owed = 0
  #theirWindow = DEFAULT_WINDOW
  #theirFrameSize = 16_384
  /** Streams that a client may open. */
  theirMaxStreams = 100
  #ourWindow = DEFAULT_WINDOW
  #ourFrameSize = 16_384
  #ourTable = 4_096
  #ourMaxStreams = Number.POSITIVE_INFINITY
  #lastStreamId: number
  #highestReceived = 0
  /** Servers, after our GOAWAY: streams above are not looked at. */
  lastAccepted = 2 ** 31 - 1
  #withholding = false
  #corked = false
  #pingNumber = 0
  #ready: (() => void) | undefined
  /** The other end's first SETTINGS came. Never, when it never greets. */
  readonly ready = new Promise<void>(resolve => {
    this.#ready = resolve
  })

  constructor(socket: Socket, role: 'client' | 'server', settings: Settings, owner: PeerOwner) {
    this.socket = socket
    this.role = role
    this.#owner = owner
    this.#prefaceLeft = role === 'server' ? PREFACE.length : 0
    this.#lastStreamId = role === 'client' ? -1 : 0
    this.#decoder = new HpackDecoder(LARGEST_TABLE)
    this.#decoder.decode(TABLE_OF_4096)
    this.#interpreter = new Interpreter(this.#decoder)
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('drain', () => this.#pumpAll())
    socket.on('error', () => {})
    socket.on('close', () => this.#closed())
    if (role === 'client') this.#raw(PREFACE)
    this.settings(settings)
  }

  get open(): boolean {
    return !this.socket.destroyed && !this.socket.writableEnded
  }

  get highestReceived(): number {
    return this.#highestReceived
  }

  // What we send

  /** A client's new stream. */
  request(owner: StreamOwner, fields: readonly Field[], endStream: boolean): PeerStream {
    this.#lastStreamId += 2
    const stream = this.#add(this.#lastStreamId)
    stream.owner = owner
    stream.headers(fields, endStream)
    return stream
  }

  sendHeaders(stream: PeerStream, fields: readonly Field[], endStream: boolean): void {
    const block = this.#encoder.encode(fields, 'indexed')
    for (let at = 0; at === 0 || at < block.length; at += 16_384) {
      const last = at + 16_384 >= block.length ? Flag.END_HEADERS : 0
      const flags = at === 0 && endStream ? last | Flag.END_STREAM : last
      const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION
      this.#frame(type, flags, stream.id, block.subarray(at, at + 16_384))
    }
  }

  /** Bytes of DATA that may go on the stream now. */
  dataRoom(stream: PeerStream): number {
    if (!this.open || this.socket.writableNeedDrain) return 0
    return Math.min(this.#sendWindow, stream.sendWindow, this.#theirFrameSize)
  }

  sendData(stream: PeerStream, bytes: Buffer, endStream: boolean): void {
    this.#sendWindow -= bytes.length
    stream.sendWindow -= bytes.length
    this.#frame(FrameType.DATA, endStream ? Flag.END_STREAM : 0, stream.id, bytes)
  }

  resetStream(stream: PeerStream, code: number): void {
    if (!this.streams.has(stream.id)) return
    this.#frame(FrameType.RST_STREAM, 0, stream.id, uint32(code))
    this.#forget(stream, 'reset by us')
  }

  /** Announces; what it changes for the other end counts from its acknowledgement. */
  settings(settings: Settings): void {
    this.#announced.push(settings)
    this.#frame(FrameType.SETTINGS, 0, 0, settingsPayload(settings))
  }

  ping(): void {
    const data = Buffer.alloc(8)
    data.writeUInt32BE(++this.#pingNumber)
    this.#pings.push(data)
    this.#frame(FrameType.PING, 0, 0, data)
  }

  goaway(lastStreamId: number, code: number, debug = ''): void {
    this.#frame(FrameType.GOAWAY, 0, 0, Buffer.concat([uint32(lastStreamId), uint32(code), Buffer.from(debug)]))
  }

  /** From now on no window is given back, to nobody. */
  withhold(on: boolean): void {
    this.#withholding = on
    if (on) return
    for (const stream of this.streams.values()) {
      const { owed } = stream
      stream.owed = 0
      this.giveBack(stream, owed)
    }
    this.#giveBackConnection(0)
  }

  /** Raises the window of the connection. */
  raiseWindow(bytes: number): void {
    this.#receiveWindow += bytes
    this.#frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(bytes))
  }

  giveBack(stream: PeerStream, bytes: number): void {
    if (bytes === 0 || stream.remoteEnded || !this.streams.has(stream.id)) return
    if (this.#withholding) {
      stream.owed += bytes
      return
    }
    stream.receiveWindow += bytes
    this.#frame(FrameType.WINDOW_UPDATE, 0, stream.id, uint32(bytes))
  }

  #giveBackConnection(bytes: number): void {
    this.#owed += bytes
    if (this.#withholding || this.#owed === 0) return
    this.#receiveWindow += this.#owed
    this.#frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(this.#owed))
    this.#owed = 0
  }

  #frame(type: number, flags: number, streamId: number, payload: Buffer): void {
    this.#raw(writeFrame({ type, flags, streamId, payload }))
  }

  /** What one turn writes goes out together. */
  #raw(bytes: Buffer): void {
    if (!this.open) return
    if (!this.#corked) {
      this.#corked = true
      this.socket.cork()
      setImmediate(() => {
        this.#corked = false
        this.socket.uncork()
      })
    }
    this.socket.write(bytes)
  }

  #pumpAll(): void {
    for (const stream of [...this.streams.values()]) if (stream.waiting) stream.pump()
  }

  // What comes

  #receive(chunk: Buffer): void {
    try {
      const skip = Math.min(this.#prefaceLeft, chunk.length)
      this.#prefaceLeft -= skip
      for (const frame of this.#reader.push(chunk.subarray(skip))) this.#read(frame)
    } catch (error) {
      this.#owner.complain(`cannot be read: ${(error as Error).stack}`)
      this.socket.destroy()
    }
  }

  #read(frame: RawFrame): void {
    if (frame.payload.length > this.#ourFrameSize)
      this.#owner.complain(`a frame of ${frame.payload.length} bytes, the limit is ${this.#ourFrameSize}`)
    const item = this.#interpreter.read(frame)
    switch (item?.kind) {
      case 'headers':
        return this.#headers(item)
      case 'data':
        return this.#data(item.streamId, item.data, item.flowBytes, item.endStream)
      case 'rst':
        return this.#rst(item.streamId, item.code)
      case 'settings':
        return item.ack ? this.#acknowledged() : this.#settingsCame(readSettings(frame.payload))
      case 'ping': {
        if (!item.ack) return this.#frame(FrameType.PING, Flag.ACK, 0, item.data)
        const expected = this.#pings.shift()
        if (expected === undefined || !expected.equals(item.data)) this.#owner.complain('a pong to no ping of ours')
        return
      }
      case 'goaway':
        if (item.code !== Code.NO_ERROR) this.#owner.complain(`GOAWAY with code ${item.code} ${item.debug}`)
        return this.#owner.onGoaway(item.lastStreamId, item.code)
      case 'windowUpdate':
        return this.#windowUpdate(item.streamId, item.increment)
    }
  }

  #headers(item: ReceivedHeaders): void {
    if (this.#decoder.table.size > this.#ourTable)
      this.#owner.complain(`an HPACK table of ${this.#decoder.table.size} bytes, the limit is ${this.#ourTable}`)
    const stream = this.streams.get(item.streamId)
    if (stream === undefined && this.role === 'server' && item.streamId > this.#highestReceived)
      return this.#opened(item)
    if (stream === undefined) return this.#late('HEADERS', item.streamId)
    if (stream.remoteEnded) return this.#owner.complain(`HEADERS after the end of stream ${item.streamId}`)
    if (stream.headersReceived && !item.endStream)
      this.#owner.complain(`trailers without END_STREAM on stream ${item.streamId}`)
    stream.headersReceived = true
    stream.remoteEnded = item.endStream
    stream.owner?.onHeaders(item.fields, item.endStream)
    this.settle(stream)
  }

  #opened(item: ReceivedHeaders): void {
    if (this.streams.size >= this.#ourMaxStreams)
      this.#owner.complain(`stream ${item.streamId} beside ${this.streams.size}, the limit is ${this.#ourMaxStreams}`)
    this.#highestReceived = item.streamId
    const stream = this.#add(item.streamId)
    stream.headersReceived = true
    stream.remoteEnded = item.endStream
    stream.owner = this.#owner.onStream(stream, item.fields, item.endStream)
    if (stream.owner === undefined) this.#forget(stream, 'reset by us')
    else this.settle(stream)
  }

  #data(streamId: number, data: Buffer, flowBytes: number, endStream: boolean): void {
    if (flowBytes > this.#receiveWindow)
      this.#owner.complain(
        `${flowBytes} bytes on stream ${streamId}, the connection's window is ${this.#receiveWindow}`,
      )
    this.#receiveWindow -= flowBytes
    this.#giveBackConnection(flowBytes)
    const stream = this.streams.get(streamId)
    if (stream === undefined) return this.#late('DATA', streamId)
    if (stream.remoteEnded) return this.#owner.complain(`DATA after the end of stream ${streamId}`)
    if (flowBytes > 0 && flowBytes > stream.receiveWindow)
      this.#owner.complain(`${flowBytes} bytes on stream ${streamId}, its window is ${stream.receiveWindow}`)
    if (!stream.headersReceived) this.#owner.complain(`DATA before HEADERS on stream ${streamId}`)
    stream.receiveWindow -= flowBytes
    stream.remoteEnded = endStream
    stream.owner?.onData(data, endStream)
    if (stream.manual) this.giveBack(stream, flowBytes - data.length)
    else this.giveBack(stream, flowBytes)
    this.settle(stream)
  }

  #rst(streamId: number, code: number): void {
    const stream = this.streams.get(streamId)
    if (stream === undefined) return
    const { owner } = stream
    this.#forget(stream, 'reset by them')
    owner?.onReset(code)
  }

  #late(what: string, streamId: number): void {
    const how = this.#closedStreams.get(streamId)
    if (how === 'reset by us') return
    const oldest = this.#closedStreams.keys().next().value ?? 0
    if (how === undefined && streamId < oldest) return
    this.#owner.complain(`${what} on stream ${streamId}, which is ${how ?? 'idle'}`)
  }

  #settingsCame(values: Settings): void {
    const window = values[Setting.INITIAL_WINDOW_SIZE] ?? this.#theirWindow
    for (const stream of this.streams.values()) stream.sendWindow += window - this.#theirWindow
    this.#theirWindow = window
    this.#theirFrameSize = Math.min(values[Setting.MAX_FRAME_SIZE] ?? this.#theirFrameSize, 65_536)
    this.theirMaxStreams = values[Setting.MAX_CONCURRENT_STREAMS] ?? this.theirMaxStreams
    const table = values[Setting.HEADER_TABLE_SIZE]
    if (table !== undefined && table < 4_096) this.#encoder.resize(table)
    this.#frame(FrameType.SETTINGS, Flag.ACK, 0, Buffer.alloc(0))
    this.#ready?.()
    this.#pumpAll()
  }

  #acknowledged(): void {
    const settings = this.#announced.shift()
    if (settings === undefined) return this.#owner.complain('an acknowledgement of no SETTINGS of ours')
    const window = settings[Setting.INITIAL_WINDOW_SIZE] ?? this.#ourWindow
    for (const stream of this.streams.values()) stream.receiveWindow += window - this.#ourWindow
    this.#ourWindow = window
    this.#ourFrameSize = settings[Setting.MAX_FRAME_SIZE] ?? this.#ourFrameSize
    this.#ourTable = settings[Setting.HEADER_TABLE_SIZE] ?? this.#ourTable
    this.#ourMaxStreams = settings[Setting.MAX_CONCURRENT_STREAMS] ?? this.#ourMaxStreams
  }

  #windowUpdate(streamId: number, increment: number): void {
    if (increment === 0) this.#owner.complain(`WINDOW_UPDATE(${streamId}) of 0`)
    if (streamId === 0) {
      this.#sendWindow += increment
      return this.#pumpAll()
    }
    const stream = this.streams.get(streamId)
    if (stream === undefined) return
    stream.sendWindow += increment
    if (stream.waiting) stream.pump()
  }

  // Streams

  #add(id: number): PeerStream {
    const stream = new PeerStream(this, id, this.#theirWindow, this.#ourWindow)
    this.streams.set(id, stream)
    return stream
  }

  /** A stream that both sides ended is closed. */
  settle(stream: PeerStream): void {
    if (stream.remoteEnded && stream.localEnded && this.streams.has(stream.id)) this.#forget(stream, 'ended')
  }

  #forget(stream: PeerStream, how: 'ended' | 'reset by them' | 'reset by us'): void {
    stream.discard()
    this.streams.delete(stream.id)
    this.#closedStreams.set(stream.id, how)
    if (this.#closedStreams.size > REMEMBERED_STREAMS)
      this.#closedStreams.delete(this.#closedStreams.keys().next().value!)
    stream.owner?.onGone()
  }

  /** Not looked at: as if it had never come (RFC 9113 §6.8, above the last-stream-id). */
  ignore(stream: PeerStream): void {
    if (this.streams.has(stream.id)) this.#forget(stream, 'reset by us')
  }

  #closed(): void {
    const streams = [...this.streams.values()]
    this.streams.clear()
    for (const stream of streams) {
      stream.discard()
      stream.owner?.onLost()
    }
    this.#owner.onClosed()
  }
}
