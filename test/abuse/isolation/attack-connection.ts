/**
 * A connection of an attacker: it sends what it is told to, whatever the rules say, reads no more than it must, and
 * takes no notice of its own end. Built on the frames of test/support; it shares nothing with src/wire.
 */
import { connect, type Socket } from 'node:net'
import {
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
import { type Field, HpackEncoder } from '../../support/hpack.ts'

/** What an attack does when something comes. */
export interface Talk {
  /** The proxy's SETTINGS came. */
  ready?(connection: AttackConnection): void
  /** The response began: the backend has seen the call. */
  begun?(connection: AttackConnection, streamId: number): void
  /** END_STREAM or RST_STREAM came. */
  ended?(connection: AttackConnection, streamId: number): void
  /** The proxy takes more: a window, or room in the socket. */
  room?(connection: AttackConnection): void
}

export interface AttackOptions {
  readonly settings?: Settings
  /** What the connection's window is opened by, beyond 65,535. */
  readonly windowBytes?: number
}

const DEFAULT_WINDOW = 65_535
const FRAME_BYTES = 16_384
/** What waits in our own process at most before an attack is asked to wait. */
const UNSENT_BYTES = 1_048_576

/** A header block without the dynamic table: it may be sent on any connection. */
export function blockOf(fields: readonly Field[]): Buffer {
  return new HpackEncoder().encode(fields)
}

/** HEADERS, and CONTINUATION as far as they are needed. */
export function headerFrames(streamId: number, block: Buffer, endStream: boolean): Buffer {
  const frames: Buffer[] = []
  for (let at = 0; at === 0 || at < block.length; at += FRAME_BYTES) {
    const last = at + FRAME_BYTES >= block.length ? Flag.END_HEADERS : Flag.NONE
    const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION
    const flags = at === 0 && endStream ? last | Flag.END_STREAM : last
    frames.push(writeFrame({ type, flags, streamId, payload: block.subarray(at, at + FRAME_BYTES) }))
  }
  return frames.length === 1 ? frames[0]! : Buffer.concat(frames)
}

export class AttackConnection {
  readonly socket: Socket
  /** Streams that we opened and that have not ended, as far as we have heard. */
  readonly open = new Set<number>()
  readonly #talk: Talk
  readonly #reader = new FrameReader()
  #lastStreamId = -1
  #window = DEFAULT_WINDOW
  #initialWindow = DEFAULT_WINDOW
  /** What WINDOW_UPDATE and DATA made of the initial window, for each stream. */
  readonly #windows = new Map<number, number>()
  readonly #bodies = new Map<number, { bytes: Buffer; readonly endStream: boolean }>()
  #ready = false

  constructor(port: number, talk: Talk, options: AttackOptions = {}) {
    this.#talk = talk
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.socket.on('data', (chunk: Buffer) => {
      for (const frame of this.#reader.push(chunk)) this.#read(frame)
    })
    this.socket.on('drain', () => this.#talk.room?.(this))
    this.socket.on('error', () => {})
    this.send(Buffer.concat([PREFACE, settings(options.settings ?? {})]))
    if (options.windowBytes !== undefined) this.windowUpdate(0, options.windowBytes)
  }

  get gone(): boolean {
    return this.socket.destroyed || this.socket.writableEnded
  }

  /** More would only wait in our own memory. */
  get congested(): boolean {
    return this.gone || this.socket.writableLength > UNSENT_BYTES
  }

  send(bytes: Buffer): void {
    if (!this.gone) this.socket.write(bytes)
  }

  newStreamId(): number {
    this.#lastStreamId += 2
    return this.#lastStreamId
  }

  /** A call: its number. */
  request(block: Buffer, endStream = true): number {
    const streamId = this.newStreamId()
    this.open.add(streamId)
    this.send(headerFrames(streamId, block, endStream))
    return streamId
  }

  /** As the windows allow, now and later. */
  body(streamId: number, bytes: Buffer, endStream = true): void {
    this.#bodies.set(streamId, { bytes, endStream })
    this.#pump()
  }

  /** A single DATA frame, whatever the windows; counted in them. */
  data(streamId: number, bytes: Buffer, endStream = false): void {
    this.spend(streamId, bytes.length)
    this.send(writeFrame({ type: FrameType.DATA, flags: endStream ? Flag.END_STREAM : 0, streamId, payload: bytes }))
  }

  /** What we may send on a stream. */
  roomOf(streamId: number): number {
    return Math.min(this.#window, this.#initialWindow + (this.#windows.get(streamId) ?? 0))
  }

  spend(streamId: number, bytes: number): void {
    this.#window -= bytes
    this.#windows.set(streamId, (this.#windows.get(streamId) ?? 0) - bytes)
  }

  reset(streamId: number, code: number): void {
    this.forget(streamId)
    this.send(writeFrame({ type: FrameType.RST_STREAM, flags: 0, streamId, payload: uint32(code) }))
  }

  windowUpdate(streamId: number, increment: number): void {
    this.send(writeFrame({ type: FrameType.WINDOW_UPDATE, flags: 0, streamId, payload: uint32(increment) }))
  }

  forget(streamId: number): void {
    this.open.delete(streamId)
    this.#windows.delete(streamId)
    this.#bodies.delete(streamId)
  }

  destroy(): void {
    this.socket.destroy()
  }

  #pump(): void {
    for (const [streamId, body] of this.#bodies) {
      for (;;) {
        const size = Math.min(this.roomOf(streamId), FRAME_BYTES, body.bytes.length)
        if (size <= 0) break
        const last = size === body.bytes.length
        this.data(streamId, body.bytes.subarray(0, size), last && body.endStream)
        body.bytes = body.bytes.subarray(size)
        if (last) this.#bodies.delete(streamId)
      }
      if (this.#window <= 0) return
    }
  }

  #read({ type, flags, streamId, payload }: RawFrame): void {
    switch (type) {
      case FrameType.SETTINGS:
        if ((flags & Flag.ACK) === 0) this.#settings(readSettings(payload))
        return
      case FrameType.PING:
        if ((flags & Flag.ACK) === 0)
          this.send(writeFrame({ type: FrameType.PING, flags: Flag.ACK, streamId: 0, payload }))
        return
      case FrameType.WINDOW_UPDATE: {
        const increment = payload.readUInt32BE() & 0x7fffffff
        if (streamId === 0) this.#window += increment
        else if (this.open.has(streamId)) this.#windows.set(streamId, (this.#windows.get(streamId) ?? 0) + increment)
        this.#pump()
        this.#talk.room?.(this)
        return
      }
      case FrameType.HEADERS:
      case FrameType.DATA:
      case FrameType.RST_STREAM: {
        const end = type === FrameType.RST_STREAM || (flags & Flag.END_STREAM) !== 0
        if (type === FrameType.HEADERS && !end) this.#talk.begun?.(this, streamId)
        if (!end) return
        this.forget(streamId)
        this.#talk.ended?.(this, streamId)
      }
    }
  }

  #settings(values: Settings): void {
    this.#initialWindow = values[Setting.INITIAL_WINDOW_SIZE] ?? this.#initialWindow
    this.send(writeFrame({ type: FrameType.SETTINGS, flags: Flag.ACK, streamId: 0, payload: Buffer.alloc(0) }))
    if (this.#ready) return
    this.#ready = true
    this.#talk.ready?.(this)
  }
}

export function settings(values: Settings): Buffer {
  return writeFrame({ type: FrameType.SETTINGS, flags: 0, streamId: 0, payload: settingsPayload(values) })
}
