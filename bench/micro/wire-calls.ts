/** Small calls as bytes, for connections without sockets. */
import { Connection } from '../../src/wire/connection.ts'
import { CLIENT_PREFACE, HEAD_BYTES, writeUint32 } from '../../src/wire/frame.ts'
import { PING_BYTES, Ping } from '../../src/wire/inbound.ts'
import type { ConnectionError, StreamError } from '../../src/wire/protocol-error.ts'
import type { Role } from '../../src/wire/settings.ts'
import type { WireStream, WireStreamOwner } from '../../src/wire/stream.ts'
import { Flag, FrameType, Setting, settingsPayload, uint32, writeFrame } from '../../test/support/frames.ts'

/** Each way: a gRPC message of 39 bytes. */
export const MESSAGE: Buffer = Buffer.alloc(44, 7)

const NOTHING = Buffer.alloc(0)

/** The bytes with which the peer greets our side of a role. */
const GREETING: Readonly<Record<Role, Buffer>> = {
  server: Buffer.concat([CLIENT_PREFACE, settings(0, NOTHING), settings(Flag.ACK, NOTHING)]),
  client: Buffer.concat([
    settings(0, settingsPayload({ [Setting.MAX_CONCURRENT_STREAMS]: 1_000 })),
    settings(Flag.ACK, NOTHING),
  ]),
}

function settings(flags: number, payload: Buffer): Buffer {
  return writeFrame({ type: FrameType.SETTINGS, flags, streamId: 0, payload })
}

/** What a peer sends besides calls: the window that we used, and the ACK of the PING that measures round trips. */
export function upkeep(bytes: number): Buffer {
  const probe = PING_BYTES.subarray(Ping.PROBE * 8, Ping.PROBE * 8 + 8)
  return Buffer.concat([
    writeFrame({ type: FrameType.PING, flags: Flag.ACK, streamId: 0, payload: probe }),
    writeFrame({ type: FrameType.WINDOW_UPDATE, flags: Flag.NONE, streamId: 0, payload: uint32(bytes) }),
  ])
}

/** HEADERS, for a stream that `Calls.renumber` names. */
export function headers(block: Buffer, endStream: boolean): Buffer {
  const flags = Flag.END_HEADERS | (endStream ? Flag.END_STREAM : Flag.NONE)
  return writeFrame({ type: FrameType.HEADERS, flags, streamId: 0, payload: block })
}

/** DATA, for a stream that `Calls.renumber` names. */
export function data(payload: Buffer, endStream: boolean): Buffer {
  const flags = endStream ? Flag.END_STREAM : Flag.NONE
  return writeFrame({ type: FrameType.DATA, flags, streamId: 0, payload })
}

/** A whole request. */
export function request(block: Buffer): readonly Buffer[] {
  return [headers(block, false), data(MESSAGE, true)]
}

/** The frames of some calls, one call after the other. */
export class Calls {
  readonly bytes: Buffer
  /** Where the stream ids are. */
  readonly #places: number[] = []
  readonly #framesACall: number

  /** By call, its frames. */
  constructor(calls: readonly (readonly Buffer[])[]) {
    const frames = calls.flat()
    this.bytes = Buffer.concat(frames)
    this.#framesACall = frames.length / calls.length
    let at = 0
    for (const frame of frames) {
      this.#places.push(at + HEAD_BYTES - 4)
      at += frame.length
    }
  }

  /** Turns them into calls on new streams from `first` on, because a connection sees a number only once. */
  renumber(first: number): this {
    for (let i = 0; i < this.#places.length; i++)
      writeUint32(this.bytes, this.#places[i]!, first + 2 * Math.floor(i / this.#framesACall))
    return this
  }
}

/** A connection that both sides have greeted. It throws when something goes wrong. */
export function openConnection(role: Role, onStream: (stream: WireStream) => WireStreamOwner): Connection {
  const fail = (error: ConnectionError | StreamError): void => {
    // What an owner threw comes out anyway.
    if (error.token !== 'internal-error') throw error
  }
  const none = (): void => {}
  const owner = { onPending: none, onReady: none, onStream, onFree: none, onGoaway: none, onDrained: none }
  const connection = new Connection({ role, owner: { ...owner, onPong: none, onStreamError: fail, onFailed: fail } })
  connection.start()
  connection.receive(GREETING[role])
  flush(connection)
  return connection
}

/** Does what the layer above does when the socket takes all at once. @returns bytes */
export function flush(connection: Connection): number {
  let bytes = 0
  for (const span of connection.flush()) bytes += span.length
  connection.reuse()
  return bytes
}

/** The same, and gives the bytes. */
export function flushed(connection: Connection): Buffer {
  const bytes = Buffer.concat(connection.flush())
  connection.reuse()
  return bytes
}
