/** Certificates that an authority issues by ACME (RFC 8555), as they are configured. */

/** How the authority sees that a name is ours. */
export type Challenge =
  /** RFC 8737: in a TLS handshake with a listener. */
  | { readonly kind: 'tls-alpn-01' }
  /** RFC 8555 §8.3: by a file at port 80, which is served from here. */
  | { readonly kind: 'http-01'; readonly host: string; readonly port: number }

/** One certificate. */
export interface AcmeSetup {
  /** The option that asks for it: `listeners[0].tls.acme`. */
  readonly option: string
  /** Lower case. */
  readonly domains: readonly string[]
  readonly email?: string
  /** The URL at which an authority says what it offers. */
  readonly directory: string
  /** What the authority's own certificate is verified against; undefined: what Node trusts. */
  readonly ca?: Buffer
  /** Where the key of the account is kept. */
  readonly accountFile: string
  /** Where the certificate is kept, with its key. */
  readonly file: string
  readonly challenge: Challenge
}
