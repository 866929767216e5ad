/** Certificates that an authority issues by ACME. */
import { isIP } from 'node:net'
import { z } from 'zod'
import { isServedName } from '../../transport/server-names.ts'
import { parseListenAddress } from '../address.ts'
import { listenAddress, pem, strict } from './fields.ts'

export const DEFAULT_DIRECTORY = 'https://acme-v02.api.letsencrypt.org/directory'
/** As many as Let's Encrypt puts into one certificate. */
const MAX_DOMAINS = 100

const domain = z.string().superRefine((name, context) => {
  const message = wrongDomain(name)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

function wrongDomain(name: string): string | undefined {
  if (isIP(name) !== 0) return 'is an address: this proxy asks for certificates of names only'
  if (name.startsWith('*.')) return 'is a wildcard, which authorities give only by dns-01, and that is not here'
  return isServedName(name) ? undefined : 'is not a host name'
}

const httpAddress = listenAddress.refine(isTcp, { error: 'is `host:port`' }).meta({
  description: 'Where the authority finds the answer: it asks port 80 of the name; open only while it is asked',
})

function isTcp(address: string): boolean {
  try {
    return parseListenAddress(address).kind === 'tcp'
  } catch {
    return true
  }
}

export const acme = strict({
  domains: z.array(domain).min(1).max(MAX_DOMAINS).meta({
    description: 'The names of the certificate; all of them must lead to this proxy',
  }),
  agreeToTerms: z
    .boolean()
    .refine(agreed => agreed, {
      error: 'must be true: an authority gives certificates to those who agree to its terms',
    })
    .meta({ description: "That you agree to the authority's terms of service" }),
  storage: z.string().min(1).meta({
    description: 'A folder for the key of the account, and for the certificate with its key; made at the first start',
  }),
  email: z.email().optional().meta({ description: 'Where the authority writes to; not every one does' }),
  directory: z
    .url({ protocol: /^https$/, error: 'is the https:// URL of a directory' })
    .default(DEFAULT_DIRECTORY)
    .meta({ description: 'The URL of the authority' }),
  ca: pem.optional().meta({
    description: "CA that the authority's own address is verified against, PEM; default: those that Node trusts",
  }),
  challenge: z
    .union([z.literal('tls-alpn-01'), strict({ http01: httpAddress })])
    .default('tls-alpn-01')
    .meta({
      description:
        'How the authority sees that the names are yours: `tls-alpn-01`, at port 443, by the listener itself; or `http01`, at port 80',
    }),
})

export type AcmeConfig = z.output<typeof acme>
