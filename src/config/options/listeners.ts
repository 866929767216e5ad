/** Where the proxy accepts connections. */
import type { RequirementOptions } from './gates.ts'
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
  /** Answer GET and HEAD of a path, over HTTP/1.1 too: 200 while the proxy is ready, else 503. */
  readonly probes?: ProbeOptions
  /**
   * Connections come from load balancers that say whose they are, by the PROXY protocol (version 1 or 2), before TLS if
   * there is any.
   */
  readonly proxyProtocol?: ProxyProtocolOptions
  /** What calls must pass that come here, before what every call must: names of gates; `{ any: […] }`: one of them. */
  readonly require?: RequirementOptions
  /** Serve TLS (ALPN h2) instead of plaintext h2c. */
  readonly tls?: ListenerTlsOptions
}

/** Probes of load balancers that do not speak gRPC. */
export interface ProbeOptions {
  /** The path that they ask for, as `/healthz`. */
  readonly path: string
}

/** Whose word is taken about addresses of clients. */
export interface ProxyProtocolOptions {
  /**
   * Networks of the load balancers, as `10.0.0.0/8`, or `unix` for whoever may open the unix socket; connections of
   * others are refused.
   */
  readonly from: readonly string[]
}

/** TLS toward clients. */
export interface ListenerTlsOptions {
  /** Certificate chain, PEM: a path, or the text itself. */
  readonly cert?: PemOption
  /** Its private key, PEM: a path, or the text itself. */
  readonly key?: PemOption
  /**
   * What the certificate is used for: host names, or `*.` and a name for all with one label more; default: the names
   * that it has.
   */
  readonly names?: readonly string[]
  /**
   * Several certificates instead of `cert` and `key`: the client gets the one for the name that it asks for (SNI), else
   * the first; of two for one name, with keys of RSA and of an elliptic curve, the one that it can verify.
   */
  readonly certificates?: readonly CertificateOptions[]
  /** Have the certificate issued by an authority, and renewed, instead of `cert` and `key`. */
  readonly acme?: AcmeOptions
  /** Refuse clients that ask for no name, or for one that no certificate is for; default: false. */
  readonly refuseUnknownNames?: boolean
  /** CA that certificates of clients are verified against, PEM. */
  readonly clientCa?: PemOption
  /** Refuse clients without a certificate; true by default when `clientCa` is set. */
  readonly requireClientCertificate?: boolean
  /** Lists of revoked certificates, PEM: one of each authority, also of those between. */
  readonly crl?: PemOption
  /** Lowest version of TLS; default: `TLSv1.2`, as HTTP/2 needs it. */
  readonly minVersion?: TlsVersion
  /** Highest version of TLS; default: the highest that Node has. */
  readonly maxVersion?: TlsVersion
  /**
   * Cipher suites by OpenSSL's names, the best first; default: all of TLS 1.3, and those of TLS 1.2 that HTTP/2 allows.
   */
  readonly ciphers?: readonly string[]
  /** Groups for the key exchange by OpenSSL's names, the best first: `[X25519, P-256]`; default: what OpenSSL has. */
  readonly groups?: readonly string[]
}

/** A certificate that an authority issues by ACME (RFC 8555). */
export interface AcmeOptions {
  /** The names of the certificate; all of them must lead to this proxy. */
  readonly domains: readonly string[]
  /** That you agree to the authority's terms of service. */
  readonly agreeToTerms: boolean
  /** A folder for the key of the account, and for the certificate with its key; made at the first start. */
  readonly storage: string
  /** Where the authority writes to; not every one does. */
  readonly email?: string
  /**
   * The URL of the authority.
   * @defaultValue `https://acme-v02.api.letsencrypt.org/directory`
   */
  readonly directory?: string
  /** CA that the authority's own address is verified against, PEM; default: those that Node trusts. */
  readonly ca?: PemOption
  /**
   * How the authority sees that the names are yours: `tls-alpn-01`, at port 443, by the listener itself; or `http01`,
   * at port 80.
   * @defaultValue `tls-alpn-01`
   */
  readonly challenge?: 'tls-alpn-01' | HttpChallengeOptions
}

/** By a file at port 80. */
export interface HttpChallengeOptions {
  /** Where the authority finds the answer: it asks port 80 of the name; open only while it is asked. */
  readonly http01: string
}

/** One of the certificates of a listener. */
export interface CertificateOptions {
  /** Certificate chain, PEM: a path, or the text itself. */
  readonly cert: PemOption
  /** Its private key, PEM: a path, or the text itself. */
  readonly key: PemOption
  /**
   * What the certificate is used for: host names, or `*.` and a name for all with one label more; default: the names
   * that it has.
   */
  readonly names?: readonly string[]
}

/** As Node names them. */
export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

/** `frames`: the HTTP/2 layer of this package; `native`: `node:http2`. */
export type TransportOption = 'native' | 'frames'

/** PEM: the path of a file, or the text itself when it starts with `-----BEGIN`; in code also a Buffer. */
export type PemOption = string | Uint8Array
