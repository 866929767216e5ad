/**
 * The director: a function that says where a call goes. The declarative router is one
 * implementation of it; a user's own function is another.
 */
import type { HeaderBlock, Peer } from '../transport/transport.ts'
import type { MetadataChanges } from './field-changes.ts'
import type { CallPolicy } from './policy.ts'

/** What a director learns about a call. It is valid until the call ends. */
export interface CallInfo {
  /** `:path`, untouched: `/pkg.Service/Method`. Calls with any other path have ended before. */
  readonly path: string
  /**
   * `pkg.Service`. For a request that is not gRPC (`acceptNonGrpc`) it is the first part of the path as most servers
   * read it: without query and with escapes decoded. It may be empty.
   */
  readonly service: string
  /** `Method`, or the second part of the path in the same way. */
  readonly method: string
  /** `:authority` as it came, or `host` where a client sends only that, or empty. */
  readonly authority: string
  readonly metadata: MetadataView
  /** Where requests have ids (`requestId`). */
  readonly requestId?: string | undefined
  readonly peer: Peer
  /** What gates have found out of the call, by name; a director may look at it. It is made when it is asked for. */
  readonly notes: CallNotes
  /** Aborts when the client is gone, or the deadline passed, before the director answered. */
  readonly signal: AbortSignal
  /** Calls this when the call is over, however it ends; at once where it is over already. */
  onEnd(told: () => void): void
}

/**
 * What a gate knows of a call for those behind it. The gates of the proxy write what is here; a gate of one's own adds its
 * names by `declare module 'grpc-verbatim' { interface CallNotes { tenant?: string } }`.
 */
export interface CallNotes {
  /** Who calls, as the last gate that found it out says. */
  identity?: CallerIdentity
}

/** Who calls. */
export interface CallerIdentity {
  /** The subject: of a token, a key's name, a certificate's name. */
  readonly name: string
  /** The gate's kind. */
  readonly by: string
  /** Of a token. */
  readonly claims?: Readonly<Record<string, unknown>>
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
 * A backend outside the configuration: made once by `defineBackend`, opened by each proxy
 * whose director first names it. The same object is the same backend.
 */
export interface BackendDefinition {
  readonly name: string
}

/** `sheddable` calls give way first, `critical` ones last. */
export type CallPriority = 'critical' | 'default' | 'sheddable'

/** Where a call goes. */
export interface Target {
  /** The name of a configured backend, or what `defineBackend` made. */
  readonly backend: string | BackendDefinition
  /** Replaces `:authority`. */
  readonly authority?: string
  /** Which calls give way first when many wait for the backend. It is said here, or by the client where it may. */
  readonly priority?: CallPriority | undefined
  /** Added to the request, after what the client sent. They replace a client's fields of the same name. */
  readonly metadata?: Readonly<Record<string, string | readonly string[]>>
  /** Names of metadata, in lower case, that are not forwarded. */
  readonly removeMetadata?: readonly string[]
  /** Other changes, of the request's and the response's. What `defineChanges` made is read once, anything else for each call. */
  readonly changes?: MetadataChanges | undefined
  /** How the call is treated on its way. What `definePolicy` made is checked once, anything else for each call. */
  readonly policy?: CallPolicy | undefined
}

/**
 * It answers now or later. To refuse a call, throw `GrpcError`; anything else thrown becomes INTERNAL
 * and is logged. Undefined means "no route": UNIMPLEMENTED.
 */
export type Director = (call: CallInfo) => Target | undefined | Promise<Target | undefined>
