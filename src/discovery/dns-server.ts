/** A DNS server as people and the system write it. */
import { isIP } from 'node:net'

export interface DnsServer {
  readonly host: string
  readonly port: number
}

/** @param text `10.0.0.2`, `10.0.0.2:5353`, `fd00::1` or `[fd00::1]:53` @returns undefined for what is none of these */
export function parseDnsServer(text: string): DnsServer | undefined {
  if (isIP(text) !== 0) return { host: text, port: 53 }
  const parts = /^(?:\[([^\]]+)\]|([\d.]+)):(\d{1,5})$/.exec(text)
  const host = parts?.[1] ?? parts?.[2] ?? ''
  const port = Number(parts?.[3])
  return isIP(host) !== 0 && port >= 1 && port <= 65_535 ? { host, port } : undefined
}
