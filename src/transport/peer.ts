/** Who is at the other end of an accepted socket. */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Peer } from './transport.ts'

/** `203.0.113.7:443`, `[2001:db8::1]:443`. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Node has no public way from a TLS socket to the connection under it. A test would notice if this one disappeared. */
export type Wrapped = Socket & { readonly _parent?: Socket }

/** An address, as sockets have them; `host` is undefined for unix sockets. */
export interface Remote {
  readonly host: string | undefined
  readonly port: number
}

/** Of connections that somebody forwards, who said whose they are. */
const told = new WeakMap<Socket, Remote>()

/** From now on the connection counts as one of this address. */
export function setRemote(socket: Socket, remote: Remote): void {
  told.set(socket, remote)
}

/** The other end: that of the socket, or the one that was set. The host is undefined too where a socket has lost it. */
export function remoteOf(socket: Socket): Remote {
  return told.get((socket as Wrapped)._parent ?? socket) ?? { host: socket.remoteAddress, port: socket.remotePort ?? 0 }
}

/** The other end's address; `unix` where there is none. */
export function addressOf(socket: Socket): string {
  const { host, port } = remoteOf(socket)
  return host === undefined ? 'unix' : formatAddress(host, port)
}

/** A socket that a listener accepted, with the name of that: whoever makes a session of it learns it from here. */
export type Accepted = Socket & { cameTo?: string | undefined }

export function peerOf(socket: Accepted): Peer {
  const listener = socket.cameTo
  const named = listener === undefined ? undefined : { listener }
  const address = addressOf(socket)
  const tls = socket as TLSSocket
  if (tls.encrypted !== true) return { address, encrypted: false, ...named }
  const certificate = tls.getPeerX509Certificate?.()
  if (certificate === undefined) return { address, encrypted: true, ...named }
  const shownAltName = tls.getX509Certificate?.()?.subjectAltName
  return {
    address,
    encrypted: true,
    ...named,
    ...(shownAltName !== undefined && { shownAltName }),
    certificate: {
      subject: certificate.subject,
      subjectAltName: certificate.subjectAltName ?? '',
      fingerprint256: certificate.fingerprint256,
      authorized: tls.authorized,
    },
  }
}
