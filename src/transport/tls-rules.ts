/** What HTTP/2 asks of TLS: the same for what we serve and for what we dial. */
import type { SecureContextOptions } from 'node:tls'
import { nodeTls } from './node-tls.ts'

/**
 * RFC 9113 §9.2.2: "A deployment of HTTP/2 over TLS 1.2 SHOULD NOT use any of the prohibited cipher suites listed in
 * Appendix A." These are the suites of TLS 1.2 that are left, with an ephemeral key exchange and an AEAD cipher, and
 * all of TLS 1.3. The first is the one that every deployment must have and that costs least.
 */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'DHE-RSA-AES128-GCM-SHA256',
  'DHE-RSA-AES256-GCM-SHA384',
  'DHE-RSA-CHACHA20-POLY1305',
]

export const HTTP2_TLS = {
  ALPNProtocols: ['h2'],
  ciphers: CIPHERS.join(':'),
  /**
   * §9.2: "Implementations of HTTP/2 MUST use TLS version 1.2 or higher." This holds whatever the default of the
   * process is.
   */
  minVersion: 'TLSv1.2' as const,
}

/** What a configuration may say of TLS. Without it HTTP2_TLS holds, and what Node has by default. */
export interface TlsRules {
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3'
  /** By OpenSSL's names, in order of preference. */
  readonly ciphers?: readonly string[]
  /** For the key exchange, by OpenSSL's names, in order of preference. */
  readonly groups?: readonly string[]
}

/** As Node takes them. */
export function tlsOptions({ minVersion, maxVersion, ciphers, groups }: TlsRules): SecureContextOptions {
  return {
    minVersion: minVersion ?? HTTP2_TLS.minVersion,
    ...(maxVersion !== undefined && { maxVersion }),
    ciphers: ciphers?.join(':') ?? HTTP2_TLS.ciphers,
    ...(groups !== undefined && { ecdhCurve: groups.join(':') }),
  }
}

/** The suites of TLS 1.3 have no key exchange in their names: it is always an ephemeral one. */
const OF_TLS_1_3 = /^TLS_/
/** What is left of TLS 1.2 where RFC 9113, Appendix A, has been taken away, and that certificates can be used with. */
const OF_TLS_1_2 = /^(?:ECDHE-(?:ECDSA|RSA)|DHE-RSA)-.*(?:GCM|CCM8?\b|CHACHA20-POLY1305)/
/** §9.2.2: deployments "MUST support TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 … with the P-256 elliptic curve". */
const NEEDED = /^ECDHE-(?:ECDSA|RSA)-AES128-GCM-SHA256$/

/** @returns what is wrong with a cipher suite; undefined: nothing */
export function wrongCipher(name: string): string | undefined {
  if (!nodeTls().getCiphers().includes(name.toLowerCase())) return 'is not the name of a cipher suite of OpenSSL'
  if (OF_TLS_1_3.test(name) || OF_TLS_1_2.test(name)) return undefined
  return 'must not carry HTTP/2: it has no ephemeral key exchange, or no AEAD (RFC 9113, Appendix A)'
}

/** @returns whether every client of HTTP/2 over TLS 1.2 finds a suite that it knows */
export function hasNeededCipher({ minVersion, ciphers }: TlsRules): boolean {
  return ciphers === undefined || minVersion === 'TLSv1.3' || ciphers.some(name => NEEDED.test(name))
}

/** @throws Node's error for what OpenSSL does not take */
export function checkTlsRules(rules: TlsRules): void {
  nodeTls().createSecureContext(tlsOptions(rules))
}
