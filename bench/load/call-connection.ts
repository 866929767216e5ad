/**
 * One client connection that sends small unary calls from images and checks each answer: status 200, every byte
 * of the message, `grpc-status: 0`. It does as little as that needs, so that the proxy is what is measured.
 */
import net from 'node:net'
import { firstValue } from '../../src/grpc/metadata.ts'
import { writeUint32 } from '../../src/wire/frame.ts'
import {
  CLIENT_PREFACE,
  DEFAULT_WINDOW_SIZE,
  errorCodeName,
  Flag,
  type FrameHandler,
  FrameReader,
  FrameType,
  HEAD_BYTES,
  HpackDecoder,
  readLength,
  Settings,
  writeHead,
} from '../../src/wire/index.ts'
import type { CallImages } from './call-images.ts'
import type { Caller, CallerOwner } from './caller.ts'
import { wrongByte } from './message-check.ts'
import { WaitingCalls } from './waiting-calls.ts'

/** What all calls of one connection share. */
export interface SmallCalls {
  readonly images: CallImages
  readonly requestBytes: number
  /** The expected answer, at most one frame of the default size. */
  readonly response: Buffer
  /** The most calls open at a time, whatever the peer allows. */
  readonly maxOpen: number
}

/** The most streams between the oldest and the newest open one. Stream numbers wrap there. */
const SLOTS = 4_096
/** States of a call in place of its bytes. */
const NO_HEADERS = -1
const OVER = -2
const WINDOW = 2 ** 31 - 1
/** How much of the connection's window is given back at once. */
const WINDOW_STEP = 2 ** 24
const OUT_BYTES = 32_768
/** Connecting and the server's SETTINGS together may take this long. */
const TIMEOUT_MS = 5_000

export class CallConnection implements FrameHandler, Caller {
  readonly #socket: net.Socket
  readonly #owner: CallerOwner
  readonly #calls: SmallCalls
  readonly #reader = new FrameReader(this, { role: 'client' })
  readonly #decoder = new HpackDecoder()
  readonly #settings = new Settings()
  readonly #intended = new Float64Array(SLOTS)
  /** The bytes that came, or one of the states above. */
  readonly #received = new Int32Array(SLOTS).fill(OVER)
  /** Calls that wait for a stream or for window. */
  readonly #waiting = new WaitingCalls()
  #nextImage = 0
  #nextId = 1
  #open = 0
  #sendWindow = DEFAULT_WINDOW_SIZE
  #unreleased = 0
  #out: Buffer = Buffer.allocUnsafe(OUT_BYTES)
  #at = 0
  #greeted = () => {}
  /** The one that hears when the connection is lost: `open`, then the owner. */
  #lost: (reason: string) => void = () => {}

  private constructor(socket: net.Socket, calls: SmallCalls, owner: CallerOwner) {
    this.#socket = socket
    this.#calls = calls
    this.#owner = owner
    socket.on('data', chunk => this.#receive(chunk as Buffer))
    socket.on('error', error => this.#lose(error.message))
    socket.on('close', () => this.#lose('the server closed the connection'))
  }

  /** Connects, and waits for the peer's SETTINGS. @throws Error that says why they did not come */
  static async open(port: number, calls: SmallCalls, owner: CallerOwner): Promise<CallConnection> {
    const connection = new CallConnection(net.connect({ port, host: '127.0.0.1', noDelay: true }), calls, owner)
    const timer = setTimeout(() => connection.#lose(`no HTTP/2 SETTINGS within ${TIMEOUT_MS} ms`), TIMEOUT_MS)
    try {
      await new Promise<void>((resolve, reject) => {
        connection.#greeted = resolve
        connection.#lost = reason => reject(new Error(reason))
        connection.#at = CLIENT_PREFACE.copy(connection.#out)
        connection.#frame(0, FrameType.SETTINGS, Flag.NONE)
        connection.#windowUpdate(WINDOW - DEFAULT_WINDOW_SIZE)
        connection.flush()
      })
    } catch (error) {
      connection.close()
      throw error
    } finally {
      clearTimeout(timer)
    }
    connection.#lost = reason => owner.onLost(reason)
    return connection
  }

  call(intended: number): void {
    if (this.#mayBegin()) this.#begin(intended)
    else this.#waiting.push(intended)
  }

  flush(): void {
    if (this.#at === 0) return
    this.#socket.write(this.#out.subarray(0, this.#at))
    // A buffer that the kernel took at once can be used again.
    if (this.#socket.writableLength > 0) this.#out = Buffer.allocUnsafe(OUT_BYTES)
    this.#at = 0
  }

  close(): void {
    this.#lost = () => {}
    this.#socket.destroy()
  }

  #lose(reason: string): void {
    const lost = this.#lost
    this.close()
    lost(reason)
  }

  #mayBegin(): boolean {
    return (
      this.#open < Math.min(this.#settings.maxConcurrentStreams, this.#calls.maxOpen) &&
      this.#sendWindow >= this.#calls.requestBytes &&
      this.#received[(this.#nextId >> 1) % SLOTS] === OVER
    )
  }

  #begin(intended: number): void {
    const id = this.#nextId
    this.#nextId += 2
    this.#open++
    this.#sendWindow -= this.#calls.requestBytes
    const slot = (id >> 1) % SLOTS
    this.#intended[slot] = intended
    this.#received[slot] = NO_HEADERS
    const { images, again } = this.#calls.images
    const image = images[this.#nextImage]!
    if (++this.#nextImage === images.length) this.#nextImage = again
    this.#ensure(image.length)
    const at = this.#at
    this.#out.set(image, at)
    writeUint32(this.#out, at + 5, id)
    writeUint32(this.#out, at + HEAD_BYTES + readLength(image, 0) + 5, id)
    this.#at = at + image.length
  }

  #end(streamId: number, problem: string | undefined): void {
    const slot = (streamId >> 1) % SLOTS
    if (this.#received[slot] === OVER) return
    this.#received[slot] = OVER
    this.#open--
    this.#beginWaiting()
    this.#owner.onEnd(this, this.#intended[slot]!, problem)
  }

  #beginWaiting(): void {
    while (this.#waiting.any && this.#mayBegin()) this.#begin(this.#waiting.shift())
  }

  #receive(chunk: Buffer): void {
    try {
      this.#reader.read(chunk)
    } catch (error) {
      this.#lose((error as Error).message)
      return
    }
    this.flush()
  }

  #frame(length: number, type: number, flags: number): number {
    this.#ensure(HEAD_BYTES + length)
    const at = this.#at
    writeHead(this.#out, at, length, type, flags, 0)
    this.#at = at + HEAD_BYTES + length
    return at + HEAD_BYTES
  }

  #windowUpdate(increment: number): void {
    writeUint32(this.#out, this.#frame(4, FrameType.WINDOW_UPDATE, Flag.NONE), increment)
  }

  #ensure(bytes: number): void {
    if (this.#at + bytes > this.#out.length) this.flush()
  }

  // What the peer sends

  onHeaders(streamId: number, bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const fields = this.#decoder.decode(bytes, start, end)
    const slot = (streamId >> 1) % SLOTS
    if (this.#received[slot] === NO_HEADERS) {
      const status = firstValue(fields, ':status')
      if (status !== '200') return this.#end(streamId, `:status ${status}`)
      this.#received[slot] = 0
    }
    if (!endStream) return
    const status = firstValue(fields, 'grpc-status')
    const received = this.#received[slot]!
    const { length } = this.#calls.response
    const problem =
      status !== '0'
        ? `grpc-status ${status} after ${received} bytes: ${firstValue(fields, 'grpc-message')}`
        : received !== length
          ? `${received} bytes came instead of ${length}`
          : undefined
    this.#end(streamId, problem)
  }

  onData(streamId: number, bytes: Buffer, start: number, end: number, flowBytes: number, endStream: boolean): void {
    const slot = (streamId >> 1) % SLOTS
    const before = this.#received[slot]!
    if (before < 0) return this.#lose(`DATA where none may be, on stream ${streamId}`)
    const { response } = this.#calls
    // Excess bytes are reported when the call ends.
    const count = Math.min(end - start, response.length - before)
    if (count > 0 && response.compare(bytes, start, start + count, before, before + count) !== 0) {
      return this.#end(streamId, wrongByte(bytes, start, start + count, before, response.length))
    }
    this.#received[slot] = before + end - start
    this.#unreleased += flowBytes
    if (this.#unreleased >= WINDOW_STEP) {
      this.#windowUpdate(this.#unreleased)
      this.#unreleased = 0
    }
    if (endStream) this.#end(streamId, 'no trailers')
  }

  onRstStream(streamId: number, code: number): void {
    this.#end(streamId, `RST_STREAM ${errorCodeName(code)}`)
  }

  onSettings(bytes: Buffer, start: number, end: number): void {
    this.#settings.apply(bytes, start, end)
    const { requestBytes } = this.#calls
    if (this.#settings.initialWindowSize < requestBytes) {
      return this.#lose(`streams have a window of ${this.#settings.initialWindowSize} bytes, a call ${requestBytes}`)
    }
    this.#frame(0, FrameType.SETTINGS, Flag.ACK)
    this.#greeted()
  }

  onPing(bytes: Buffer, at: number, ack: boolean): void {
    if (!ack) bytes.copy(this.#out, this.#frame(8, FrameType.PING, Flag.ACK), at, at + 8)
  }

  onGoaway(_lastStreamId: number, code: number): void {
    this.#lose(`GOAWAY ${errorCodeName(code)}`)
  }

  onWindowUpdate(streamId: number, increment: number): void {
    if (streamId !== 0) return
    this.#sendWindow += increment
    this.#beginWaiting()
  }

  onSettingsAck(): void {}
  onPriority(): void {}
  onPushPromise(): void {}
  onUnknown(): void {}

  onStreamError(error: Error): void {
    this.#lose(error.message)
  }
}
