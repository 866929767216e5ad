/** What a `Connection` is made with, and what it tells its owner. */
import type { FloodLimits } from './allowance.ts'
import type { ErrorCode } from './errors.ts'
import type { FrameCounts } from './frame-counts.ts'
import type { FrameReaderOptions } from './frame-reader-options.ts'
import { DEFAULT_MAX_LIST_BYTES, type DecoderOptions } from './hpack/decoder.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { Refuse } from './outbound.ts'
import type { ConnectionError, StreamError } from './protocol-error.ts'
import { DEFAULT_WINDOW_SIZE, type Role, type SettingEntries, SettingId } from './settings.ts'
import type { WireStream, WireStreamOwner } from './stream.ts'
import type { Work } from './work.ts'

/** The limits, each with its default in `CONNECTION_LIMITS`, together with those of parsing and of header lists. */
export interface ConnectionLimits
  extends Partial<typeof CONNECTION_LIMITS>,
    Omit<FrameReaderOptions, 'role' | 'work'>,
    DecoderOptions {
  readonly floods?: FloodLimits
}

/** Defaults. Bytes are those of payloads; flow-window.ts and outbound.ts say what they allow in memory. */
export const CONNECTION_LIMITS: {
  /** Streams open at a time. A server allows this many; a client opens at most this many of those it is allowed. */
  readonly maxConcurrentStreams: number
  /** Bytes that a peer may send on a stream before we gave anything back (SETTINGS_INITIAL_WINDOW_SIZE) … */
  readonly initialStreamWindow: number
  /** … and the size to which that grows for a stream that drains fast. With the same value it never grows. */
  readonly maxStreamWindow: number
  /** What it may send on all streams together, again and again while what we hold stays within the second. */
  readonly initialConnectionWindow: number
  readonly maxConnectionWindow: number
  /** Bytes of the decoder's dynamic table (SETTINGS_HEADER_TABLE_SIZE). */
  readonly headerTableSize: number
  /** Bytes of DATA in one flush; the last frame, of up to 16 KiB, may exceed it. */
  readonly maxOutputBytes: number
} = {
  maxConcurrentStreams: 1_000,
  initialStreamWindow: DEFAULT_WINDOW_SIZE,
  maxStreamWindow: 4_194_304,
  initialConnectionWindow: 1_048_576,
  maxConnectionWindow: 67_108_864,
  headerTableSize: 4_096,
  maxOutputBytes: 262_144,
}

/**
 * What a connection tells. Calls come inside `receive`, `flush`, `closed`, `fail` and `end`, except for
 * `onPending`, which may come inside any call. What an owner throws comes out of them, and costs the connection.
 */
export interface ConnectionOwner {
  /** There is something to flush after there was nothing: call `flush` in a later turn of the loop. */
  onPending(): void
  /** The peer's first SETTINGS came, once. A client may open streams from now on. */
  onReady(): void
  /** Servers only: a client opened a stream. The owner that is returned gets its headers next. */
  onStream(stream: WireStream): WireStreamOwner
  /** Clients only: `free` is above 0 again, after somebody read it as 0. */
  onFree(): void
  /**
   * GOAWAY came. The owners of streams above its id already know that they are lost. `debug`: latin1, 1,024 characters
   * at most.
   */
  onGoaway(code: ErrorCode, debug: string): void
  /** Clients only: no stream number is left (§5.1.1), `free` stays 0; the streams that are open run on. Once. */
  onSpent?(): void
  /** After `drain` (a server's: after its last GOAWAY), or after a GOAWAY that came: the last stream is gone. Once. */
  onDrained(): void
  /** The ACK of a `ping()` came. */
  onPong?(): void
  /** The peer broke a rule that cost it one stream (RST_STREAM was sent, if there was a stream). */
  onStreamError(error: StreamError): void
  /** The peer broke a rule that costs it the connection: flush what is there (GOAWAY), then close the socket. */
  onFailed(error: ConnectionError): void
}

export interface ConnectionOptions {
  /** The side that we are. */
  readonly role: Role
  readonly limits?: ConnectionLimits
  /** It hears what happens until the connection is over. No call comes from within the constructor. */
  readonly owner: ConnectionOwner
  /** Shared by the connections of a process; default: none, each connection's window alone is the bound. */
  readonly budget?: MemoryBudget
  /** Counts RST_STREAM and GOAWAY, for any number of connections; default: nobody does. */
  readonly counts?: FrameCounts | undefined
  /** How much `receive` may work off before it stops. Whoever sets it refills it. Default: no bound. */
  readonly work?: Work
  /**
   * Makes the error that `sendHeaders` and `sendTrailers` throw for a block that cannot be sent; default: an `Error`.
   */
  readonly refuse?: Refuse
}

/** The SETTINGS that say these limits. */
export function settingsOf(role: Role, limits: typeof CONNECTION_LIMITS & ConnectionLimits): SettingEntries {
  const entries: [number, number][] = []
  // §6.5.2: "A server MUST NOT explicitly set this value to 1", and we do not use push.
  if (role === 'client') entries.push([SettingId.ENABLE_PUSH, 0])
  else entries.push([SettingId.MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams])
  if (limits.headerTableSize !== 4_096) entries.push([SettingId.HEADER_TABLE_SIZE, limits.headerTableSize])
  if (limits.initialStreamWindow !== DEFAULT_WINDOW_SIZE)
    entries.push([SettingId.INITIAL_WINDOW_SIZE, limits.initialStreamWindow])
  if (limits.maxFrameSize !== undefined) entries.push([SettingId.MAX_FRAME_SIZE, limits.maxFrameSize])
  entries.push([SettingId.MAX_HEADER_LIST_SIZE, limits.maxListBytes ?? DEFAULT_MAX_LIST_BYTES])
  return entries
}
