/**
 * Whose call it is by address: that of the connection, or, behind trusted proxies, the last address of `x-forwarded-for`
 * that is none of theirs. What stands before that one is the client's own word.
 */
import { isIP } from 'node:net'
import type { CallInfo } from '../routing/director.ts'
import { Networks } from '../transport/networks.ts'
import type { Peer } from '../transport/transport.ts'

/** Of connections over a unix socket, and of what is no address. */
export const UNKNOWN_ADDRESS = ''

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
