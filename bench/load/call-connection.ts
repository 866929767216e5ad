/**
 * One client connection that sends calls from images and checks each answer: status 200, all of the
 * bytes, `grpc-status: 0`. It does as little as that needs, so that the proxy is what is measured.
 */
import { once } from 'node:events'
import net from 'node:net'
import {
  CLIENT_PREFACE,
  Flag,
  type FrameHandler,
  FrameType,
  HEAD_BYTES,
  readLength,
  writeHead,
  writeUint32,
} from '../../src/wire/frame.ts'
import { FrameReader } from '../../src/wire/frame-reader.ts'
import { HpackDecoder } from '../../src/wire/hpack/decoder.ts'
import type { HeaderField } from '../../src/wire/hpack/header-field.ts'
import { Settings } from '../../src/wire/settings.ts'
import { SMALL_BYTES } from '../subjects/world.ts'
import type { CallImages } from './call-images.ts'

export interface CallOwner {
  /** @param intended what was given to `call` @param problem why the call is no success */
  onEnd(connection: CallConnection, intended: number, problem: string | undefined): void
  onLost(reason: string): void
}

/** Streams between the oldest and the newest open one; numbers wrap there. */
const SLOTS = 65_536
/** Open calls on a connection at most, whatever the peer allows: so that all proxies meet the same client. */
export const MAX_OPEN = 100
/** States of a call in place of its bytes. */
const NO_HEADERS = -1
const OVER = -2
const WINDOW = 2 ** 31 - 1
/** Of the connection's window, given back in one piece. */
const WINDOW_STEP = 2 ** 24
const INITIAL_WINDOW = 65_535

export class CallConnection implements FrameHandler {
  readonly #socket: net.Socket
  readonly #owner: CallOwner
  readonly #calls: CallImages
  readonly #reader = new FrameReader(this, { role: 'client' })
  readonly #decoder = new HpackDecoder()
  readonly #settings = new Settings()
  readonly #intended = new Float64Array(SLOTS)
  /** Bytes that came; or one of the states below. */
  readonly #received = new Int32Array(SLOTS)
  /** Calls that wait for a stream or for window. */
  readonly #waiting: number[] = []
  #waitingFrom = 0
  #nextImage = 0
  #nextId = 1
  #open = 0
  #sendWindow = INITIAL_WINDOW
  #unreleased = 0
  #out: Buffer = Buffer.allocUnsafe(65_536)
  #at = 0
  #greeted = () => {}

  constructor(socket: net.Socket, calls: CallImages, owner: CallOwner) {
    this.#socket = socket
    this.#calls = calls
    this.#owner = owner
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#receive(chunk as Buffer))
    socket.on('error', error => owner.onLost(error.message))
    socket.on('close', () => owner.onLost('connection closed'))
  }

  /** Connects, and waits for the peer's SETTINGS. */
  static async open(port: number, calls: CallImages, owner: CallOwner): Promise<CallConnection> {
    const socket = net.connect(port, '127.0.0.1')
    const connection = new CallConnection(socket, calls, owner)
    await once(socket, 'connect')
    const greeting = new Promise<void>(resolve => {
      connection.#greeted = resolve
    })
    CLIENT_PREFACE.copy(connection.#out)
    connection.#at = CLIENT_PREFACE.length
    connection.#frame(0, FrameType.SETTINGS, Flag.NONE)
    connection.#windowUpdate(WINDOW - INITIAL_WINDOW)
    connection.flush()
    await greeting
    return connection
  }

  /** Begins a call, or lets it wait. @param intended comes back with its end */
  call(intended: number): void {
    if (this.#mayBegin()) this.#begin(intended)
    else this.#waiting.push(intended)
  }

  /** Sends what has been written. */
  flush(): void {
    if (this.#at === 0) return
    this.#socket.write(this.#out.subarray(0, this.#at))
    this.#out = Buffer.allocUnsafe(65_536)
    this.#at = 0
  }

  close(): void {
    this.#socket.removeAllListeners('close').destroy()
  }

  #mayBegin(): boolean {
    return this.#open < Math.min(this.#settings.maxConcurrentStreams, MAX_OPEN) && this.#sendWindow >= SMALL_BYTES
  }

  #begin(intended: number): void {
    const id = this.#nextId
    this.#nextId += 2
    this.#open++
    this.#sendWindow -= SMALL_BYTES
    const slot = (id >> 1) % SLOTS
    this.#intended[slot] = intended
    this.#received[slot] = NO_HEADERS
    const { images, again } = this.#calls
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
    if (this.#waitingFrom < this.#waiting.length) this.#beginWaiting()
    this.#owner.onEnd(this, this.#intended[slot]!, problem)
  }

  #beginWaiting(): void {
    while (this.#waitingFrom < this.#waiting.length && this.#mayBegin())
      this.#begin(this.#waiting[this.#waitingFrom++]!)
    if (this.#waitingFrom === this.#waiting.length) this.#waitingFrom = this.#waiting.length = 0
  }

  #receive(chunk: Buffer): void {
    try {
      this.#reader.read(chunk)
    } catch (error) {
      this.#owner.onLost((error as Error).message)
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
      const status = textOf(fields, ':status')
      if (status !== '200') return this.#end(streamId, `:status ${status}`)
      this.#received[slot] = 0
    }
    if (!endStream) return
    const status = textOf(fields, 'grpc-status')
    const bytesReceived = this.#received[slot]!
    const good = status === '0' && bytesReceived === SMALL_BYTES
    this.#end(
      streamId,
      good ? undefined : `grpc-status ${status} after ${bytesReceived} bytes: ${textOf(fields, 'grpc-message')}`,
    )
  }

  onData(streamId: number, _bytes: Buffer, start: number, end: number, flowBytes: number, endStream: boolean): void {
    this.#received[(streamId >> 1) % SLOTS]! += end - start
    this.#unreleased += flowBytes
    if (this.#unreleased >= WINDOW_STEP) {
      this.#windowUpdate(this.#unreleased)
      this.#unreleased = 0
    }
    if (endStream) this.#end(streamId, 'no trailers')
  }

  onRstStream(streamId: number, code: number): void {
    this.#end(streamId, `RST_STREAM ${code}`)
  }

  onSettings(bytes: Buffer, start: number, end: number): void {
    this.#settings.apply(bytes, start, end)
    this.#frame(0, FrameType.SETTINGS, Flag.ACK)
    this.#greeted()
  }

  onPing(bytes: Buffer, at: number, ack: boolean): void {
    if (!ack) bytes.copy(this.#out, this.#frame(8, FrameType.PING, Flag.ACK), at, at + 8)
  }

  onGoaway(_lastStreamId: number, code: number): void {
    this.#owner.onLost(`GOAWAY ${code}`)
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
    this.#owner.onLost(error.message)
  }
}

function textOf(fields: readonly HeaderField[], name: string): string | undefined {
  for (const field of fields) if (field.name === name) return field.value
  return undefined
}
