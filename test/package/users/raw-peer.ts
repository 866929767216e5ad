/** A user of `grpc-verbatim/wire`: a peer for tests, a client who sends what frames he likes and writes down what comes. */
import type { Socket } from 'node:net'
import {
  ErrorCode,
  errorCodeName,
  type FrameHandler,
  FrameReader,
  FrameWriter,
  type HeaderFieldLike,
  HpackDecoder,
  HpackEncoder,
  maxEncodedBytes,
  type StreamError,
} from 'grpc-verbatim/wire'

export class RawPeer implements FrameHandler {
  readonly writer = new FrameWriter()
  readonly frames: string[] = []
  readonly #socket: Socket
  readonly #encoder = new HpackEncoder()
  readonly #decoder = new HpackDecoder()

  constructor(socket: Socket) {
    this.#socket = socket
    const reader = new FrameReader(this, { role: 'client' })
    socket.on('data', (chunk: Buffer) => reader.read(chunk))
  }

  /** What `writer` has, or these bytes. Copied, so that no one need know when the socket has sent them. */
  send(...bytes: readonly Buffer[]): void {
    const spans = bytes.length > 0 ? bytes : this.writer.take()
    this.#socket.write(Buffer.concat(spans))
    this.writer.reuse()
  }

  headers(streamId: number, fields: readonly HeaderFieldLike[], endStream: boolean): void {
    const block = Buffer.alloc(maxEncodedBytes(fields))
    this.writer.headers(streamId, block, 0, this.#encoder.encode(fields, block, 0), endStream)
  }

  onHeaders(streamId: number, bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const fields = this.#decoder.decode(bytes, start, end).map(({ name, value }) => `${name}=${value}`)
    this.frames.push(`HEADERS ${streamId} ${fields.join(' ')}${endStream ? ' END' : ''}`)
  }

  onData(streamId: number, bytes: Buffer, start: number, end: number, _: number, endStream: boolean): void {
    this.frames.push(`DATA ${streamId} ${bytes.toString('latin1', start, end)}${endStream ? ' END' : ''}`)
  }

  onSettings(): void {
    this.frames.push('SETTINGS')
    this.writer.settingsAck()
    this.send()
  }

  onPing(bytes: Buffer, at: number, ack: boolean): void {
    this.frames.push(`PING ${bytes.toString('latin1', at, at + 8)}${ack ? ' ACK' : ''}`)
  }

  onRstStream(streamId: number, code: ErrorCode): void {
    this.frames.push(`RST_STREAM ${streamId} ${errorCodeName(code)}`)
  }

  onGoaway(lastStreamId: number, code: ErrorCode, bytes: Buffer, start: number, end: number): void {
    this.frames.push(`GOAWAY ${lastStreamId} ${errorCodeName(code)} ${bytes.toString('latin1', start, end)}`.trim())
  }

  onSettingsAck(): void {
    this.frames.push('SETTINGS ACK')
  }
  onStreamError(error: StreamError): void {
    this.frames.push(`wrong: ${error.token}`)
  }
  onWindowUpdate(): void {}
  onPriority(): void {}
  onUnknown(): void {}
  onPushPromise(): void {
    this.writer.goaway(0, ErrorCode.PROTOCOL_ERROR)
    this.send()
  }
}
