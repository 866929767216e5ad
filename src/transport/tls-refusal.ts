/** Why a handshake with a client failed, in words. */
import type { TLSSocket } from 'node:tls'

/** What OpenSSL says of a client's certificate, by Node's names for it. */
const OF_CERTIFICATES: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: 'the client sent no certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the certificate of the client is not of an authority of clientCa',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate of the client is not of an authority of clientCa',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the client signed its certificate itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate of the client is not of an authority of clientCa',
  CERT_HAS_EXPIRED: 'the certificate of the client has expired',
  CERT_NOT_YET_VALID: 'the certificate of the client is not valid yet',
  CERT_REVOKED: 'the certificate of the client is revoked',
  UNABLE_TO_GET_CRL: 'crl has no list of the authority that issued the certificate of the client',
  CRL_HAS_EXPIRED: 'the list of revoked certificates has expired: no client can be verified until crl has a newer one',
  CRL_NOT_YET_VALID: 'the list of revoked certificates is not valid yet: is the clock of this machine right?',
  CRL_SIGNATURE_FAILURE: 'the list of revoked certificates is not signed by an authority of clientCa',
  INVALID_PURPOSE: 'the certificate of the client is not one for clients (extKeyUsage)',
}

/** @param error of `tlsClientError` */
export function tlsRefusal(error: Error, socket: TLSSocket): string {
  const code: unknown = socket.authorizationError
  // Node ends the connection without an error of its own.
  if (typeof code === 'string') return OF_CERTIFICATES[code] ?? `the certificate of the client: ${code}`
  return error.message
}

/** Of a client that resumed a session: nobody has looked at its certificate since then. @returns undefined: it is right */
export function staleCertificate(socket: TLSSocket, now: Date): string | undefined {
  if (!socket.isSessionReused()) return undefined
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined || certificate.validToDate >= now) return undefined
  return `${OF_CERTIFICATES.CERT_HAS_EXPIRED} since its session began`
}
