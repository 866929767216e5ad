/** Opens the byte stream to an endpoint. Both transports dial through here. */
import net from 'node:net'
import { Duplex } from 'node:stream'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { crlBlocks } from './crl.ts'
import { nodeCrypto, nodeTls } from './node-tls.ts'
import { ownHeader, type ProxyVersion } from './proxy-protocol.ts'
import { HTTP2_TLS, tlsOptions } from './tls-rules.ts'
import type { Awaited, DialAddress } from './transport.ts'

/** How often TCP asks a silent endpoint whether it is alive. This finds half-open connections. */
const TCP_KEEPALIVE_MS = 60_000

/**
 * The last TLS session of each endpoint, to be resumed. An endpoint whose certificates or authorities change has another
 * address: what was checked by those before is not resumed.
 */
export type Tickets = WeakMap<DialAddress, Buffer>

export interface DialOptions {
  /** Of TLS sessions. Undefined: each has a whole handshake. */
  readonly tickets?: Tickets
  /** Where a socket reads to, instead of emitting `'data'`. A stream of `connect` ignores it. */
  readonly onread?: net.OnReadOpts
  /** What a transport does to a stream made by `connect` before it can use it. */
  readonly inProcess?: (stream: Duplex) => Duplex
}

/**
 * Starts connecting; the stream given back emits `'error'` and `'close'` like any other.
 * A host name is looked up anew each time.
 */
export function dial(address: DialAddress, { tickets, inProcess, onread }: DialOptions = {}): Duplex {
  const made = address.connect?.()
  if (address.connect !== undefined && !(made instanceof Duplex)) {
    throw new TypeError(`${address.name}: connect() must return a Duplex, at once`)
  }
  const stream = made === undefined || inProcess === undefined ? made : inProcess(made)
  if (address.tls === undefined) {
    const plain = stream ?? net.connect({ ...netOptionsOf(address), onread })
    if (address.proxyHeader !== undefined) plain.write(ownHeader(address.proxyHeader))
    return plain
  }
  const { serverName, ca, crl, cert, key } = address.tls
  const under = address.proxyHeader === undefined ? stream : introduced(address, address.proxyHeader, stream)
  const where =
    under === undefined
      ? { ...netOptionsOf(address), onread }
      : { socket: under as net.Socket, ...(stream === undefined && { onread }) }
  const secure = nodeTls().connect({
    ...where,
    ALPNProtocols: HTTP2_TLS.ALPNProtocols,
    ...tlsOptions(address.tls),
    // RFC 6066 §3: "Literal IPv4 and IPv6 addresses are not permitted in HostName".
    servername: net.isIP(serverName) ? '' : serverName,
    checkServerIdentity: (_, certificate) => checkIdentity(serverName, certificate),
    ca,
    ...(crl !== undefined && { crl: crlBlocks(crl) }),
    cert,
    key,
    session: tickets?.get(address),
  })
  if (tickets !== undefined) secure.on('session', (ticket: Buffer) => tickets.set(address, ticket))
  return secure
}

/**
 * What TLS begins on once the header went out. One address of a name is tried, since a socket that tries several gets a new
 * handle for each, and TLS on it would keep the first.
 */
function introduced(address: DialAddress, version: ProxyVersion, stream: Duplex | undefined): Duplex {
  const plain = stream ?? net.connect({ ...netOptionsOf(address), autoSelectFamily: false })
  plain.write(ownHeader(version))
  return plain
}

/** Of a stream that was dialled. */
export function awaitedBy(stream: Duplex | undefined): Awaited {
  if (!(stream instanceof net.Socket)) return 'HTTP/2 SETTINGS'
  if (stream.connecting) return 'connection'
  // Of TLS sockets alone: "Before a handshake has completed, this value is always null."
  return (stream as Partial<TLSSocket>).alpnProtocol === null ? 'TLS handshake' : 'HTTP/2 SETTINGS'
}

/** The check of Node 22 does not find an IPv6 address among the names of a certificate. */
function checkIdentity(serverName: string, certificate: PeerCertificate): Error | undefined {
  if (!net.isIPv6(serverName)) return nodeTls().checkServerIdentity(serverName, certificate)
  const { X509Certificate } = nodeCrypto()
  if (new X509Certificate(certificate.raw).checkIP(serverName) !== undefined) return undefined
  return new Error(`the certificate is not one for ${serverName}`)
}

function netOptionsOf(address: DialAddress): net.NetConnectOpts {
  if (address.unix !== undefined) return { path: address.unix }
  const { host, port } = address.tcp!
  return {
    host,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEPALIVE_MS,
    autoSelectFamily: true,
  }
}
