/** Where the proxy listens. */
import { z } from 'zod'
import { isServedName } from '../../transport/server-names.ts'
import { acme } from './acme.ts'
import { fileMode, listenAddress, pem, strict, transport } from './fields.ts'
import { requirement } from './gates.ts'
import { networksOrUnix } from './networks.ts'
import { crl, refineTlsRules, tlsRules } from './tls.ts'
import { web } from './web.ts'

const names = z
  .array(z.string().refine(isServedName, { error: 'is a host name, or `*.` and a host name' }))
  .min(1)
  .optional()
  .meta({
    description:
      'What the certificate is used for: host names, or `*.` and a name for all with one label more; default: the names that it has',
  })

const pairTexts = {
  cert: { description: 'Certificate chain, PEM: a path, or the text itself' },
  key: { description: 'Its private key, PEM: a path, or the text itself' },
}

const certificate = strict({ cert: pem.meta(pairTexts.cert), key: pem.meta(pairTexts.key), names })

/** A server of many names has as many; each is a context of OpenSSL with some tens of KiB. */
const MAX_CERTIFICATES = 1_000

const listenerTls = strict({
  cert: pem.optional().meta(pairTexts.cert),
  key: pem.optional().meta(pairTexts.key),
  names,
  certificates: z.array(certificate).min(1).max(MAX_CERTIFICATES).optional().meta({
    description:
      'Several certificates instead of `cert` and `key`: the client gets the one for the name that it asks for (SNI), else the first; of two for one name, with keys of RSA and of an elliptic curve, the one that it can verify',
  }),
  acme: acme.optional().meta({
    description: 'Have the certificate issued by an authority, and renewed, instead of `cert` and `key`',
  }),
  refuseUnknownNames: z.boolean().optional().meta({
    description: 'Refuse clients that ask for no name, or for one that no certificate is for; default: false',
  }),
  clientCa: pem.optional().meta({
    description: 'CA that certificates of clients are verified against, PEM',
  }),
  requireClientCertificate: z.boolean().optional().meta({
    description: 'Refuse clients without a certificate; true by default when `clientCa` is set',
  }),
  crl,
  ...tlsRules,
}).superRefine((tls, context) => {
  const wrong = (option: string, message: string) => context.addIssue({ code: 'custom', path: [option], message })
  const { clientCa, certificates, acme } = tls
  if (tls.requireClientCertificate && clientCa === undefined)
    wrong('requireClientCertificate', 'needs clientCa: the CA that client certificates are verified against')
  if (tls.crl !== undefined && clientCa === undefined)
    wrong('crl', 'needs clientCa: the CA that client certificates are verified against')
  for (const option of ['cert', 'key'] as const) {
    if ((certificates ?? acme) === undefined && tls[option] === undefined)
      wrong(option, 'is missing: a string is needed here')
  }
  for (const option of ['cert', 'key', 'names', 'certificates'] as const) {
    if (acme !== undefined && tls[option] !== undefined)
      wrong(option, 'is not for a certificate by acme: leave one of the two out')
  }
  for (const option of ['cert', 'key', 'names'] as const) {
    if (certificates !== undefined && tls[option] !== undefined)
      wrong(option, 'is one of certificates, or there is no list of certificates')
  }
  refineTlsRules(tls, context)
})

const proxyProtocol = strict({
  from: networksOrUnix.meta({
    description:
      'Networks of the load balancers, as `10.0.0.0/8`, or `unix` for whoever may open the unix socket; connections of others are refused',
    'x-type': 'list of networks',
  }),
})

export const listener = strict({
  address: listenAddress.meta({
    description:
      '`host:port`, `"[::]:port"`, `unix:/path`, or `fd:name`, a socket from systemd; port 0 takes a free one',
  }),
  socketMode: fileMode.optional().meta({
    description: 'Mode of a unix socket, as text: `"0660"`; default: what the umask of the process leaves',
  }),
  transport: transport.meta({
    description: 'How HTTP/2 is carried toward clients',
  }),
  web,
  probes: strict({
    path: z
      .string()
      .regex(/^\/[A-Za-z0-9._~/-]*$/, { error: 'is a path: /healthz' })
      .meta({ description: 'The path that they ask for, as `/healthz`' }),
  })
    .optional()
    .meta({
      description:
        'Answer GET and HEAD of a path, over HTTP/1.1 too: 200 while the proxy is [ready](operate.md#the-admin-address), else 503',
    }),
  proxyProtocol: proxyProtocol.optional().meta({
    description:
      'Connections come from load balancers that say whose they are, by the PROXY protocol (version 1 or 2), before TLS if there is any',
  }),
  require: requirement.optional().meta({
    description:
      'What calls must pass that come here, before what every call must: names of gates; `{ any: […] }`: one of them',
    'x-type': 'names',
  }),
  tls: listenerTls.optional().meta({ description: 'Serve TLS (ALPN h2) instead of plaintext h2c' }),
})
