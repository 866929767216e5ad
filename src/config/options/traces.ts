/** Calls as parts of traces, and where telemetry goes. */
import type { PemOption } from './listeners.ts'

/** Which calls are parts of traces, and where their spans go. */
export interface TraceOptions {
  /** Where spans go; default: what the environment says. */
  readonly otlp?: OtlpOptions
  /** Which calls are kept. */
  readonly sample?: SampleOptions
  /**
   * Header fields of traces: the first of these that a request has is read, and all of them are written; `w3c`:
   * `traceparent` and `tracestate`.
   */
  readonly propagate?: readonly ('w3c' | 'b3' | 'b3multi')[]
  /** The name of this proxy in traces; default: `OTEL_SERVICE_NAME`, else `grpc-verbatim`. */
  readonly serviceName?: string
  /** Attributes of this proxy in traces; default, and beside them: `OTEL_RESOURCE_ATTRIBUTES`. */
  readonly resource?: Readonly<Record<string, string>>
  /**
   * Spans that wait for the collector; further ones are dropped and counted.
   * @defaultValue `2048`
   */
  readonly maxQueuedSpans?: number
  /**
   * The same in bytes (bytes).
   * @defaultValue `4194304`
   */
  readonly maxQueuedBytes?: number
  /**
   * Spans wait so long for others (milliseconds).
   * @defaultValue `5000`
   */
  readonly intervalMs?: number
}

/** Which calls are kept in traces. */
export interface SampleOptions {
  /**
   * Where the client says whether it keeps the trace, that holds.
   * @defaultValue `true`
   */
  readonly parent?: boolean
  /**
   * The part of all other traces that is kept, by their ids: 0.01 is one of a hundred.
   * @defaultValue `1`
   */
  readonly ratio?: number
  /**
   * Also keep calls that do not end with OK.
   * @defaultValue `false`
   */
  readonly errors?: boolean
  /** Also keep calls that take longer (milliseconds). */
  readonly slowerThanMs?: number
}

/** A collector that takes OTLP over HTTP. */
export interface OtlpOptions {
  /**
   * Of the collector: `http://127.0.0.1:4318`; `/v1/traces` or `/v1/metrics` is added; default:
   * `OTEL_EXPORTER_OTLP_ENDPOINT`.
   */
  readonly url?: string
  /** Header fields for it, for a token; default: `OTEL_EXPORTER_OTLP_HEADERS`. */
  readonly headers?: Readonly<Record<string, string>>
  /** How `https://` is spoken with it. */
  readonly tls?: OtlpTlsOptions
  /** It must answer within (milliseconds); default: `OTEL_EXPORTER_OTLP_TIMEOUT`, else 10000. */
  readonly timeoutMs?: number
}

/** TLS toward a collector. */
export interface OtlpTlsOptions {
  /** CA that its certificate is verified against, PEM; default: those of Node. */
  readonly ca?: PemOption
  /** Certificate of the proxy for it, PEM. */
  readonly cert?: PemOption
  /** Its private key, PEM. */
  readonly key?: PemOption
}
