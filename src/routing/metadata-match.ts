/**
 * Conditions on metadata. A name may come several times, and PROTOCOL-HTTP2.md lets anybody join its values by commas
 * ("considered semantically equivalent"): so a condition is about all of its values, however they came, and nobody
 * gets past it by sending a second one.
 */
import type { HeaderBlock } from '../transport/transport.ts'

/**
 * A string: the value is exactly that. `prefix`: it starts with that. `present`: the name is there, or is not. `-bin`
 * values are compared as sent, in base64.
 */
export type MetadataMatch =
  | string
  | { readonly value: string; readonly list?: ListRule }
  | { readonly prefix: string; readonly list?: ListRule }
  | { readonly present: boolean }

/**
 * For a name with several values, as fields or between commas. `all`: each of them must match. `any`: one is
 * enough. `whole`: the name must come once, and its value is compared with the commas in it. Default: `any` in a route
 * that denies, `all` in others.
 */
export type ListRule = 'all' | 'any' | 'whole'

export interface MetadataTest {
  readonly name: string
  readonly kind: 'exact' | 'prefix' | 'present' | 'absent'
  readonly text: string
  readonly list: ListRule
  /** Values of this name are not cut at commas. Nor are they cut where the condition itself has a comma. */
  readonly uncut: boolean
}

/** Fields that are one value each, even with commas in it (RFC 9110, and gRPC's own). */
const SINGLE: ReadonlySet<string> = new Set([
  ...['authorization', 'proxy-authorization', 'user-agent', 'cookie', 'content-type', 'date', 'referer', 'origin'],
  'grpc-timeout',
])

/** @param denies whether the route does */
export function compileMetadata([given, match]: [string, MetadataMatch], denies: boolean): MetadataTest {
  const name = given.toLowerCase()
  const common = { name, list: (denies ? 'any' : 'all') as ListRule, uncut: SINGLE.has(name) }
  if (typeof match === 'string') return withText({ ...common, kind: 'exact', text: match })
  if ('present' in match) return { ...common, kind: match.present ? 'present' : 'absent', text: '' }
  const list = match.list ?? common.list
  if ('prefix' in match) return withText({ ...common, kind: 'prefix', text: match.prefix, list })
  return withText({ ...common, kind: 'exact', text: match.value, list })
}

function withText(test: MetadataTest): MetadataTest {
  return { ...test, uncut: test.uncut || test.list === 'whole' || test.text.includes(',') }
}

/** It walks the fields instead of asking for a list, so that it allocates only where a value is cut. */
export function metadataHolds(test: MetadataTest, fields: HeaderBlock): boolean {
  let count = 0
  for (let i = 0; i < fields.length; i++) {
    const { name, value } = fields[i]!
    if (name !== test.name) continue
    if (test.kind === 'present') return true
    if (test.kind === 'absent') return false
    count++
    if (test.list === 'any') {
      if (hasMatching(test, value)) return true
    } else if (!allMatch(test, value)) return false
  }
  if (test.kind === 'absent') return true
  if (test.list === 'any') return count > 1 && test.text.includes(',') && joinedMatches(test, fields)
  return test.list === 'whole' ? count === 1 : count > 0
}

function hasMatching(test: MetadataTest, value: string): boolean {
  if (isMatch(test, value)) return true
  return !test.uncut && value.includes(',') && value.split(',').some(part => isMatch(test, part.trim()))
}

function allMatch(test: MetadataTest, value: string): boolean {
  if (test.uncut || !value.includes(',')) return isMatch(test, value)
  return value.split(',').every(part => isMatch(test, part.trim()))
}

function isMatch({ kind, text }: MetadataTest, value: string): boolean {
  return kind === 'exact' ? value === text : value.startsWith(text)
}

/** A condition with a comma in it: its parts may come as separate fields. */
function joinedMatches(test: MetadataTest, fields: HeaderBlock): boolean {
  const values = fields.filter(field => field.name === test.name).map(field => field.value)
  const plain = (list: string): string => `,${list.split(/[ \t]*,[ \t]*/).join(',')}${test.kind === 'exact' ? ',' : ''}`
  return `${plain(values.join(','))},`.includes(plain(test.text))
}
