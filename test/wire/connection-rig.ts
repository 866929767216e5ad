/** A `Connection` and its scripted peer, who writes frames and HPACK with the independent code of test/support. */
import { Connection } from '../../src/wire/connection.ts'
import type { ConnectionLimits, ConnectionOwner } from '../../src/wire/connection-options.ts'
import type { ConnectionError, StreamError } from '../../src/wire/protocol-error.ts'
import type { StreamEnd, WireStream, WireStreamOwner } from '../../src/wire/stream.ts'
import {
  Flag,
  FrameReader,
  FrameType,
  PREFACE,
  type RawFrame,
  type Settings,
  settingsPayload,
  uint32,
  writeFrame,
} from '../support/frames.ts'
import { type Field, HpackDecoder, HpackEncoder } from '../support/hpack.ts'

export const REQUEST: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/a.B/C'],
  [':authority', 'x'],
  ['te', 'trailers'],
]
export const RESPONSE: readonly Field[] = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
]
export const TRAILERS: readonly Field[] = [['grpc-status', '0']]

/** What our side sends: the fields as the seam has them. */
export const block = (fields: readonly Field[]) => fields.map(([name, value]) => ({ name, value, neverIndexed: false }))

/** One stream's owner that writes down what it is told. */
export class Listener implements WireStreamOwner {
  readonly events: string[] = []
  stream!: WireStream
  /** How it ended. */
  end: StreamEnd | undefined
  /** Gives back what comes, at once. */
  releases = true
  /** Does something with each event, inside the call. */
  also: (event: string) => void = () => {}
  onOverdue: () => void = () => {}

  #told(event: string): void {
    this.events.push(event)
    this.also(event)
  }

  onHeaders(fields: readonly { name: string; value: string }[], endStream: boolean): void {
    this.#told(`headers ${fields.map(f => `${f.name}=${f.value}`).join(',')}${endStream ? ' end' : ''}`)
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#told(`data ${bytes.toString('latin1', start, end)}${endStream ? ' end' : ''}`)
    if (this.releases) this.stream.release(end - start)
  }

  onTrailers(fields: readonly { name: string; value: string }[]): void {
    this.#told(`trailers ${fields.map(f => `${f.name}=${f.value}`).join(',')}`)
  }

  onWritable(): void {
    this.#told('writable')
  }

  onClosed(end: StreamEnd): void {
    this.end = end
    const more = end.kind === 'reset' ? ` ${end.code} ${end.by}` : end.kind === 'lost' ? ` ${end.unprocessed}` : ''
    this.#told(`closed ${end.kind}${more}`)
  }
}

export class Rig implements ConnectionOwner {
  readonly connection: Connection
  /** What the connection told, without streams. */
  readonly events: string[] = []
  readonly listeners: Listener[] = []
  readonly encoder = new HpackEncoder()
  readonly decoder = new HpackDecoder()
  pending = 0
  streamErrors: string[] = []
  failure: ConnectionError | undefined
  /** How the input is cut: each chunk is given in pieces of so many bytes. */
  pieces = Number.POSITIVE_INFINITY
  readonly #reader = new FrameReader()

  constructor(role: 'server' | 'client', limits: ConnectionLimits = {}) {
    this.connection = new Connection({ role, limits, owner: this })
    this.connection.start()
  }

  /** The peer's preface, and what ours was is thrown away. */
  begin(settings: Settings = {}): this {
    if (this.connection.role === 'server') this.connection.receive(PREFACE)
    this.settings(settings)
    this.frame(FrameType.SETTINGS, Flag.ACK, 0, Buffer.alloc(0))
    this.sent()
    return this
  }

  onPending(): void {
    this.pending++
  }
  onReady(): void {
    this.events.push('ready')
  }
  onStream(stream: WireStream): Listener {
    return this.listen(stream)
  }
  onFree(): void {
    this.events.push('free')
  }
  onGoaway(code: number, debug: string): void {
    this.events.push(`goaway ${code} ${debug}`)
  }
  onDrained(): void {
    this.events.push('drained')
  }
  onPong(): void {
    this.events.push('pong')
  }
  onStreamError(error: StreamError): void {
    this.streamErrors.push(error.token)
  }
  onFailed(error: ConnectionError): void {
    this.failure = error
  }

  listen(stream: WireStream, listener: Listener = new Listener()): Listener {
    listener.stream = stream
    this.listeners.push(listener)
    return listener
  }

  /** A client's stream with a request. */
  open(endStream = false): Listener {
    const listener = new Listener()
    this.listen(this.connection.openStream(listener), listener)
    listener.stream.sendHeaders(block(REQUEST), endStream)
    return listener
  }

  // What the peer sends

  bytes(input: Buffer): this {
    for (let at = 0; at < input.length; at += this.pieces)
      this.connection.receive(Buffer.from(input.subarray(at, Math.min(input.length, at + this.pieces))))
    return this
  }

  frame(type: number, flags: number, streamId: number, payload: Buffer): this {
    return this.bytes(writeFrame({ type, flags, streamId, payload }))
  }

  settings(settings: Settings): this {
    return this.frame(FrameType.SETTINGS, 0, 0, settingsPayload(settings))
  }

  headers(id: number, fields: readonly Field[], end = false): this {
    const flags = Flag.END_HEADERS | (end ? Flag.END_STREAM : 0)
    return this.frame(FrameType.HEADERS, flags, id, this.encoder.encode(fields, 'indexed'))
  }

  data(id: number, text: string | Buffer, end = false): this {
    const payload = typeof text === 'string' ? Buffer.from(text, 'latin1') : text
    return this.frame(FrameType.DATA, end ? Flag.END_STREAM : 0, id, payload)
  }

  reset(id: number, code: number): this {
    return this.frame(FrameType.RST_STREAM, 0, id, uint32(code))
  }

  window(id: number, increment: number): this {
    return this.frame(FrameType.WINDOW_UPDATE, 0, id, uint32(increment))
  }

  goaway(lastStreamId: number, code: number, debug = ''): this {
    const payload = Buffer.concat([uint32(lastStreamId), uint32(code), Buffer.from(debug)])
    return this.frame(FrameType.GOAWAY, 0, 0, payload)
  }

  // What the peer gets

  /** Frames since the last call, one flush. */
  frames(): RawFrame[] {
    const bytes = Buffer.concat(this.connection.flush())
    this.connection.reuse()
    const preface = bytes.indexOf(PREFACE) === 0 ? PREFACE.length : 0
    return this.#reader.push(bytes.subarray(preface))
  }

  /** The same as text. */
  sent(): string[] {
    return this.frames().map(frame => this.#text(frame))
  }

  #text({ type, flags, streamId, payload }: RawFrame): string {
    const end = flags & Flag.END_STREAM ? ' end' : ''
    switch (type) {
      case FrameType.DATA:
        return `data ${streamId} ${payload.length > 40 ? payload.length : payload.toString('latin1')}${end}`
      case FrameType.HEADERS:
        return `headers ${streamId} ${this.decoder.decode(payload).map(f => `${f.name}=${f.value}`)}${end}`
      case FrameType.RST_STREAM:
        return `rst ${streamId} ${payload.readUInt32BE()}`
      case FrameType.SETTINGS:
        return flags & Flag.ACK ? 'settings ack' : 'settings'
      case FrameType.PING:
        return `ping ${payload.toString('hex')}${flags & Flag.ACK ? ' ack' : ''}`
      case FrameType.GOAWAY:
        return `goaway ${payload.readUInt32BE()} ${payload.readUInt32BE(4)} ${payload.toString('latin1', 8)}`
      case FrameType.WINDOW_UPDATE:
        return `window ${streamId} ${payload.readUInt32BE()}`
      default:
        return `type ${type}`
    }
  }
}
