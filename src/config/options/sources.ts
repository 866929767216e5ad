/** Where the endpoints of a backend come from, if they are not a list in the configuration. */
import type { OwnSource } from '../own-source.ts'

/** A source by what it asks, or one of your own. */
export type SourceOptions = DnsSourceOptions | SrvSourceOptions | FileSourceOptions | OwnSource

/** The addresses of a name. */
export interface DnsSourceOptions {
  /** A name and a port, written as in `endpoints`: each of its A and AAAA addresses is an endpoint. */
  readonly dns: string
  /**
   * Shortest time between two questions, however short the records live (milliseconds).
   * @defaultValue `5000`
   */
  readonly minIntervalMs?: number
  /**
   * Longest time between two questions, however long the records live (milliseconds).
   * @defaultValue `300000`
   */
  readonly maxIntervalMs?: number
  /**
   * Random part that is added to the time between two questions, so that many proxies do not ask in step: 0.1 is up to
   * 10 %.
   * @defaultValue `0.1`
   */
  readonly jitter?: number
  /**
   * Most endpoints; if there are more, each proxy uses others of them, and the log says so.
   * @defaultValue `1000`
   */
  readonly maxEndpoints?: number
  /** DNS servers to ask, as `10.0.0.2` or `10.0.0.2:5353`; default: those of the system. */
  readonly servers?: readonly string[]
}

/** The targets of SRV records, with their priorities and weights. */
export interface SrvSourceOptions {
  /**
   * A name with SRV records, as `_grpc._tcp.greeter.internal`, with `https://` before it for TLS: each address of each
   * target is an endpoint, with the priority and the weight of the record.
   */
  readonly srv: string
  /**
   * Shortest time between two questions, however short the records live (milliseconds).
   * @defaultValue `5000`
   */
  readonly minIntervalMs?: number
  /**
   * Longest time between two questions, however long the records live (milliseconds).
   * @defaultValue `300000`
   */
  readonly maxIntervalMs?: number
  /**
   * Random part that is added to the time between two questions, so that many proxies do not ask in step: 0.1 is up to
   * 10 %.
   * @defaultValue `0.1`
   */
  readonly jitter?: number
  /**
   * Most endpoints; if there are more, each proxy uses others of them, and the log says so.
   * @defaultValue `1000`
   */
  readonly maxEndpoints?: number
  /** DNS servers to ask, as `10.0.0.2` or `10.0.0.2:5353`; default: those of the system. */
  readonly servers?: readonly string[]
}

/** A list in a file of its own. */
export interface FileSourceOptions {
  /** Path of a file with a list in YAML or JSON, written as in `endpoints`; it is read again when it changes. */
  readonly file: string
}
