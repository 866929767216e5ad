/**
 * Why an endpoint cannot be reached: a kind, by which failures are told apart and counted, and what to do. Both are read
 * from what Node, OpenSSL and our own code say of it, which is text; each row has a test that makes the failure for real.
 */

/** One row: what its texts look like, and a sentence for whoever has to mend it. */
interface Row {
  readonly like: RegExp
  readonly advice: string
}

/** The order counts: the first row whose text is like this one. */
const KINDS = {
  refused: {
    like: /ECONNREFUSED/,
    advice: 'nothing listens at this address: is the backend running, and is the port right?',
  },
  dns: {
    like: /ENOTFOUND|EAI_AGAIN|EAI_NODATA|EAI_NONAME|getaddrinfo/,
    advice: 'the host name cannot be resolved: is it spelt right, and does DNS answer?',
  },
  timeout: {
    like: /ETIMEDOUT|no connection within/,
    advice:
      'nothing answers at this address: is it right, and does a firewall or a network policy let the proxy through?',
  },
  'tls-timeout': {
    like: /no TLS handshake within/,
    advice:
      'the endpoint takes connections and does not answer in TLS: does it speak plaintext (http://), or does it hang?',
  },
  silent: {
    like: /no HTTP\/2 SETTINGS within/,
    advice:
      'the endpoint takes connections and says nothing: does it hang, or speak TLS (https://) or another protocol?',
  },
  'no-way': {
    like: /EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN/,
    advice: 'there is no way to this host: look at the routes and the network of this machine',
  },
  'no-socket': {
    like: /ENOENT/,
    advice: 'there is no such unix socket: is the backend running, and is the path right?',
  },
  permission: { like: /EACCES|EPERM/, advice: 'the proxy may not use this address: look at the rights of its user' },
  'no-descriptors': {
    like: /EMFILE|ENFILE/,
    advice: 'the proxy has no file descriptors left: raise its limit (ulimit -n, LimitNOFILE=)',
  },
  'no-ports': {
    like: /EADDRNOTAVAIL|EADDRINUSE/,
    advice: 'no local port is free for the connection: use fewer sessions, or widen net.ipv4.ip_local_port_range',
  },
  'certificate-name': {
    like: /does not match certificate's altnames|the certificate is not one for/,
    advice: 'the certificate of the endpoint is for another name: set tls.serverName to one that it has, or change it',
  },
  'certificate-expired': {
    like: /certificate has expired/,
    advice:
      'the certificate of the endpoint, or one of its chain, has expired: renew it; is the clock of this machine right?',
  },
  'certificate-early': {
    like: /certificate is not yet valid/,
    advice: 'the certificate of the endpoint is not valid yet: is the clock of this machine right?',
  },
  'certificate-revoked': { like: /certificate revoked/, advice: 'the certificate is revoked: renew it' },
  'certificate-untrusted': {
    like: /unable to verify the first certificate|self-signed certificate|unable to get (?:local )?issuer certificate/,
    advice: 'the certificate of the endpoint is not signed by an authority that is known here: set tls.ca',
  },
  'certificate-wanted': {
    like: /certificate required|alert handshake failure/,
    advice: 'the endpoint wants a certificate of the proxy, or no cipher suite that it takes: set tls.cert and tls.key',
  },
  'certificate-refused': {
    like: /alert (?:unknown ca|bad certificate|certificate unknown|certificate expired|unsupported certificate)/,
    advice:
      'the endpoint does not accept the certificate of the proxy: is tls.cert signed by an authority that it trusts?',
  },
  'no-alpn': {
    like: /no application protocol|did not negotiate "h2"/,
    advice:
      'the endpoint speaks TLS, and not HTTP/2 in it: let its server offer "h2" by ALPN; is the port one for gRPC?',
  },
  'tls-version': {
    like: /protocol version|unsupported protocol/,
    advice: 'the endpoint speaks no version of TLS that the proxy takes: gRPC needs TLS 1.2 or 1.3',
  },
  'not-tls': {
    like: /wrong version number|packet length too long|record layer failure|http request/,
    advice: 'the endpoint does not speak TLS: write http:// for plaintext, or give it TLS; is the port right?',
  },
  tls: { like: /\(TLS\)/, advice: 'the TLS handshake failed: compare the settings of both sides' },
  http1: {
    like: /answers in HTTP\/1/,
    advice: 'the endpoint speaks HTTP/1 only: gRPC needs HTTP/2 with prior knowledge (h2c); is the port one for gRPC?',
  },
  closed: {
    like: /closed the connection|Session closed without receiving|socket disconnected before|ECONNRESET|EPIPE|socket hang up/,
    advice:
      'the endpoint takes connections and closes them: does it want TLS (https://) or a certificate of the proxy, does it speak HTTP/1 only, or is it overloaded?',
  },
  'not-http2': {
    like: /\(PROTOCOL_ERROR|\(FRAME_SIZE_ERROR|Protocol error/,
    advice:
      'what answers there does not keep to HTTP/2: is the port one for gRPC, and if it wants TLS, is the address https://?',
  },
  other: { like: /^/, advice: 'the text is what the system or the endpoint said' },
} satisfies Readonly<Record<string, Row>>

export type ConnectFailureKind = keyof typeof KINDS

export interface ConnectFailure {
  readonly kind: ConnectFailureKind
  /** What to do. */
  readonly advice: string
}

/** All of them: a fixed set, so that kinds may be a label of a metric. */
export const CONNECT_FAILURES: readonly ConnectFailure[] = Object.entries(KINDS).map(([kind, { advice }]) => ({
  kind: kind as ConnectFailureKind,
  advice,
}))

/** @param reason why a connect failed, as sessions tell it */
export function connectFailureOf(reason: string): ConnectFailure {
  return CONNECT_FAILURES.find(({ kind }) => KINDS[kind].like.test(reason))!
}

/** As OpenSSL writes it: who, a number, a library, a function, the reason, a file, a line, perhaps an alert. */
const OPENSSL = /[0-9A-F]+:error:[0-9A-F]+:[^:]*:[^:]*:([^:]*):[^:]*:\d+:[^\n]*\n?/g
/** The first bytes of an answer of HTTP/1, "HTTP/1.1 …", read as a frame: the length is "HTT", the type "P". */
const HTTP1_AS_A_FRAME = /^.*type 0x50 of 4740180 bytes.*$/
/** Node's advice for its own command line, which a proxy has not. */
const NODE_FLAG = /; if the root CA is installed locally, try running Node\.js with --use-system-ca/

/** What the system said, in one line, without what only a debugger of OpenSSL wants to know. */
export function plainReason(text: string): string {
  return text
    .replace(OPENSSL, '$1 (TLS)')
    .replace(HTTP1_AS_A_FRAME, 'the endpoint answers in HTTP/1')
    .replace(NODE_FLAG, '')
    .trimEnd()
}

/** @param error that ended a connection; a host name with several addresses has one for each, and no message of its own */
export function reasonOf(error: Error): string {
  const all = error.message === '' && error instanceof AggregateError ? (error.errors as Error[]) : [error]
  return all.map(({ message }) => plainReason(message)).join(', ')
}
