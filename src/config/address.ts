/**
 * Addresses as people write them, and back. Messages of `AddressError` say what is wrong and how to
 * write it instead; they do not repeat the address.
 */
import { isIPv4, isIPv6 } from 'node:net'

/** Where to listen: a TCP port, the path of a unix socket, or a socket that the process was started with. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'inherited'; readonly name: string }
  | { readonly kind: 'unix'; readonly path: string }

/** Where an endpoint is, and whether it speaks TLS. A unix socket speaks TLS when its backend has `tls`. */
export type EndpointAddress =
  | {
      readonly kind: 'tcp'
      readonly scheme: 'http' | 'https' | undefined
      readonly host: string
      readonly port: number
    }
  | { readonly kind: 'unix'; readonly path: string }

export class AddressError extends Error {
  override readonly name = 'AddressError'
}

/**
 * `0.0.0.0:8080`, `[::]:8080`, `localhost:0` (a free port), `unix:/run/proxy.sock`, `fd:web` (a socket of systemd's).
 * @throws AddressError
 */
export function parseListenAddress(text: string): ListenAddress {
  const path = unixPath(text)
  if (path !== undefined) return { kind: 'unix', path }
  const name = inheritedName(text)
  if (name !== undefined) return { kind: 'inherited', name }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw new AddressError('an address to listen on has no scheme: write host:port, [ipv6]:port or unix:/path')
  }
  if (/^\d+$/.test(text)) throw new AddressError(`needs a host too: write 0.0.0.0:${text} or 127.0.0.1:${text}`)
  if (/^:\d+$/.test(text)) throw new AddressError(`needs a host too: write 0.0.0.0${text} or "[::]${text}"`)
  return { kind: 'tcp', ...hostPort(text, undefined, 0) }
}

/**
 * `10.0.0.1:50051` and `http://10.0.0.1:50051` (h2c), `https://api.example.com` (TLS, port 443),
 * `unix:/run/greeter.sock`.
 * @throws AddressError
 */
export function parseEndpointAddress(text: string): EndpointAddress {
  const path = unixPath(text)
  if (path !== undefined) return { kind: 'unix', path }
  const url = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(text)
  if (url === null) return { kind: 'tcp', scheme: undefined, ...hostPort(text, undefined, 1) }
  const scheme = url[1]!.toLowerCase()
  if (scheme !== 'http' && scheme !== 'https') {
    throw new AddressError(`${scheme}:// is not known: use http:// (plaintext HTTP/2), https:// (TLS) or unix:/path`)
  }
  const authority = url[2]!.replace(/\/$/, '')
  if (/[/?#]/.test(authority)) throw new AddressError('an endpoint has no path: a call keeps the one it came with')
  if (authority.includes('@')) throw new AddressError('an endpoint has no user name or password')
  return {
    kind: 'tcp',
    scheme,
    ...hostPort(authority, scheme === 'http' ? 80 : 443, 1),
  }
}

/** A name with SRV records, which tell the hosts and ports. */
export interface ServiceName {
  readonly scheme: 'http' | 'https' | undefined
  readonly name: string
}

/**
 * `_grpc._tcp.greeter.internal`, or with `https://` before it for TLS.
 * @throws AddressError
 */
export function parseServiceName(text: string): ServiceName {
  const [, scheme, name = ''] = /^(?:(https?):\/\/)?(.*)$/is.exec(text)!
  if (/:\d*$/.test(name)) throw new AddressError('has a port: SRV records tell it, so write the name alone')
  if (isIPv4(name)) throw new AddressError('is an address: SRV records belong to a name')
  checkHost(name)
  // RFC 1035 §2.3.4: "labels 63 octets or less".
  if (name.split('.').some(label => label.length > 63)) {
    throw new AddressError('has a part of more than 63 characters between its dots')
  }
  return { scheme: scheme?.toLowerCase() as ServiceName['scheme'], name }
}

/** What `parseListenAddress` reads. */
export function formatListenAddress(address: ListenAddress): string {
  if (address.kind === 'inherited') return `fd:${address.name}`
  return address.kind === 'unix' ? `unix:${address.path}` : formatHostPort(address.host, address.port)
}

/** `https://api.example.com:443`, `unix:/run/x.sock`: what `parseEndpointAddress` reads; scheme and port always there. */
export function formatEndpointAddress(address: EndpointAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  return `${address.scheme ?? 'http'}://${formatHostPort(address.host, address.port)}`
}

function formatHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** What `parse` makes of a text; undefined where that is no address. */
export function tryParse<T>(parse: (text: string) => T, text: string): T | undefined {
  try {
    return parse(text)
  } catch (error) {
    if (error instanceof AddressError) return undefined
    throw error
  }
}

/** `unix:/a/b`, `unix:///a/b` (as gRPC names it) and `unix:relative`. */
function unixPath(text: string): string | undefined {
  if (!/^unix:/i.test(text)) return undefined
  const rest = text.slice(5)
  const path = rest.startsWith('///') ? rest.slice(2) : rest
  if (path.startsWith('//')) throw new AddressError('a unix socket has no host: write unix:/path')
  if (path === '') throw new AddressError('needs the path of the socket: unix:/path')
  if (path.includes('\0')) throw new AddressError('the path of a unix socket has no NUL characters')
  // sockaddr_un holds 108 bytes on Linux, 104 elsewhere, with the final NUL; Node cuts longer paths silently.
  if (Buffer.byteLength(path) > 103) throw new AddressError('the path of a unix socket has at most 103 bytes')
  return path
}

function inheritedName(text: string): string | undefined {
  if (!/^fd:/i.test(text)) return undefined
  const name = text.slice(3)
  // sd_listen_fds(3): "ASCII characters with the exception of control characters and ':'", 255 of them.
  if (/^[ -9;-~]{1,255}$/.test(name)) return name
  throw new AddressError('needs the name that systemd gives to a socket (FileDescriptorName=): fd:name')
}

function hostPort(text: string, defaultPort: number | undefined, leastPort: number): { host: string; port: number } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text)
  if (bracketed !== null) {
    if (!isIPv6(bracketed[1]!)) throw new AddressError('what is in brackets is not an IPv6 address')
    return {
      host: bracketed[1]!,
      port: portOf(bracketed[2], defaultPort, leastPort),
    }
  }
  if (isIPv6(text)) throw new AddressError(`an IPv6 address goes in brackets, with a port: "[${text}]:50051"`)
  const colon = text.indexOf(':')
  const host = colon === -1 ? text : text.slice(0, colon)
  const port = colon === -1 ? undefined : text.slice(colon + 1)
  checkHost(host)
  return { host, port: portOf(port, defaultPort, leastPort) }
}

function checkHost(host: string): void {
  if (host === '') throw new AddressError('has no host: write host:port')
  if (host === '*') throw new AddressError('* is not a host: write 0.0.0.0 or [::] for all addresses')
  if (/^[\d.]+$/.test(host) && !isIPv4(host)) throw new AddressError(`${host} is not an IPv4 address`)
  if (host.length > 253 || !/^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i.test(host)) {
    throw new AddressError(`${JSON.stringify(host)} is not a host name or an IP address`)
  }
}

function portOf(text: string | undefined, fallback: number | undefined, least: number): number {
  if (text === undefined) {
    if (fallback === undefined) throw new AddressError('has no port: write host:port')
    return fallback
  }
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port < least || port > 65535) {
    throw new AddressError(`${JSON.stringify(text)} is not a port: a number from ${least} to 65535`)
  }
  return port
}
