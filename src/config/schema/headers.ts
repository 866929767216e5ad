/** What the proxy says about itself and the client in the header fields that it forwards. */
import { flag, section } from './fields.ts'

export const headers = section('Header fields that the proxy adds to requests; by default none', {
  xForwardedFor: flag(false, "Append the client's address to `x-forwarded-for`"),
  forwarded: flag(false, "Append the client's address to `forwarded` (RFC 7239)"),
  via: flag(false, 'Append the proxy to `via`'),
})
