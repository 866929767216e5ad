/** The options of the suite's own load, and its report. Generator, backend and scenarios share them. */
import type { Latency } from '../../src/bench/histogram.ts'

/** What a call is. Bytes are those of whole gRPC messages, the prefix of five included. */
export type Shape =
  | { readonly kind: 'unary'; readonly requestBytes: number; readonly responseBytes: number }
  /** One small request, many responses. */
  | { readonly kind: 'server-stream'; readonly messages: number; readonly messageBytes: number }
  /** Many requests, one small response after the last. */
  | { readonly kind: 'client-stream'; readonly messages: number; readonly messageBytes: number }
  /** Each response is waited for before the next request. */
  | { readonly kind: 'ping-pong'; readonly messages: number; readonly messageBytes: number }
  /** Both ways at once, as fast as windows allow. */
  | { readonly kind: 'duplex'; readonly messages: number; readonly messageBytes: number }

/**
 * `same`: nothing differs. `fresh`: each call has a `grpc-timeout`, a `traceparent` and a token of 900
 * bytes that no call before had. `token`: timeout and trace are fresh, the token is the connection's.
 */
export type HeaderKind = 'same' | 'fresh' | 'token'

export interface LoadOptions {
  /** On 127.0.0.1. */
  readonly port: number
  /** TLS, verified against this CA (a path). */
  readonly tls?: { readonly ca: string }
  readonly connections: number
  readonly shape: Shape
  /** Which fields differ from call to call. Default: `same`. */
  readonly headers?: HeaderKind
  /** Each call has a new `authorization` of this many bytes. Only with `headers: 'same'`. */
  readonly headerBytes?: number
  /** The `authorization` of all calls of a connection is one of these tokens, in turn. Only with `headers: 'same'`. */
  readonly tokens?: readonly string[]
  readonly mode: ClosedMode | OpenMode | ConnectMode
  /** Each call's reader takes no more than this: other bytes wait at the sender. */
  readonly readBytesPerSecond?: number
}

/** A call that ends begins the next: `streams` at a time on each connection, until this many have ended. */
export interface ClosedMode {
  readonly kind: 'closed'
  readonly streams: number
  readonly calls: number
}

/** Calls begin at times drawn beforehand, whatever the proxy does; latency counts from those times. */
export interface OpenMode {
  readonly kind: 'open'
  /** Calls a second, all connections together. */
  readonly rate: number
  readonly seconds: number
  /** The warm-up before, at the same rate, which is not counted. */
  readonly warmUpSeconds: number
}

/** Each call on a connection of its own: connect, preface, call, close; `connections` at a time. */
export interface ConnectMode {
  readonly kind: 'connect'
  readonly calls: number
}

export interface LoadReport {
  /** Calls that ended as they should: with grpc-status 0 and all of their bytes. */
  readonly calls: number
  readonly seconds: number
  /** Bytes of DATA, both ways. */
  readonly dataBytes: number
  /** gRPC messages, both ways. */
  readonly messages: number
  /** Microseconds from the intended time (open), or from the beginning of the call (closed, connect). */
  readonly latency: Percentiles
  /**
   * For an open loop: how much later than intended calls began. That is the generator's own fault, and part of
   * `latency`.
   */
  readonly lag?: Percentiles
}

export interface Percentiles extends Latency {
  /** All of it: an HDR histogram of microseconds, as `hdr-histogram-js` encodes it (V2, compressed, base64). */
  readonly histogram: string
}
