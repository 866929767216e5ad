/** What operators and their programs see of the proxy. */
import type { PemOption } from './listeners.ts'

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
