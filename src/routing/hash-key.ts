/**
 * What of a call keeps it together with others: the key by which it goes to one of several backends of a route, or to its
 * place on the circle of consistent hashing.
 */

import type { HeaderBlock } from '../transport/transport.ts'
import type { CallInfo } from './director.ts'
import { hashText } from './hash.ts'

export type HashKey =
  | 'client-address'
  | 'authority'
  | 'method'
  | { readonly metadata: string }
  /** In code. Undefined: the call has no key. */
  | ((call: CallInfo) => string | undefined)

const HASHES = 2 ** 31

/** 31 bits of a call, by which a balancer places it. */
export class CallHash {
  readonly #hashOf: (call: CallInfo) => number | undefined
  readonly #random: () => number

  /** @param random from 0 up to 1 */
  constructor(key: HashKey, random: () => number) {
    this.#hashOf = hashBy(key)
    this.#random = random
  }

  /** A call without a key may go anywhere. @throws what a key function throws */
  of(call: CallInfo): number {
    return this.#hashOf(call) ?? this.anywhere()
  }

  anywhere(): number {
    return Math.floor(this.#random() * HASHES)
  }
}

/**
 * Makes 31 bits of a call, undefined where it has no key.
 * @throws what a key function throws, with each call
 */
export function hashBy(key: HashKey): (call: CallInfo) => number | undefined {
  if (typeof key === 'function') return call => ofText(textOf(key(call)))
  switch (key) {
    case 'client-address':
      return ({ peer }) => ofAddress(peer.address)
    case 'authority':
      return ({ authority }) => ofText(authority)
    case 'method':
      return ({ path }) => ofText(path)
    default:
      return ({ metadata }) => ofText(metadataValue(metadata.fields, key.metadata))
  }
}

/** A function in plain JavaScript may give anything. */
function textOf(key: unknown): string {
  if (typeof key === 'string') return key
  if (key == null) return ''
  throw new TypeError(`a hash key is a string, this is ${typeof key}`)
}

/** An empty key is none. */
function ofText(text: string): number | undefined {
  return text === '' ? undefined : hashText(text) >>> 1
}

/** Without the port, which differs for each connection. A unix socket has no address. */
function ofAddress(address: string): number | undefined {
  const end = address.lastIndexOf(':')
  return end === -1 ? undefined : hashText(address, 0, 0, end) >>> 1
}

/** Several values are one, in their order (gRFC A42). */
function metadataValue(fields: HeaderBlock, name: string): string {
  let value = ''
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!
    if (field.name === name) value = value === '' ? field.value : `${value},${field.value}`
  }
  return value
}
