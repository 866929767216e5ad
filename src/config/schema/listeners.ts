/** Where the proxy listens. */
import { z } from 'zod'
import { listenAddress, pem, strict, transport } from './fields.ts'
import { web } from './web.ts'

const listenerTls = strict({
  cert: pem.meta({
    description: 'Certificate chain, PEM: a path, or the text itself',
  }),
  key: pem.meta({
    description: 'Its private key, PEM: a path, or the text itself',
  }),
  clientCa: pem.optional().meta({
    description: 'CA that certificates of clients are verified against, PEM',
  }),
  requireClientCertificate: z.boolean().optional().meta({
    description: 'Refuse clients without a certificate; true by default when `clientCa` is set',
  }),
}).superRefine((tls, context) => {
  if (tls.requireClientCertificate && tls.clientCa === undefined) {
    context.addIssue({
      code: 'custom',
      path: ['requireClientCertificate'],
      message: 'needs clientCa: the CA that client certificates are verified against',
    })
  }
})

export const listener = strict({
  address: listenAddress.meta({
    description:
      '`host:port`, `"[::]:port"`, `unix:/path`, or `fd:name`, a socket from systemd; port 0 takes a free one',
  }),
  // Text, as YAML reads 0660 as the number 660.
  socketMode: z
    .string()
    .regex(/^0?[0-7]{3}$/, { error: 'is the mode of a file as text, in octal digits: "0660"' })
    .optional()
    .meta({
      description: 'Mode of a unix socket, as text: `"0660"`; default: what the umask of the process leaves',
    }),
  transport: transport.meta({
    description: 'How HTTP/2 is carried toward clients',
  }),
  web,
  tls: listenerTls.optional().meta({ description: 'Serve TLS (ALPN h2) instead of plaintext h2c' }),
})
