/** Fields that the proxy adds to a request where it is told to. By default it adds none. */

import { type AddedField, type Field, field, type RequestHead, removed } from '../grpc/metadata.ts'
import type { Target } from '../routing/director.ts'
import type { HeaderBlock, Peer } from '../transport/transport.ts'
import { fieldOf } from '../wire/hpack/interning.ts'
import { type ClientCertificateMode, forwardedCertificate } from './client-certificate.ts'
import { type RequestIdRules, RequestIds } from './request-id.ts'

export interface AddedFieldsOptions {
  readonly xForwardedFor: boolean
  /** RFC 7239. */
  readonly forwarded: boolean
  /** RFC 9110 §7.6.3. */
  readonly via: boolean
  /** Undefined: what the client sent goes on. */
  readonly xForwardedClientCert?: ClientCertificateMode | undefined
}

export type AddedFields = (peer: Peer, head: RequestHead, block: HeaderBlock, target: Target) => readonly AddedField[]

const NONE: readonly AddedField[] = []

/** What the proxy adds to requests, by what is configured. */
export function requestFields(setup: { readonly headers: AddedFieldsOptions; readonly requestId?: RequestIdRules }): {
  readonly addedFields: AddedFields
  readonly requestIds: RequestIds | undefined
} {
  const { headers, requestId } = setup
  return { addedFields: addedFields(headers), requestIds: requestId && new RequestIds(requestId) }
}

/** @returns a function that returns the same empty list each time when there is nothing to add */
export function addedFields(options: AddedFieldsOptions): AddedFields {
  const byTarget = new WeakMap<Target, readonly AddedField[]>()
  const ofTarget = (target: Target): readonly AddedField[] => {
    const { metadata, removeMetadata } = target
    if (metadata === undefined && removeMetadata === undefined) return NONE
    const known = byTarget.get(target)
    if (known !== undefined) return known
    const fields = fieldsOf(target)
    // A route's target never changes. A director may change an object that it has returned before.
    if (!Object.isFrozen(target) || !Object.isFrozen(metadata) || !Object.isFrozen(removeMetadata)) return fields
    const kept = fields.map(field => (field.removes ? field : fieldOf(field.name, field.value)))
    byTarget.set(target, kept)
    return kept
  }
  const { xForwardedFor, forwarded, via, xForwardedClientCert: mode } = options
  const certificate = mode && forwardedCertificate(mode)
  if (!xForwardedFor && !forwarded && !via) {
    if (certificate === undefined) return (_peer, _head, _block, target) => ofTarget(target)
    return (peer, _head, block, target) => [...ofTarget(target), ...certificate(peer, block)]
  }
  return (peer, head, block, target) => [
    ...ofTarget(target),
    ...forwarding(options, peer, head, block),
    ...(certificate?.(peer, block) ?? NONE),
  ]
}

/** RFC 9110 §5.6.2 "token" without upper case (RFC 9113 §8.2); no pseudo-header fields. */
const FIELD_NAME = /^[a-z0-9!#$%&'*+\-.^_`|~]+$/
/** RFC 9110 §5.5 field-value: visible characters, obs-text, spaces and tabs inside. Node checks neither of the two. */
const FIELD_VALUE = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/

/** @throws TypeError for a value that HTTP/2 cannot carry: with a line break it may begin another header */
export function checkAuthority(authority: string | undefined): void {
  if (authority !== undefined) checkValue(':authority', authority)
}

function checkValue(name: string, value: unknown): void {
  if (typeof value !== 'string' || !FIELD_VALUE.test(value)) {
    throw new TypeError(`the value of ${name} is not one that HTTP/2 can carry`)
  }
}

/** @throws TypeError for a name or a value that HTTP/2 cannot carry */
function fieldsOf({ metadata = {}, removeMetadata = [] }: Target): AddedField[] {
  const fields: AddedField[] = removeMetadata.map(removed)
  for (const [given, values] of Object.entries(metadata)) {
    const name = given.toLowerCase()
    if (!FIELD_NAME.test(name)) throw new TypeError(`${JSON.stringify(given)} is not a name that HTTP/2 can carry`)
    for (const value of [values].flat()) {
      checkValue(name, value)
      fields.push(field(name, value))
    }
  }
  return fields
}

function forwarding(options: AddedFieldsOptions, peer: Peer, head: RequestHead, block: HeaderBlock): Field[] {
  const added: Field[] = []
  const append = (name: string, element: string) => {
    const before = block.filter(field => field.name === name).map(field => field.value)
    added.push(field(name, [...before, element].join(', ')))
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
