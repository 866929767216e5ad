/**
 * The header by which a load balancer says whose connection it forwards: HAProxy's PROXY protocol, versions 1 and 2
 * (haproxy.org/download/3.2/doc/proxy-protocol.txt, "§" below). It comes before everything else, also before TLS.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'

/** The address of the client that the header is about. */
export type Told =
  | { readonly kind: 'client'; readonly host: string; readonly port: number }
  /** The client has no address: it came over a unix socket. */
  | { readonly kind: 'unix' }
  /** The connection is that of the sender itself, for example to look whether we are there. */
  | { readonly kind: 'own' }

/** `bytes`: the length of the header. */
export type Parsed =
  | { readonly kind: 'header'; readonly told: Told; readonly bytes: number }
  /** So far it may become one. */
  | { readonly kind: 'more' }
  | { readonly kind: 'wrong'; readonly detail: string }

/** §2.1: "a 108-byte buffer is always enough to store all the line and a trailing zero". */
const V1_MOST_BYTES = 107
const V1_BEGIN = Buffer.from('PROXY ', 'latin1')
const V2_BEGIN = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V2_HEAD_BYTES = 16
/**
 * Of addresses and additions (TLV) together; the field could say 64 KiB. HAProxy sends no more than fits into its buffer, which
 * has 16 KiB, and a client's certificate is the longest of what it sends.
 */
export const V2_MOST_BYTES = 16_384

/** @param bytes that came so far */
export function parseProxyHeader(bytes: Buffer): Parsed {
  if (begins(bytes, V2_BEGIN)) return parseV2(bytes)
  if (begins(bytes, V1_BEGIN)) return parseV1(bytes)
  return wrong('the connection does not begin with a PROXY header')
}

function begins(bytes: Buffer, begin: Buffer): boolean {
  const seen = Math.min(bytes.length, begin.length)
  return bytes.compare(begin, 0, seen, 0, seen) === 0
}

const MORE: Parsed = { kind: 'more' }

function wrong(detail: string): Parsed {
  return { kind: 'wrong', detail }
}

function header(told: Told, bytes: number): Parsed {
  return { kind: 'header', told, bytes }
}

/** §2.1: `PROXY TCP4 203.0.113.7 192.0.2.1 54321 443`, with one space each and a line's end. */
function parseV1(bytes: Buffer): Parsed {
  const text = bytes.toString('latin1', 0, V1_MOST_BYTES)
  const end = text.indexOf('\r\n')
  if (end < 0) {
    // A line feed alone, or nothing within the most: no more bytes make it right.
    if (text.includes('\n') || bytes.length >= V1_MOST_BYTES) return wrong('the line of PROXY has no end')
    return MORE
  }
  const [, family, source, target, sourcePort, targetPort, ...rest] = text.slice(0, end).split(' ')
  // "the receiver must ignore anything presented before the CRLF".
  if (family === 'UNKNOWN') return header({ kind: 'own' }, end + 2)
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIPv6 : undefined
  if (isAddress === undefined) return wrong('PROXY names no family that is known')
  const ports = [sourcePort, targetPort].map(portOf)
  const isRight = [source, target].every(address => isAddress(address ?? '')) && !ports.includes(undefined)
  if (!isRight || rest.length > 0) return wrong('the addresses or ports of PROXY cannot be read')
  return header({ kind: 'client', host: normal(source!), port: ports[0]! }, end + 2)
}

/** Without a zone, which is a matter of the machine that has it. */
function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%')
}

/** §2.1: "a decimal integer in the range [0..65535] inclusive. Heading zeroes are not permitted". */
function portOf(text: string | undefined): number | undefined {
  return text !== undefined && /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined
}

/** In the form in which a socket has it, so that equal addresses are equal texts. */
function normal(address: string): string {
  return isIPv4(address) ? address : new SocketAddress({ address, family: 'ipv6' }).address
}

/** §2.2: what a stream can be of, by the byte that names it, and how many bytes its addresses take. */
const V2_STREAMS: ReadonlyMap<number, { readonly family: 'ipv4' | 'ipv6' | 'unix'; readonly bytes: number }> = new Map([
  [0x11, { family: 'ipv4', bytes: 12 }],
  [0x21, { family: 'ipv6', bytes: 36 }],
  [0x31, { family: 'unix', bytes: 216 }],
])
const UNSPEC = 0x00
const LOCAL = 0x20
const PROXY = 0x21

function parseV2(bytes: Buffer): Parsed {
  if (bytes.length < V2_HEAD_BYTES) return MORE
  const [command, kind, length] = [bytes[12]!, bytes[13]!, bytes.readUInt16BE(14)]
  if (command !== LOCAL && command !== PROXY) return wrong('PROXY has a version or a command that is not known')
  if (length > V2_MOST_BYTES) return wrong(`PROXY says that ${length} bytes follow, and ${V2_MOST_BYTES} may`)
  const stream = V2_STREAMS.get(kind)
  // Of those that are left out of a stream, datagrams are what the protocol knows.
  if (command === PROXY && kind !== UNSPEC && stream === undefined) return wrong('PROXY is not about a stream')
  if (command === PROXY && stream !== undefined && length < stream.bytes)
    return wrong('PROXY has no room for addresses')
  const end = V2_HEAD_BYTES + length
  if (bytes.length < end) return MORE
  // "the receiver must accept this connection as valid and must use the real connection endpoints".
  if (command === LOCAL || stream === undefined) return header({ kind: 'own' }, end)
  if (stream.family === 'unix') return header({ kind: 'unix' }, end)
  const at = V2_HEAD_BYTES
  if (stream.family === 'ipv4')
    return header({ kind: 'client', host: bytes.subarray(at, at + 4).join('.'), port: bytes.readUInt16BE(at + 8) }, end)
  const groups = [0, 2, 4, 6, 8, 10, 12, 14].map(i => bytes.readUInt16BE(at + i).toString(16))
  return header({ kind: 'client', host: normal(groups.join(':')), port: bytes.readUInt16BE(at + 32) }, end)
}

export type ProxyVersion = 1 | 2

/** The header of a connection that is our own: many clients share it, so it is about none of them. */
export function ownHeader(version: ProxyVersion): Buffer {
  if (version === 1) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1')
  return Buffer.concat([V2_BEGIN, Buffer.from([LOCAL, UNSPEC, 0, 0])])
}
