/** What HTTP/2 asks of TLS: the same for what we serve and for what we dial. */

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
