/**
 * What a call must look like for a route: patterns as people write them, compiled once into forms
 * that are compared without allocating.
 */
import type { HeaderBlock } from '../transport/transport.ts'
import type { CallInfo } from './director.ts'

/** Conditions of a route; all that are given must hold. None given: every call matches. */
export interface RouteMatch {
  /**
   * `api.example.com` or `*.example.com` (any number of labels, at least one), in any case. Without
   * a port the call's port is not looked at. In a list, one must match.
   */
  readonly authority?: string | readonly string[]
  /** `pkg.Service`, or `pkg.*` for all services whose name starts with `pkg.`; case-sensitive. */
  readonly service?: string | readonly string[]
  /** `Method`, exactly; case-sensitive. */
  readonly method?: string | readonly string[]
  /** By metadata name in lower case. */
  readonly metadata?: Readonly<Record<string, MetadataMatch>>
}

/**
 * A string: one of the values is exactly that. `prefix`: one of the values starts with it.
 * `present`: the name is there, or is not. `-bin` values are compared as sent, in base64.
 */
export type MetadataMatch = string | { readonly present: boolean } | { readonly prefix: string }

/** A compiled `RouteMatch`. Undefined: not looked at. */
export interface Matcher {
  readonly authorities: readonly AuthorityPattern[] | undefined
  readonly services: readonly ServicePattern[] | undefined
  readonly methods: readonly string[] | undefined
  readonly metadata: readonly MetadataTest[]
}

export interface AuthorityPattern {
  /** Lower case; for `*.example.com` it is `.example.com`. */
  readonly text: string
  readonly wildcard: boolean
  /** The port counts too. */
  readonly withPort: boolean
}

export interface ServicePattern {
  /** For `pkg.*` it is `pkg.`. */
  readonly text: string
  readonly wildcard: boolean
}

interface MetadataTest {
  readonly name: string
  readonly kind: 'exact' | 'prefix' | 'present' | 'absent'
  readonly text: string
}

export function compileMatch(match: RouteMatch): Matcher {
  return {
    authorities: listOf(match.authority)?.map(compileAuthority),
    services: listOf(match.service)?.map(compileService),
    methods: listOf(match.method),
    metadata: Object.entries(match.metadata ?? {}).map(compileMetadata),
  }
}

/** @param authority the call's, as `normalAuthority` gives it */
export function matches(matcher: Matcher, call: CallInfo, authority: string, hostEnd: number): boolean {
  if (matcher.services !== undefined && !anyService(matcher.services, call.service)) return false
  if (matcher.methods !== undefined && !matcher.methods.includes(call.method)) return false
  if (matcher.authorities !== undefined && !anyAuthority(matcher.authorities, authority, hostEnd)) return false
  for (const test of matcher.metadata) if (!metadataHolds(test, call.metadata.fields)) return false
  return true
}

/** True when every call matches. */
export function matchesAll(matcher: Matcher): boolean {
  return (
    matcher.authorities === undefined &&
    matcher.services === undefined &&
    matcher.methods === undefined &&
    matcher.metadata.length === 0
  )
}

/**
 * Where the host of an authority ends: before `:port`, else at its end.
 * `[::1]:443` → 5, `a.example` → 9.
 */
export function hostEndOf(authority: string): number {
  let at = authority.length
  while (at > 0 && isDigit(authority.charCodeAt(at - 1))) at--
  // Without a bracket an IPv6 address is not a legal authority, so the last colon is the port's.
  return at > 0 && authority.charCodeAt(at - 1) === COLON ? at - 1 : authority.length
}

/** Lower case (RFC 3986 §3.2.2: "the host subcomponent is case-insensitive"); the same string when it is so already. */
export function normalAuthority(authority: string): string {
  for (let i = 0; i < authority.length; i++) {
    const code = authority.charCodeAt(i)
    if (code >= 0x41 && code <= 0x5a) return authority.toLowerCase()
  }
  return authority
}

const COLON = 0x3a
const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

function listOf(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof value === 'string' ? [value] : value
}

function compileAuthority(pattern: string): AuthorityPattern {
  const wildcard = pattern.startsWith('*.')
  const text = (wildcard ? pattern.slice(1) : pattern).toLowerCase()
  return { text, wildcard, withPort: hostEndOf(text) < text.length }
}

function compileService(pattern: string): ServicePattern {
  const wildcard = pattern.endsWith('.*')
  return { text: wildcard ? pattern.slice(0, -1) : pattern, wildcard }
}

function compileMetadata([name, match]: [string, MetadataMatch]): MetadataTest {
  const lower = name.toLowerCase()
  if (typeof match === 'string') return { name: lower, kind: 'exact', text: match }
  if ('prefix' in match) return { name: lower, kind: 'prefix', text: match.prefix }
  return { name: lower, kind: match.present ? 'present' : 'absent', text: '' }
}

function anyService(patterns: readonly ServicePattern[], service: string): boolean {
  for (const { text, wildcard } of patterns) {
    if (wildcard ? service.length > text.length && service.startsWith(text) : service === text) return true
  }
  return false
}

function anyAuthority(patterns: readonly AuthorityPattern[], authority: string, hostEnd: number): boolean {
  for (const { text, wildcard, withPort } of patterns) {
    const end = withPort ? authority.length : hostEnd
    if (
      wildcard ? end > text.length && authority.endsWith(text, end) : end === text.length && authority.startsWith(text)
    )
      return true
  }
  return false
}

/** Walks the fields instead of asking for a list: a name may come several times, and any of its values may match. */
function metadataHolds(test: MetadataTest, fields: HeaderBlock): boolean {
  for (const field of fields) {
    if (field.name !== test.name) continue
    if (test.kind === 'present') return true
    if (test.kind === 'absent') return false
    if (test.kind === 'exact' ? field.value === test.text : field.value.startsWith(test.text)) return true
  }
  return test.kind === 'absent'
}
