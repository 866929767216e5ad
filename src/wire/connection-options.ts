/** What a `Connection` is made with, and what it tells its owner. */
import type { FloodLimits } from './allowance.ts'
import type { ErrorCode } from './errors.ts'
import type { FrameReaderOptions } from './frame-reader.ts'
import { DEFAULT_MAX_LIST_BYTES, type DecoderOptions } from './hpack/decoder.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { ConnectionError, StreamError } from './protocol-error.ts'
import { DEFAULT_WINDOW_SIZE, type Role, type SettingEntries, SettingId } from './settings.ts'
import type { WireStream, WireStreamOwner } from './stream.ts'

/** Limits, each with its default in `CONNECTION_LIMITS`; those of parsing and of header lists beside them. */
export interface ConnectionLimits
  extends Partial<typeof CONNECTION_LIMITS>,
    Omit<FrameReaderOptions, 'role'>,
    DecoderOptions {
  readonly floods?: FloodLimits
}

export const CONNECTION_LIMITS: {
  readonly maxConcurrentStreams: number
  readonly initialStreamWindow: number
  readonly maxStreamWindow: number
  readonly initialConnectionWindow: number
  readonly maxConnectionWindow: number
  readonly headerTableSize: number
  readonly maxOutputBytes: number
} = {
  /** Streams open at a time: as server what we allow, as client what we use at most of what we are allowed. */
  maxConcurrentStreams: 1_000,
  /** What a peer may send on a stream before we gave anything back … */
  initialStreamWindow: DEFAULT_WINDOW_SIZE,
  /** … and up to where that grows for a stream that drains fast. */
  maxStreamWindow: 4_194_304,
  /** What it may send on all streams together, again and again while what we hold stays within the second. */
  initialConnectionWindow: 1_048_576,
  maxConnectionWindow: 67_108_864,
  /** Of the decoder's dynamic table. */
  headerTableSize: 4_096,
  /** DATA in one flush. */
  maxOutputBytes: 262_144,
}

/**
 * What a connection tells. Calls come inside `receive`, `flush` and `closed`, except for `onPending`, which
 * may come inside any call. What an owner throws comes out of them, and costs the connection.
 */
export interface ConnectionOwner {
  /** There is something to flush after there was nothing: call `flush` in a later turn of the loop. */
  onPending(): void
  /** The peer's first SETTINGS came. */
  onReady(): void
  /** Servers only: a client opened a stream. The owner returned is told its headers next. */
  onStream(stream: WireStream): WireStreamOwner
  /** Clients only: `free` may have grown. */
  onFree(): void
  /** GOAWAY came. Streams above its id have been told that they are lost. */
  onGoaway(code: ErrorCode, debug: string): void
  /** After `drain`'s last GOAWAY, or after a GOAWAY that came: the last stream is gone. Once. */
  onDrained(): void
  /** The ACK of a `ping()`. */
  onPong(): void
  /** The peer broke a rule that cost it one stream (RST_STREAM was sent, if there was a stream). */
  onStreamError(error: StreamError): void
  /** The peer broke a rule that costs it the connection: flush what is there (GOAWAY), then close the socket. */
  onFailed(error: ConnectionError): void
}

export interface ConnectionOptions {
  readonly role: Role
  readonly limits?: ConnectionLimits
  readonly owner: ConnectionOwner
  /** Shared by the connections of a process; default: none, each connection's window alone is the bound. */
  readonly budget?: MemoryBudget
  /** Makes the error that `sendHeaders` and `sendTrailers` throw for a block that cannot be sent. */
  readonly refuse?: (reason: string) => Error
}

/** The SETTINGS that say these limits. */
export function settingsOf(role: Role, limits: typeof CONNECTION_LIMITS & ConnectionLimits): SettingEntries {
  const entries: [number, number][] = []
  // §6.5.2: "A server MUST NOT explicitly set this value to 1", and push is not for us.
  if (role === 'client') entries.push([SettingId.ENABLE_PUSH, 0])
  else entries.push([SettingId.MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams])
  if (limits.headerTableSize !== 4_096) entries.push([SettingId.HEADER_TABLE_SIZE, limits.headerTableSize])
  if (limits.initialStreamWindow !== DEFAULT_WINDOW_SIZE)
    entries.push([SettingId.INITIAL_WINDOW_SIZE, limits.initialStreamWindow])
  if (limits.maxFrameSize !== undefined) entries.push([SettingId.MAX_FRAME_SIZE, limits.maxFrameSize])
  entries.push([SettingId.MAX_HEADER_LIST_SIZE, limits.maxListBytes ?? DEFAULT_MAX_LIST_BYTES])
  return entries
}
