/**
 * A gRPC call as the test service sees it, whatever server carries it: the node:http2 server of
 * this folder, or grpc-js in the tests. The service's logic is written against this alone.
 */
import type { StatusCode } from '../grpc/status.ts'
import { NO_BYTES } from '../wire/no-bytes.ts'

/** A metadata value: a Buffer for names that end in `-bin` (decoded), a string for all others. */
export type MetadataValue = string | Buffer

/** Metadata in order, duplicates kept. Names in lower case. */
export type Metadata = readonly (readonly [name: string, value: MetadataValue])[]

/** One call, while its method runs. */
export interface Call<Request, Reply> {
  /** What the client sent, without pseudo-headers. */
  readonly metadata: Metadata
  /** Request messages as they arrive; one for a unary method. Throws when the call is cancelled. */
  readonly requests: AsyncIterable<Request>
  /** Milliseconds since the epoch; undefined when the client set none. */
  readonly deadline: number | undefined
  /** Aborts when the client is gone or the deadline passed. */
  readonly signal: AbortSignal
  /** Response headers, at once. At most one call, before the first `write`. */
  sendHeaders(metadata: Metadata): void
  /** Sends a message, and headers before it if none went out; resolves when there is room for another. */
  write(reply: Reply): Promise<void>
  /** Adds trailers, to go out when the method is done or has thrown. */
  addTrailers(metadata: Metadata): void
}

/**
 * One method. Returning ends the call with OK, throwing `CallError` with that status, throwing
 * anything else with UNKNOWN.
 */
export type Handler<Request, Reply> = (call: Call<Request, Reply>) => Promise<void>

/** A method with its message types forgotten: what servers keep in a table. */
export type AnyHandler = Handler<never, object>

/** Ends a call with a status; on the client's side, tells with which one it ended. */
export class CallError extends Error {
  override readonly name = 'CallError'
  readonly code: StatusCode
  /** Goes out as `grpc-status-details-bin`, unless empty. */
  readonly details: Buffer

  constructor(code: StatusCode, message: string, details: Buffer = NO_BYTES) {
    super(message)
    this.code = code
    this.details = details
  }
}

/** All values of a name, in order. */
export function valuesOf(metadata: Metadata, name: string): MetadataValue[] {
  const wanted = name.toLowerCase()
  return metadata.filter(([key]) => key === wanted).map(([, value]) => value)
}

/** The first value of a name as text, or undefined. */
export function textOf(metadata: Metadata, name: string): string | undefined {
  return valuesOf(metadata, name)[0]?.toString()
}
