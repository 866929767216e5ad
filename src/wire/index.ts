/**
 * `grpc-verbatim/wire`: HTTP/2 as bytes (RFC 9113, RFC 7541), for clients, servers and tests. Exports only.
 *
 * There are three layers, and each can be used without the one above:
 *
 * - `Connection`: one side of a connection whole: streams, windows, settings, limits. Begin with its documentation.
 * - `FrameReader`, `FrameWriter`, heads and constants: bytes to frames and back; a raw test peer is made of them.
 * - `HpackDecoder`, `HpackEncoder`: header blocks to fields and back.
 *
 * Next to them are the things that a peer can do wrong, by name: `PROTOCOL_TOKENS`, `HPACK_TOKENS`, `ErrorCode`; and
 * the limits.
 * None of them does I/O or reads a clock: sockets and timers are the caller's. What is not exported here may
 * change at any time.
 */
export { type Allowance, FLOOD_LIMITS, type FloodLimit, type FloodLimits, type FloodName } from './allowance.ts'
export { Connection } from './connection.ts'
export type { ConnectionLimits, ConnectionOptions, ConnectionOwner } from './connection-options.ts'
export { CONNECTION_LIMITS } from './connection-options.ts'
export { ErrorCode, errorCodeName } from './errors.ts'
export type { FloodPeaks } from './flood-peaks.ts'
export {
  CLIENT_PREFACE,
  DEFAULT_MAX_FRAME_SIZE,
  Flag,
  type FrameHandler,
  FrameType,
  frameTypeName,
  HEAD_BYTES,
  MAX_31_BIT,
  MAX_MAX_FRAME_SIZE,
  readFlags,
  readLength,
  readStreamId,
  readType,
  rewriteHead,
  writeHead,
} from './frame.ts'
export { FrameCounts } from './frame-counts.ts'
export { framesTaken } from './frame-in-hand.ts'
export { FrameReader } from './frame-reader.ts'
export type { FrameReaderOptions } from './frame-reader-options.ts'
export { FrameWriter } from './frame-writer.ts'
export { type DecoderOptions, HpackDecoder } from './hpack/decoder.ts'
export { HpackEncoder, maxEncodedBytes } from './hpack/encoder.ts'
export { HeaderField, type HeaderFieldLike, type HeaderName, Mode } from './hpack/header-field.ts'
export { HPACK_TOKENS, type HpackToken } from './hpack/hpack-error.ts'
export { fieldOf, nameOf } from './hpack/interning.ts'
export { MemoryBudget } from './memory-budget.ts'
export { ConnectionError, PROTOCOL_TOKENS, type ProtocolToken, StreamError } from './protocol-error.ts'
export { DEFAULT_WINDOW_SIZE, type Role, type SettingEntries, SettingId, Settings, UNLIMITED } from './settings.ts'
export type { StreamEnd, WireStream, WireStreamOwner } from './stream.ts'
