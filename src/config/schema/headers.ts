/** What the proxy says about itself and the client in the header fields that it forwards. */
import { z } from 'zod'
import { flag, section } from './fields.ts'

export const headers = section('Header fields that the proxy adds to requests; by default none', {
  xForwardedFor: flag(false, "Append the client's address to `x-forwarded-for`"),
  forwarded: flag(false, "Append the client's address to `forwarded` (RFC 7239)"),
  via: flag(false, 'Append the proxy to `via`'),
  xForwardedClientCert: z.enum(['set', 'append', 'forward', 'remove']).optional().meta({
    description:
      '`x-forwarded-client-cert`, as Envoy writes it, about a client whose certificate was verified: `set` it, `append` it to what the client sent, or only `forward` that; of all other clients it is removed, and with `remove` of all. Default: what clients send goes on, whoever they are',
  }),
})
