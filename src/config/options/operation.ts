/** What operators and their programs see of the proxy. */
import type { PemOption } from './listeners.ts'
import type { OtlpTlsOptions } from './traces.ts'

/** What is counted for Prometheus. */
export interface MetricsOptions {
  /** Bounds of the histograms of latencies (seconds). */
  readonly bucketsSeconds?: readonly number[]
  /**
   * Most methods that have series of their own: those that a route names, and those of which a call was answered with
   * OK; all others are `other`.
   * @defaultValue `200`
   */
  readonly maxMethods?: number
  /** Sends them to a collector by OTLP over HTTP, too; default: who wants them asks for them. */
  readonly otlp?: MetricsOtlpOptions
}

/** A collector that gets metrics by OTLP over HTTP. */
export interface MetricsOtlpOptions {
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
  /** Between two readings (milliseconds); default: `OTEL_METRIC_EXPORT_INTERVAL`, else 60000. */
  readonly intervalMs?: number
  /** The name of this proxy there; default: `traces.serviceName`, `OTEL_SERVICE_NAME`, else `grpc-verbatim`. */
  readonly serviceName?: string
  /** Attributes of this proxy there; default: `traces.resource`; and beside them: `OTEL_RESOURCE_ATTRIBUTES`. */
  readonly resource?: Readonly<Record<string, string>>
}

/** What clients may ask the health of. */
export interface HealthServiceOptions {
  /**
   * Backends by the names that clients ask for: such a service is served while an endpoint of its backend can be used;
   * `""` asks whether the proxy is ready, unless it is here.
   */
  readonly services?: Readonly<Record<string, string>>
}

/** The address for operators. */
export interface AdminOptions {
  /** `127.0.0.1:9901`, `"[::1]:9901"`, `unix:/path` or `fd:name`. */
  readonly address: string
  /** Serve HTTPS instead of HTTP. */
  readonly tls?: AdminTlsOptions
  /**
   * Needed as `authorization: Bearer …`: the text, or `{ file }`; without one, other machines get only `/live`,
   * `/ready` and `/metrics`.
   */
  readonly token?: string | AdminTokenFile
}

/** HTTPS for operators. */
export interface AdminTlsOptions {
  /** Certificate chain, PEM: a path, or the text itself. */
  readonly cert: PemOption
  /** Its private key, PEM: a path, or the text itself. */
  readonly key: PemOption
}

/** A token in a file. */
export interface AdminTokenFile {
  /** Path of the file that holds the token. */
  readonly file: string
}

/** TLS on all listeners and to all backends. */
export interface TlsOptions {
  /**
   * Notice changed files of certificates, keys and lists, and use them for new handshakes, without a reload.
   * @defaultValue `true`
   */
  readonly watchFiles?: boolean
  /**
   * So many days before a certificate or list expires the log warns once a day, but not before three quarters of its
   * time are over; 0: never.
   * @defaultValue `14`
   */
  readonly expiryWarningDays?: number
  /**
   * How long a client may resume its TLS session (milliseconds).
   * @defaultValue `300000`
   */
  readonly ticketLifetimeMs?: number
  /**
   * How long one key encrypts the tickets of TLS sessions (milliseconds).
   * @defaultValue `43200000`
   */
  readonly ticketKeyMs?: number
}
