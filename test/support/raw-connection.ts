/**
 * One end of an HTTP/2 connection that does exactly what a test says, and remembers everything that
 * came. Knows no stream states: a test may send what no honest peer would.
 */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import {
  Flag,
  FrameReader,
  FrameType,
  PREFACE,
  type RawFrame,
  Setting,
  type Settings,
  settingsPayload,
  uint32,
  writeFrame,
} from './frames.ts'
import { type Field, HpackDecoder, HpackEncoder, type Representation } from './hpack.ts'
import { Inbox } from './inbox.ts'
import { Interpreter, type Kind, line, type Of, type Received } from './received.ts'
import { Windows } from './windows.ts'

/** What a connection does by itself. Each can be switched at any time. */
export interface Automatic {
  /** Acknowledge SETTINGS. */
  settings: boolean
  /** Answer PING. */
  ping: boolean
  /** Give received DATA back as window, stream and connection, frame by frame. */
  window: boolean
}

export interface ConnectionOptions {
  /** Our first SETTINGS; empty by default. */
  readonly settings?: Settings
  readonly auto?: Partial<Automatic>
  /** False: say nothing until `greet()`. */
  readonly greet?: boolean
}

export interface HeadersOptions {
  readonly endStream?: boolean
  readonly representation?: Representation
  /** Payload bytes of the HEADERS frame and each CONTINUATION but the last; one frame by default. */
  readonly split?: number
  /** Instead of what END_STREAM and the split ask for. */
  readonly flags?: number
}

type Where<K extends Kind> = number | ((item: Of<K>) => boolean)

export class RawConnection {
  readonly socket: Socket
  readonly auto: Automatic
  /** Everything received, in order. */
  readonly log: Received[] = []
  readonly encoder = new HpackEncoder()
  /** How much we may send. */
  readonly windows = new Windows()
  /** Resolves when the connection is gone; never rejects. */
  readonly closed: Promise<void>
  readonly #inbox = new Inbox<Received>(() => this.describe())
  readonly #reader = new FrameReader()
  readonly #interpreter: Interpreter
  readonly #greeting: () => void
  #greeted = false
  #prefaceLeft: number
  #pings = 0
  /** Bytes of DATA that came, by stream. */
  readonly #dataBytes = new Map<number, number>()
  #onHeaders: (item: Of<'headers'>) => void = () => {}

  /** @param role whose preface we expect to read: a server reads the client's 24 octets first */
  constructor(socket: Socket, role: 'client' | 'server', options: ConnectionOptions = {}) {
    this.socket = socket
    this.auto = { settings: true, ping: true, window: true, ...options.auto }
    this.#interpreter = new Interpreter(new HpackDecoder(options.settings?.[Setting.HEADER_TABLE_SIZE]))
    this.#prefaceLeft = role === 'server' ? PREFACE.length : 0
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    // 'close' follows every error, and is what waits end by.
    socket.on('error', () => {})
    this.closed = new Promise(resolve => {
      socket.on('close', () => {
        this.#inbox.end('the connection is closed')
        this.windows.end()
        resolve()
      })
    })
    this.#greeting = () => {
      if (role === 'client') this.raw(PREFACE)
      this.settings(options.settings ?? {})
    }
    if (options.greet !== false) this.greet()
  }

  /** Sends the preface and our first SETTINGS, once; acknowledges the peer's that came before. */
  greet(): void {
    if (this.#greeted) return
    this.#greeted = true
    this.#greeting()
    if (this.auto.settings && this.log.some(item => item.kind === 'settings' && !item.ack))
      this.settings({}, { ack: true })
  }

  /** Called for each header block, before who waits for it. */
  onHeaders(listener: (item: Of<'headers'>) => void): void {
    this.#onHeaders = listener
  }

  // What came

  /**
   * The first frame of this kind not yet taken, or the next that comes.
   * @param where a stream id, or what must be true of it
   * @throws with the log, when the connection closes or nothing comes for a minute
   */
  async next<K extends Kind>(kind: K, where: Where<K> = () => true): Promise<Of<K>> {
    const test = typeof where === 'number' ? (item: Of<K>) => item.streamId === where : where
    const what = typeof where === 'number' ? `${kind} of stream ${where}` : kind
    const item = await this.#inbox.take(item => item.kind === kind && test(item as Of<K>), what)
    return item as Of<K>
  }

  /** Everything received on one stream that is not flow control. */
  stream(streamId: number): Received[] {
    return this.log.filter(item => item.streamId === streamId && ['headers', 'data', 'rst'].includes(item.kind))
  }

  /** Waits until the peer ended its side of the stream, by END_STREAM or a reset; takes what came until then. */
  async ended(streamId: number): Promise<Received[]> {
    const taken: Received[] = []
    for (;;) {
      const item = await this.#inbox.take(
        item => item.streamId === streamId && ['headers', 'data', 'rst'].includes(item.kind),
        `the end of stream ${streamId}`,
      )
      taken.push(item)
      if (item.kind === 'rst' || ('endStream' in item && item.endStream)) return taken
    }
  }

  /** Waits until so many bytes of DATA came on the stream, in all. */
  async received(streamId: number, bytes: number): Promise<void> {
    while (this.dataBytes(streamId) < bytes) await this.next('data', streamId)
  }

  /** Bytes of DATA that came on a stream. */
  dataBytes(streamId: number): number {
    return this.#dataBytes.get(streamId) ?? 0
  }

  /** All DATA that came on a stream. */
  body(streamId: number): Buffer {
    return Buffer.concat(
      this.log.flatMap(item => (item.kind === 'data' && item.streamId === streamId ? [item.data] : [])),
    )
  }

  /** One PING and its answer: what the peer sent before it has arrived, what we sent was read. */
  async roundTrip(): Promise<void> {
    const data = Buffer.alloc(8)
    data.writeUInt32BE(++this.#pings)
    this.ping(data)
    await this.next('ping', item => item.ack && item.data.equals(data))
  }

  describe(): string {
    const state = this.socket.destroyed ? 'closed' : 'open'
    return `received on this connection (${state}):\n${this.log.map(item => `  ${line(item)}`).join('\n')}`
  }

  // What we send

  raw(bytes: Buffer): void {
    if (!this.socket.destroyed && !this.socket.writableEnded) this.socket.write(bytes)
  }

  frame(frame: RawFrame): void {
    this.raw(writeFrame(frame))
  }

  headers(streamId: number, fields: readonly Field[], options: HeadersOptions = {}): void {
    this.headerBlock(streamId, this.encoder.encode(fields, options.representation), options)
  }

  /** A header block that is bytes already. */
  headerBlock(streamId: number, block: Buffer, options: HeadersOptions = {}): void {
    const size = options.split ?? 16_384
    const end = options.endStream ? Flag.END_STREAM : Flag.NONE
    const frames: Buffer[] = []
    for (let at = 0; at === 0 || at < block.length; at += size) {
      const last = at + size >= block.length ? Flag.END_HEADERS : Flag.NONE
      const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION
      const flags = at === 0 ? (options.flags ?? end | last) : last
      frames.push(
        writeFrame({
          type,
          flags,
          streamId,
          payload: block.subarray(at, at + size),
        }),
      )
    }
    this.raw(Buffer.concat(frames))
  }

  /** One DATA frame, whatever the window. */
  data(streamId: number, data: Buffer | string, options: { endStream?: boolean } = {}): void {
    const payload = typeof data === 'string' ? Buffer.from(data, 'latin1') : data
    this.windows.spend(streamId, payload.length)
    const flags = options.endStream ? Flag.END_STREAM : Flag.NONE
    this.frame({ type: FrameType.DATA, flags, streamId, payload })
  }

  /** As many DATA frames as the bytes need, each as the peer's window allows. False: the connection closed. */
  async upload(streamId: number, bytes: Buffer, options: { endStream?: boolean } = {}): Promise<boolean> {
    for (let at = 0; at < bytes.length; ) {
      const size = await this.windows.room(streamId, Math.min(bytes.length - at, 16_384))
      if (size === 0) return false
      const endStream = options.endStream === true && at + size === bytes.length
      this.data(streamId, bytes.subarray(at, at + size), { endStream })
      at += size
    }
    return true
  }

  rst(streamId: number, code: number): void {
    this.frame({
      type: FrameType.RST_STREAM,
      flags: 0,
      streamId,
      payload: uint32(code),
    })
  }

  goaway(lastStreamId: number, code: number, debug = ''): void {
    const payload = Buffer.concat([uint32(lastStreamId), uint32(code), Buffer.from(debug, 'latin1')])
    this.frame({ type: FrameType.GOAWAY, flags: 0, streamId: 0, payload })
  }

  ping(data: Buffer = Buffer.alloc(8), options: { ack?: boolean } = {}): void {
    this.frame({
      type: FrameType.PING,
      flags: options.ack ? Flag.ACK : 0,
      streamId: 0,
      payload: data,
    })
  }

  settings(settings: Settings, options: { ack?: boolean } = {}): void {
    const flags = options.ack ? Flag.ACK : 0
    this.frame({
      type: FrameType.SETTINGS,
      flags,
      streamId: 0,
      payload: settingsPayload(settings),
    })
  }

  /** Stream 0 is the connection. */
  windowUpdate(streamId: number, increment: number): void {
    this.frame({
      type: FrameType.WINDOW_UPDATE,
      flags: 0,
      streamId,
      payload: uint32(increment),
    })
  }

  /** Ends our half and waits for the connection to be gone. */
  async close(): Promise<void> {
    if (!this.socket.destroyed) this.socket.end()
    await this.closed
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** The connection dies the hard way: a TCP reset, not an end. */
  resetConnection(): void {
    this.socket.resetAndDestroy()
  }

  /** Resolves when a socket that is connecting is connected. */
  async connected(): Promise<this> {
    if (this.socket.connecting) await once(this.socket, 'connect')
    return this
  }

  /** Bytes that are not HTTP/2 end the connection, and every wait on it with the reason. */
  #receive(chunk: Buffer): void {
    try {
      this.#read(chunk)
    } catch (error) {
      this.#inbox.end(`the peer broke HTTP/2: ${(error as Error).message}`)
      this.socket.destroy()
    }
  }

  #read(chunk: Buffer): void {
    const skip = Math.min(this.#prefaceLeft, chunk.length)
    const expected = PREFACE.subarray(PREFACE.length - this.#prefaceLeft).subarray(0, skip)
    if (!chunk.subarray(0, skip).equals(expected)) throw new Error(`no HTTP/2 preface: ${chunk.toString('latin1')}`)
    this.#prefaceLeft -= skip
    for (const frame of this.#reader.push(chunk.subarray(skip))) {
      const item = this.#interpreter.read(frame)
      if (item !== undefined) this.#take(item)
    }
  }

  #take(item: Received): void {
    this.log.push(item)
    this.windows.learn(item)
    if (item.kind === 'data') this.#dataBytes.set(item.streamId, this.dataBytes(item.streamId) + item.data.length)
    if (item.kind === 'settings' && !item.ack && this.auto.settings && this.#greeted) this.settings({}, { ack: true })
    if (item.kind === 'ping' && !item.ack && this.auto.ping) this.ping(item.data, { ack: true })
    if (item.kind === 'data' && item.flowBytes > 0 && this.auto.window) {
      this.windowUpdate(0, item.flowBytes)
      if (!item.endStream) this.windowUpdate(item.streamId, item.flowBytes)
    }
    if (item.kind === 'headers') this.#onHeaders(item)
    this.#inbox.put(item)
  }
}
