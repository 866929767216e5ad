/** What a proxy is made of: a configuration with all defaults filled in, and nothing left to look up. */
import { getHeapStatistics } from 'node:v8'
import type { Logger } from 'pino'
import type { BackendSettings } from './backend/backend.ts'
import type { AddedFieldsOptions } from './call/added-fields.ts'
import type { LogOptions } from './observe/logger.ts'
import type { Director } from './routing/director.ts'
import type { Route } from './routing/router.ts'
import type { AcceptorOptions } from './transport/acceptor.ts'
import type { FramesLimits } from './transport/frames/frames-context.ts'
import type { ListenAddress, ListenTls } from './transport/listener.ts'
import type { NativeServerLimits } from './transport/native/server.ts'
import type { TransportName } from './transport/transport.ts'

/** What bounds the proxy; the configuration's reference says what each is for. */
export interface ProxyLimits extends FramesLimits, NativeServerLimits, AcceptorOptions {
  readonly maxHeaderListBytes: number
  readonly maxHeaderFields: number
  readonly maxConcurrentStreams: number
  readonly replayBytes: number
  readonly streamWindowBytes: number
  readonly sessionWindowBytes?: number
  readonly maxBufferedBytes: number
  /** Default: a quarter of V8's heap, 256 MiB at most. */
  readonly maxCallBytes?: number
  readonly floods: NativeServerLimits['floods'] & FramesLimits['floods']
}

export interface BackendSetup extends BackendSettings {
  readonly transport: TransportName
}

export interface ListenerSetup extends ListenAddress {
  readonly transport: TransportName
  readonly tls?: ListenTls
}

/** A configuration with all defaults filled in and nothing left to look up. */
export interface ProxySetup {
  readonly listeners: readonly ListenerSetup[]
  readonly backends: Readonly<Record<string, BackendSetup>>
  readonly routes: readonly Route[]
  /** Decides instead of `routes`. */
  readonly director?: Director
  readonly log: LogOptions & { readonly access: boolean }
  /** Used instead of one made from `log`. */
  readonly logger?: Logger
  readonly headers: AddedFieldsOptions
  readonly acceptNonGrpc: boolean
  readonly drain: { readonly graceMs: number }
  readonly limits: ProxyLimits
}

/** As much as leaves the heap room for everything else, and no more than any use that was seen needs. */
export function defaultCallBytes(): number {
  return Math.min(MAX_DEFAULT_CALL_BYTES, getHeapStatistics().heap_size_limit / 4)
}

/** Some 50,000 calls at a time with heads of 1 KiB. */
const MAX_DEFAULT_CALL_BYTES = 268_435_456
