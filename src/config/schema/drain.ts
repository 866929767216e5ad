/** How the proxy stops. */
import { milliseconds, section } from './fields.ts'

export const drain = section('How the proxy stops', {
  graceMs: milliseconds(30_000, 'How long calls in flight may go on after the proxy was told to stop'),
})
