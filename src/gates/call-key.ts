/** What of a call is its key, where calls of one key have a limit together. */
import type { CallInfo } from '../routing/director.ts'
import { prefixOf } from '../transport/address-prefix.ts'
import { nodeCrypto } from '../transport/node-tls.ts'
import { clientAddress } from './client-address.ts'

/** `metadata:NAME` is a value of metadata; `client` an address, or for IPv6 a network of 64 bits. */
export type CallKey = 'client' | 'identity' | 'authority' | 'service' | 'method' | `metadata:${string}`

/** Several are a key together. */
export type CallKeys = CallKey | readonly CallKey[] | ((call: CallInfo) => string)

/** A longer key is kept as its digest: a client chooses how long its metadata is. */
const MAX_KEY_CHARACTERS = 96
/** One client with IPv6 has a network of so many bits (RFC 6177). */
const CLIENT_BITS = { ipv4: 32, ipv6: 64 }

/** @param trusted proxies before this one, whose `x-forwarded-for` says who the client is */
export function callKey(key: CallKeys | undefined, trusted: readonly string[] | undefined): (call: CallInfo) => string {
  if (typeof key === 'function') return call => bounded(key(call))
  const addressOf = clientAddress(trusted)
  const parts = [key ?? []].flat().map(one => partOf(one, addressOf))
  if (parts.length === 0) return () => ''
  if (parts.length === 1) return call => bounded(parts[0]!(call))
  // The length makes two lists of values differ that joined would be the same.
  return call =>
    bounded(
      parts
        .map(part => part(call))
        .map(text => `${text.length}:${text}`)
        .join(''),
    )
}

export function partOf(key: CallKey, addressOf: (call: CallInfo) => string): (call: CallInfo) => string {
  switch (key) {
    case 'client':
      return clientOf(addressOf)
    case 'identity':
      return ({ notes }) => notes.identity?.name ?? ''
    case 'authority':
      return ({ authority }) => authority.toLowerCase()
    case 'service':
      return ({ service }) => service
    case 'method':
      return ({ path }) => path
    default: {
      const name = key.slice('metadata:'.length)
      return ({ metadata }) => metadata.getAll(name).join(',')
    }
  }
}

/** Calls of one connection have one address mostly: so the last one is remembered with what it is as a key. */
function clientOf(addressOf: (call: CallInfo) => string): (call: CallInfo) => string {
  let asked = ''
  let client = ''
  return call => {
    const address = addressOf(call)
    if (address !== asked) {
      asked = address
      client = prefixOf(address, CLIENT_BITS)
    }
    return client
  }
}

function bounded(key: string): string {
  return key.length <= MAX_KEY_CHARACTERS ? key : nodeCrypto().createHash('sha256').update(key).digest('base64')
}
