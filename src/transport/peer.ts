/** Who is at the other end of an accepted socket. */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Peer } from './transport.ts'

/** `203.0.113.7:443`, `[2001:db8::1]:443`. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** The other end's address; `unix` where a socket has none or has lost it. */
export function addressOf(socket: Socket): string {
  return socket.remoteAddress === undefined ? 'unix' : formatAddress(socket.remoteAddress, socket.remotePort ?? 0)
}

export function peerOf(socket: Socket): Peer {
  const address = addressOf(socket)
  const tls = socket as TLSSocket
  if (tls.encrypted !== true) return { address, encrypted: false }
  const certificate = tls.getPeerX509Certificate?.()
  if (certificate === undefined) return { address, encrypted: true }
  const shownAltName = tls.getX509Certificate?.()?.subjectAltName
  return {
    address,
    encrypted: true,
    ...(shownAltName !== undefined && { shownAltName }),
    certificate: {
      subject: certificate.subject,
      subjectAltName: certificate.subjectAltName ?? '',
      fingerprint256: certificate.fingerprint256,
      authorized: tls.authorized,
    },
  }
}
