/** Which addresses count as one client: those that begin with the same bits. */

/** How many bits of an address tell one client from another. */
export interface PrefixBits {
  readonly ipv4: number
  readonly ipv6: number
}

/** Node's form of an IPv4 client on a socket that listens on `::` (RFC 4291 §2.5.5.2). */
const MAPPED = '::ffff:'

/**
 * The part of a client's address by which clients are told apart, as text: `203.0.113.7`, `203.0.113.0/24`,
 * `2001:db8:0:1::/64`.
 * @param address as a socket's `remoteAddress` has it
 */
export function prefixOf(address: string, bits: PrefixBits): string {
  const mapped = address.startsWith(MAPPED) && address.includes('.')
  const plain = mapped ? address.slice(MAPPED.length) : address
  if (plain.includes(':')) return bits.ipv6 === 128 ? plain : `${ipv6Prefix(plain, bits.ipv6)}/${bits.ipv6}`
  return bits.ipv4 === 32 ? plain : `${ipv4Prefix(plain, bits.ipv4)}/${bits.ipv4}`
}

/** All clients on loopback share one prefix, whether they are one program or a thousand users of a tunnel. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith(`${MAPPED}127.`)
}

function ipv4Prefix(address: string, bits: number): string {
  return address
    .split('.')
    .map((octet, i) => Number(octet) & leading(8, bits - 8 * i))
    .join('.')
}

/** RFC 5952's short form is not needed, because this is a key, which people read only in the log. */
function ipv6Prefix(address: string, bits: number): string {
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const first = groupsOf(head)
  const last = groupsOf(tail ?? '')
  const gap = tail === undefined ? 0 : 8 - first.length - last.length
  const groups = [...first, ...new Array<number>(gap).fill(0), ...last]
  const kept = groups.slice(0, Math.ceil(bits / 16)).map((group, i) => group & leading(16, bits - 16 * i))
  return `${kept.map(group => group.toString(16)).join(':')}${kept.length < 8 ? '::' : ''}`
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16))
}

/** A mask of `width` bits of which the first `bits` are set. */
function leading(width: number, bits: number): number {
  const set = Math.max(0, Math.min(width, bits))
  return (2 ** set - 1) * 2 ** (width - set)
}
