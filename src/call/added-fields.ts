/** Fields that the proxy adds to a request where it is told to; by default none. */
import type { Field, RequestHead } from '../grpc/metadata.ts'
import type { Target } from '../routing/director.ts'
import type { HeaderBlock, Peer } from '../transport/transport.ts'

export interface AddedFieldsOptions {
  readonly xForwardedFor: boolean
  /** RFC 7239. */
  readonly forwarded: boolean
  /** RFC 9110 §7.6.3. */
  readonly via: boolean
}

export type AddedFields = (peer: Peer, head: RequestHead, block: HeaderBlock, target: Target) => readonly Field[]

const NONE: readonly Field[] = []

/** @returns a function that gives the same empty list each time when there is nothing to add */
export function addedFields(options: AddedFieldsOptions): AddedFields {
  const byTarget = new WeakMap<Target, readonly Field[]>()
  const ofTarget = (target: Target): readonly Field[] => {
    if (target.metadata === undefined) return NONE
    let fields = byTarget.get(target)
    if (fields === undefined) {
      fields = fieldsOf(target.metadata)
      byTarget.set(target, fields)
    }
    return fields
  }
  if (!options.xForwardedFor && !options.forwarded && !options.via) {
    return (_peer, _head, _block, target) => ofTarget(target)
  }
  return (peer, head, block, target) => [...ofTarget(target), ...forwarding(options, peer, head, block)]
}

function fieldsOf(metadata: NonNullable<Target['metadata']>): Field[] {
  return Object.entries(metadata).flatMap(([name, values]) =>
    [values].flat().map(value => ({ name: name.toLowerCase(), value, neverIndexed: false })),
  )
}

function forwarding(options: AddedFieldsOptions, peer: Peer, head: RequestHead, block: HeaderBlock): Field[] {
  const added: Field[] = []
  const append = (name: string, element: string) => {
    const before = block.filter(field => field.name === name).map(field => field.value)
    added.push({ name, value: [...before, element].join(', '), neverIndexed: false })
  }
  if (options.xForwardedFor) append('x-forwarded-for', hostOf(peer.address))
  if (options.forwarded) {
    const host = JSON.stringify(head.authority)
    append('forwarded', `for=${nodeOf(peer.address)};host=${host};proto=${peer.encrypted ? 'https' : 'http'}`)
  }
  if (options.via) append('via', '2 grpc-verbatim')
  return added
}

function hostOf(address: string): string {
  if (address === 'unix') return 'unknown'
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}

/** RFC 7239 §6: an IPv6 address in brackets and quotes; "unknown" when it is not known. */
function nodeOf(address: string): string {
  const host = hostOf(address)
  return host.includes(':') ? `"[${host}]"` : host
}
