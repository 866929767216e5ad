/**
 * What users write, in YAML or in code: the public types of the configuration. They say the same as the schema, and
 * test/config/options.test.ts holds them to it. The texts are the schema's: `node test/config/option-text.ts` writes
 * them here again.
 */
import type { Logger } from 'pino'
import type { Director } from '../routing/director.ts'
import type { Gate } from '../routing/gate.ts'
import type { BackendOptions } from './options/backends.ts'
import type { GateOptions, RequirementOptions } from './options/gates.ts'
import type { LimitOptions } from './options/limits.ts'
import type { ListenerOptions } from './options/listeners.ts'
import type { LogOptions } from './options/log.ts'
import type { AdminOptions, HealthServiceOptions, MetricsOptions, TlsOptions } from './options/operation.ts'
import type { RouteOptions } from './options/routes.ts'
import type { TraceOptions } from './options/traces.ts'

export type * from './options/backend-limits.ts'
export type * from './options/backends.ts'
export type * from './options/balancers.ts'
export type * from './options/endpoints.ts'
export type * from './options/faults.ts'
export type * from './options/gates.ts'
export type * from './options/health.ts'
export type * from './options/lifetimes.ts'
export type * from './options/limits.ts'
export type * from './options/listeners.ts'
export type * from './options/log.ts'
export type * from './options/metadata-condition.ts'
export type * from './options/operation.ts'
export type * from './options/routes.ts'
export type * from './options/selection.ts'
export type * from './options/sources.ts'
export type * from './options/traces.ts'
export type * from './options/web.ts'

/** Everything that a proxy can be told. A file holds the same, without what only code can give. */
export interface ProxyOptions {
  /**
   * Other files with `listeners`, `backends` and `routes`, whose entries come after those here; `*` may stand in the
   * name: `routes/*.yaml`.
   */
  readonly include?: readonly string[]
  /** Where the proxy accepts connections. */
  readonly listeners?: readonly ListenerOptions[]
  /** Groups of interchangeable endpoints, by name. */
  readonly backends?: Readonly<Record<string, BackendOptions>>
  /** Which call goes where: the first route that matches decides; without routes every call goes to the one backend. */
  readonly routes?: readonly RouteOptions[]
  /** Who may call, and how often: gates, by names that `require` uses. */
  readonly gates?: Readonly<Record<string, GateOptions | Gate>> | readonly Gate[]
  /** What every call must pass before it is routed: names of gates; `{ any: […] }`: one of them. */
  readonly require?: RequirementOptions
  /**
   * Routes may have `faults`: say it where clients are tested, and not in production.
   * @defaultValue `false`
   */
  readonly allowFaults?: boolean
  /** Decides instead of `routes` (in code only). */
  readonly director?: Director
  /**
   * Answer `grpc.health.v1.Health` here, before gates and routes: `true` for the proxy as a whole, or for services too;
   * default: such calls are forwarded.
   */
  readonly healthService?: boolean | HealthServiceOptions
  /** What is logged, how, and where. */
  readonly log?: LogOptions
  /** Used instead of one made from `log` (in code only). */
  readonly logger?: Logger
  /** Counts calls for Prometheus: `true`, `false`, or how; default: true where there is `admin`. */
  readonly metrics?: boolean | MetricsOptions
  /** Makes calls parts of traces, and tells a collector of them; default: none. */
  readonly traces?: TraceOptions
  /** An address for operators: metrics, state, health, actions; default: none. */
  readonly admin?: AdminOptions
  /** What holds for TLS on all listeners and to all backends. */
  readonly tls?: TlsOptions
  /** Header fields that the proxy adds to requests; by default none. */
  readonly headers?: HeaderOptions
  /**
   * Gives each request an id: for the backend, the log and the latest failures; default: none, and what clients send
   * goes on as it came.
   */
  readonly requestId?: RequestIdOptions
  /**
   * Forward other content types too, instead of answering HTTP 415.
   * @defaultValue `false`
   */
  readonly acceptNonGrpc?: boolean
  /** How the proxy stops. */
  readonly drain?: DrainOptions
  /**
   * So many processes serve, and one that starts them listens; `auto`: as many as there are cores; default: one process
   * that does both. For `serve` only.
   */
  readonly workers?: number | 'auto'
  /** What bounds the proxy: sizes, counts, times. */
  readonly limits?: LimitOptions
}

/** Header fields that the proxy adds. */
export interface HeaderOptions {
  /**
   * Append the client's address to `x-forwarded-for`.
   * @defaultValue `false`
   */
  readonly xForwardedFor?: boolean
  /**
   * Append the client's address to `forwarded` (RFC 7239).
   * @defaultValue `false`
   */
  readonly forwarded?: boolean
  /**
   * Append the proxy to `via`.
   * @defaultValue `false`
   */
  readonly via?: boolean
  /**
   * `x-forwarded-client-cert`, as Envoy writes it, about a client whose certificate was verified: `set` it, `append` it
   * to what the client sent, or only `forward` that; of all other clients it is removed, and with `remove` of all.
   * Default: what clients send goes on, whoever they are.
   */
  readonly xForwardedClientCert?: 'set' | 'append' | 'forward' | 'remove'
}

/** Ids of requests. */
export interface RequestIdOptions {
  /**
   * The field that has the id, in requests to backends.
   * @defaultValue `x-request-id`
   */
  readonly header?: string
  /**
   * Take what a client sends, where it is one text of at most 128 visible ASCII characters without a comma; else it is
   * replaced, as all are without this.
   * @defaultValue `false`
   */
  readonly trust?: boolean
  /**
   * Tell the client too, in the headers of the response.
   * @defaultValue `false`
   */
  readonly respond?: boolean
}

/** The end of a proxy. */
export interface DrainOptions {
  /**
   * How long calls in flight may go on after the proxy was told to stop (milliseconds).
   * @defaultValue `30000`
   */
  readonly graceMs?: number
}
