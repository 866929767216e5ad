/** What calls of the proxy's own name an endpoint in `:authority`. */
import type { DialAddress } from '../transport/transport.ts'

export function authorityOf({ tls, tcp }: DialAddress): string {
  const host = tls?.serverName ?? tcp?.host ?? 'localhost'
  const shown = host.includes(':') ? `[${host}]` : host
  return tcp === undefined ? shown : `${shown}:${tcp.port}`
}
