/** What is the same of TLS toward clients and toward endpoints, and what holds for all of it. */
import { z } from 'zod'
import { checkTlsRules, hasNeededCipher, type TlsRules, wrongCipher } from '../../transport/tls-rules.ts'
import { flag, milliseconds, pem, section } from './fields.ts'

const version = z.enum(['TLSv1.2', 'TLSv1.3'])

export const tlsRules = {
  minVersion: version.optional().meta({ description: 'Lowest version of TLS; default: `TLSv1.2`, as HTTP/2 needs it' }),
  maxVersion: version.optional().meta({ description: 'Highest version of TLS; default: the highest that Node has' }),
  ciphers: z.array(z.string().min(1)).min(1).optional().meta({
    description:
      "Cipher suites by OpenSSL's names, the best first; default: all of TLS 1.3, and those of TLS 1.2 that HTTP/2 allows",
  }),
  groups: z.array(z.string().min(1)).min(1).optional().meta({
    description:
      "Groups for the key exchange by OpenSSL's names, the best first: `[X25519, P-256]`; default: what OpenSSL has",
  }),
}

export const crl = pem.optional().meta({
  description: 'Lists of revoked certificates, PEM: one of each authority, also of those between',
})

type Context = z.core.$RefinementCtx<TlsRules>

/** What no option can know alone. */
export function refineTlsRules(rules: TlsRules & { readonly crl?: unknown }, context: Context): void {
  const wrong = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message })
  const { minVersion, maxVersion, ciphers, groups } = rules
  if (minVersion === 'TLSv1.3' && maxVersion === 'TLSv1.2') wrong(['maxVersion'], 'is lower than minVersion')
  const before = context.issues.length
  ciphers?.forEach((name, i) => {
    const message = wrongCipher(name)
    if (message !== undefined) wrong(['ciphers', i], `${name} ${message}`)
  })
  if (context.issues.length > before) return
  if (!hasNeededCipher(rules))
    wrong(
      ['ciphers'],
      'has neither ECDHE-RSA-AES128-GCM-SHA256 nor ECDHE-ECDSA-AES128-GCM-SHA256, which HTTP/2 over TLS 1.2 needs (RFC 9113 §9.2.2); or write minVersion: TLSv1.3',
    )
  if (groups === undefined) return
  for (const [i, name] of groups.entries()) {
    // Node takes it for a list.
    if (/^[A-Za-z0-9_-]+$/.test(name) && isTaken({ groups: [name] })) continue
    wrong(['groups', i], `${name} is not the name of a group of OpenSSL`)
  }
}

function isTaken(rules: TlsRules): boolean {
  try {
    checkTlsRules(rules)
    return true
  } catch {
    return false
  }
}

/** As long as OpenSSL has it by default. */
const TICKET_LIFETIME_MS = 300_000
/** Half a day, as nginx and Envoy's users rotate theirs. */
const TICKET_KEY_MS = 43_200_000
/** Authorities that renew by themselves do so with a third of 90 days left. */
const WARNING_DAYS = 14

export const tls = section('What holds for TLS on all listeners and to all backends', {
  watchFiles: flag(
    true,
    'Notice changed files of certificates, keys and lists, and use them for new handshakes, without a reload',
  ),
  expiryWarningDays: z.number().min(0).max(3_650).default(WARNING_DAYS).meta({
    description:
      'So many days before a certificate or list expires the log warns once a day, but not before three quarters of its time are over; 0: never',
  }),
  ticketLifetimeMs: milliseconds(TICKET_LIFETIME_MS, 'How long a client may resume its TLS session', {
    min: 1_000,
    max: 604_800_000,
  }),
  ticketKeyMs: milliseconds(TICKET_KEY_MS, 'How long one key encrypts the tickets of TLS sessions', { min: 60_000 }),
})
