/**
 * Whose call it is by address: that of the connection, or, behind trusted proxies, the last address of `x-forwarded-for`
 * that is none of theirs. What stands before that one is the client's own word.
 */
import { BlockList, isIP } from 'node:net'
import type { CallInfo } from '../routing/director.ts'
import type { Peer } from '../transport/transport.ts'

/** Of connections over a unix socket, and of what is no address. */
export const UNKNOWN_ADDRESS = ''

/** A set of networks, as `203.0.113.7`, `10.0.0.0/8`, `2001:db8::/32`. */
export class Networks {
  readonly #list = new BlockList()

  /** @throws TypeError for a text that is none */
  constructor(networks: readonly string[]) {
    for (const text of networks) {
      const { address, bits, family } = parseNetwork(text)
      this.#list.addSubnet(address, bits, family)
    }
  }

  has(address: string): boolean {
    const version = isIP(address)
    return version !== 0 && this.#list.check(address, version === 6 ? 'ipv6' : 'ipv4')
  }
}

/** @throws TypeError for a text that is no network */
export function parseNetwork(text: string): { address: string; bits: number; family: 'ipv4' | 'ipv6' } {
  const [address = '', length, ...rest] = text.split('/')
  const version = isIP(address)
  const most = version === 6 ? 128 : 32
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : -1
  if (version === 0 || bits < 0 || bits > most || rest.length > 0 || address.includes('%'))
    throw new TypeError(`${JSON.stringify(text)} is not a network: write 10.0.0.0/8 or 2001:db8::/32`)
  return { address, bits, family: version === 6 ? 'ipv6' : 'ipv4' }
}

/** @param trusted the proxies before this one, whose word about the client's address is taken */
export function clientAddress(trusted: readonly string[] = []): (call: CallInfo) => string {
  const ofPeer = addressOfPeer()
  if (trusted.length === 0) return ({ peer }) => ofPeer(peer)
  const hops = new Networks(trusted)
  return call => {
    const nearest = ofPeer(call.peer)
    if (!hops.has(nearest)) return nearest
    const said = call.metadata.getAll('x-forwarded-for').join(',').split(',').slice(-MAX_HOPS)
    for (const element of said.reverse()) {
      const address = plain(element.trim())
      if (isIP(address) === 0) return UNKNOWN_ADDRESS
      if (!hops.has(address)) return address
    }
    return nearest
  }
}

/** More trusted proxies in a row than this are a loop, or somebody's joke. */
const MAX_HOPS = 32

/** A connection has one address for all of its calls. */
function addressOfPeer(): (peer: Peer) => string {
  const known = new WeakMap<Peer, string>()
  return peer => {
    let address = known.get(peer)
    if (address === undefined) {
      address = plain(peer.address)
      if (isIP(address) === 0) address = UNKNOWN_ADDRESS
      known.set(peer, address)
    }
    return address
  }
}

/** Without the port, the brackets and the zone; an IPv4 address in the form of IPv6 (RFC 4291 §2.5.5.2) as IPv4. */
function plain(given: string): string {
  let host = given
  const bracket = /^\[([^\]]*)\](?::\d+)?$/.exec(given)
  if (bracket !== null) host = bracket[1]!
  else if (/^[^:]*:\d+$/.test(given)) host = given.slice(0, given.lastIndexOf(':'))
  host = host.replace(/%.*$/, '')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)
  return mapped === null ? host : mapped[1]!
}
