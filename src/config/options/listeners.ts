/** Where the proxy accepts connections. */
import type { WebOptions } from './web.ts'

/** An address that the proxy accepts connections on. */
export interface ListenerOptions {
  /** `host:port`, `"[::]:port"`, `unix:/path`, or `fd:name`, a socket from systemd; port 0 takes a free one. */
  readonly address: string
  /** Mode of a unix socket, as text: `"0660"`; default: what the umask of the process leaves. */
  readonly socketMode?: string
  /**
   * How HTTP/2 is carried toward clients.
   * @defaultValue `frames`
   */
  readonly transport?: TransportOption
  /**
   * Take gRPC-Web too, over HTTP/2 and HTTP/1.1: `true` for pages of the same origin, or which others may call;
   * default: false.
   */
  readonly web?: boolean | WebOptions
  /** Serve TLS (ALPN h2) instead of plaintext h2c. */
  readonly tls?: ListenerTlsOptions
}

/** TLS toward clients. */
export interface ListenerTlsOptions {
  /** Certificate chain, PEM: a path, or the text itself. */
  readonly cert: PemOption
  /** Its private key, PEM: a path, or the text itself. */
  readonly key: PemOption
  /** CA that certificates of clients are verified against, PEM. */
  readonly clientCa?: PemOption
  /** Refuse clients without a certificate; true by default when `clientCa` is set. */
  readonly requireClientCertificate?: boolean
}

/** `frames`: the HTTP/2 layer of this package; `native`: `node:http2`. */
export type TransportOption = 'native' | 'frames'

/** PEM: the path of a file, or the text itself when it starts with `-----BEGIN`; in code also a Buffer. */
export type PemOption = string | Uint8Array
