/** What an authority gives for a certificate: it is looked at before it takes the place of one that works. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { nodeTls } from '../transport/node-tls.ts'
import { namesOf } from '../transport/server-names.ts'

/** Chains have two to four. */
const MAX_CERTIFICATES = 10
const BEGIN = '-----BEGIN CERTIFICATE-----'
const END = '-----END CERTIFICATE-----'

/**
 * @param key that it must be for. @param domains that it must have
 * @returns the certificates alone, without what stands between them: nothing else belongs there (RFC 8555 §9.1), least of all
 * another key
 * @throws Error
 */
export function checkedChain(chain: unknown, key: string, domains: readonly string[]): string {
  const certificates = certificatesOf(String(chain))
  const [leaf] = certificates
  if (leaf === undefined) throw new Error('what the authority sent is no certificate')
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('the certificate is for another key')
  const names = new Set(namesOf(leaf))
  const missing = domains.filter(name => !names.has(name))
  if (missing.length > 0) throw new Error(`the certificate is not for ${missing.join(', ')}`)
  if (leaf.validToDate.getTime() < Date.now()) throw new Error(`the certificate has expired on ${leaf.validTo}`)
  const text = certificates.map(String).join('')
  // What only OpenSSL finds: keys too small for its security level, broken chains.
  try {
    nodeTls().createSecureContext({ cert: text, key })
  } catch (error) {
    throw new Error(`the certificate cannot be used: ${(error as Error).message}`)
  }
  return text
}

/** By the places of the two marks: an expression would look from each beginning for the end of it. */
function certificatesOf(text: string): X509Certificate[] {
  const certificates: X509Certificate[] = []
  for (let end = 0; ; ) {
    const start = text.indexOf(BEGIN, end)
    const endMark = start < 0 ? -1 : text.indexOf(END, start)
    if (endMark < 0) return certificates
    if (certificates.length === MAX_CERTIFICATES)
      throw new Error(`the authority sent more than ${MAX_CERTIFICATES} certificates`)
    end = endMark + END.length
    try {
      certificates.push(new X509Certificate(text.slice(start, end)))
    } catch {
      throw new Error(`certificate ${certificates.length + 1} of what the authority sent cannot be read`)
    }
  }
}
