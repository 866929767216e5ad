/**
 * The director: a function that says where a call goes. The declarative router is one
 * implementation of it; a user's own function is another.
 */
import type { HeaderBlock, Peer } from '../transport/transport.ts'

/** What a director is told of a call. Valid until the call ends. */
export interface CallInfo {
  /** `:path`, untouched: `/pkg.Service/Method`. A call with any other path has ended before. */
  readonly path: string
  /**
   * `pkg.Service`. Of a request that is not gRPC (`acceptNonGrpc`) the first part of its path as most servers read it:
   * without query, escapes decoded; may be empty.
   */
  readonly service: string
  /** `Method`; likewise the second part. */
  readonly method: string
  /** `:authority` as it came, or `host` where a client sends only that; else empty. */
  readonly authority: string
  readonly metadata: MetadataView
  readonly peer: Peer
  /** Aborts when the client is gone, or the deadline passed, before the director answered. */
  readonly signal: AbortSignal
}

/** Read-only look at a request's header fields. Names in lower case. */
export interface MetadataView {
  /** The first value, or undefined. `-bin` values come as they were sent, base64. */
  get(name: string): string | undefined
  /** All values, in order. */
  getAll(name: string): string[]
  has(name: string): boolean
  /** The whole block, in wire order. */
  readonly fields: HeaderBlock
}

/**
 * A backend that belongs to no configuration: made once by `defineBackend`, opened by each proxy
 * whose director first names it. The same object is the same backend.
 */
export interface BackendDefinition {
  readonly name: string
}

/** Where a call goes. */
export interface Target {
  /** The name of a configured backend, or what `defineBackend` made. */
  readonly backend: string | BackendDefinition
  /** Replaces `:authority`. */
  readonly authority?: string
  /** Added to the request, after what the client sent. A name that the client sent too is replaced. */
  readonly metadata?: Readonly<Record<string, string | readonly string[]>>
}

/**
 * Answers now or later. To refuse a call throw `GrpcError`; anything else thrown becomes INTERNAL
 * and is logged. Undefined means "no route": UNIMPLEMENTED.
 */
export type Director = (call: CallInfo) => Target | undefined | Promise<Target | undefined>
