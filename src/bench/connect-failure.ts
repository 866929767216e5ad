/** A sentence that says why there is no connection, and what to do. */
import { ConnectionError } from '../wire/index.ts'

const WRONG_CERTIFICATE = 'its certificate is not signed by an authority that is known here: give --ca FILE'

/** By the code of Node's error. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: is it running, and is the port right?',
  ENOTFOUND: 'the host name cannot be resolved: is it spelt right?',
  EAI_AGAIN: 'the host name cannot be resolved now',
  ETIMEDOUT: 'it does not answer: is the address right, and does a firewall let it through?',
  EHOSTUNREACH: 'there is no way to this host',
  ENETUNREACH: 'there is no way to this network',
  ENOENT: 'there is no such socket: is it running, and is the path right?',
  EACCES: 'permission denied',
  ECONNRESET:
    'it closes the connection at once: does it want TLS (https://), or a certificate of ours (--cert, --key)?',
  EPIPE: 'it closes the connection at once: does it want TLS (https://), or a certificate of ours (--cert, --key)?',
  DEPTH_ZERO_SELF_SIGNED_CERT: WRONG_CERTIFICATE,
  SELF_SIGNED_CERT_IN_CHAIN: WRONG_CERTIFICATE,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: WRONG_CERTIFICATE,
  UNABLE_TO_GET_ISSUER_CERT: WRONG_CERTIFICATE,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: WRONG_CERTIFICATE,
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name: give that as --server-name NAME',
}

/** What OpenSSL says, under any code. */
const TLS_REASONS: readonly (readonly [pattern: RegExp, sentence: string])[] = [
  [
    /wrong version number|packet length too long|record layer failure/i,
    'it does not speak TLS: write http:// for plaintext HTTP/2',
  ],
  [/no application protocol/i, 'it speaks TLS, but not HTTP/2 in it (ALPN has no "h2")'],
  [/certificate required|handshake failure/i, 'it wants a certificate of ours: give --cert FILE and --key FILE'],
  [/unknown ca|bad certificate|certificate unknown/i, 'it does not accept our certificate (--cert)'],
]

/**
 * @param error what `LoadSession.open` threw
 * @param target the target's name, which begins that error's message
 */
export function connectFailure(error: unknown, target: string): string {
  const { message, cause } = error as Error
  if (cause instanceof ConnectionError) {
    return `what answers is not HTTP/2 (${cause.token}): if it wants TLS, write https://; is the port right?`
  }
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  const sentence = TLS_REASONS.find(([pattern]) => pattern.test(message))?.[1] ?? REASONS[code ?? '']
  if (sentence !== undefined) return `${sentence} (${code})`
  const reason = message.replace(`${target}: `, '')
  if (code !== undefined) return `${reason} (${code})`
  return `${reason}: does it speak HTTP/2, and if it wants TLS, is the address https://?`
}
