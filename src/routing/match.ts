/**
 * What a call must look like for a route: patterns as people write them, compiled once into forms
 * that are compared without allocating.
 */
import { hostEndOf, normalHost } from '../grpc/authority.ts'
import type { CallInfo } from './director.ts'
import { compileMetadata, type MetadataMatch, type MetadataTest, metadataHolds } from './metadata-match.ts'

export type { MetadataMatch } from './metadata-match.ts'

/** The conditions of a route. All that are given must hold; without any, every call matches. */
export interface RouteMatch {
  /**
   * `api.example.com` or `*.example.com` (any number of labels, at least one), in any spelling: case, a dot at the
   * end and userinfo do not matter. Without a port here the call's port is ignored. With one, a call that names no port
   * has its scheme's port. In a list, one entry must match. As long as any route looks at authorities, a call whose
   * authority is not a host and port has no route.
   */
  readonly authority?: string | readonly string[]
  /**
   * `pkg.Service`, or `pkg.*` for all services whose name starts with `pkg.`; case-sensitive, except in a route
   * that denies.
   */
  readonly service?: string | readonly string[]
  /** `Method`, exactly; case-sensitive in the same way. */
  readonly method?: string | readonly string[]
  /** By metadata name in lower case. */
  readonly metadata?: Readonly<Record<string, MetadataMatch>>
}

/** A compiled `RouteMatch`. A condition that is undefined is not looked at. */
export interface Matcher {
  readonly authorities: readonly AuthorityPattern[] | undefined
  readonly services: readonly ServicePattern[] | undefined
  readonly methods: readonly string[] | undefined
  readonly metadata: readonly MetadataTest[]
  /** Services and methods are in lower case, and so is what they are compared with. */
  readonly anyCase: boolean
}

export interface AuthorityPattern {
  /** The form that `normalAuthority` makes; for `*.example.com` it is `.example.com`. */
  readonly text: string
  readonly wildcard: boolean
  /** Whether the port counts too. */
  readonly withPort: boolean
}

export interface ServicePattern {
  /** For `pkg.*` it is `pkg.`. */
  readonly text: string
  readonly wildcard: boolean
}

/** A call's authority as it is compared. */
export interface AskedHost {
  /** The form that `normalAuthority` makes; empty where there is none. */
  readonly authority: string
  /** The place where its host ends. */
  readonly hostEnd: number
}

/**
 * @param guards whether the route denies, or has a gate. Then it takes services and methods in any case, because some
 * servers serve them so (ASP.NET Core), and one value of a list is enough for it: nobody gets past it by a spelling
 */
export function compileMatch(match: RouteMatch, guards: boolean): Matcher {
  const cased = (text: string): string => (guards ? text.toLowerCase() : text)
  return {
    authorities: listOf(match.authority)?.map(compileAuthority),
    services: listOf(match.service)?.map(service => compileService(cased(service))),
    methods: listOf(match.method)?.map(cased),
    metadata: Object.entries(match.metadata ?? {}).map(condition => compileMetadata(condition, guards)),
    anyCase: guards,
  }
}

/** @param service the service of the call, in lower case where the matcher is */
export function matches(matcher: Matcher, call: CallInfo, asked: AskedHost, service: string): boolean {
  if (matcher.services !== undefined && !anyService(matcher.services, service)) return false
  if (matcher.methods !== undefined && !anyMethod(matcher, call.method)) return false
  if (matcher.authorities !== undefined && !anyAuthority(matcher.authorities, asked)) return false
  for (const test of matcher.metadata) if (!metadataHolds(test, call.metadata.fields)) return false
  return true
}

function listOf(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof value === 'string' ? [value] : value
}

function compileAuthority(pattern: string): AuthorityPattern {
  const wildcard = pattern.startsWith('*.')
  const hostEnd = hostEndOf(pattern)
  const host = normalHost(pattern.slice(wildcard ? 2 : 0, hostEnd)) ?? ''
  const port = pattern.slice(hostEnd + 1)
  const text = `${wildcard ? '.' : ''}${host}${port === '' ? '' : `:${Number(port)}`}`
  return { text, wildcard, withPort: port !== '' }
}

function compileService(pattern: string): ServicePattern {
  const wildcard = pattern.endsWith('.*')
  return { text: wildcard ? pattern.slice(0, -1) : pattern, wildcard }
}

function anyService(patterns: readonly ServicePattern[], service: string): boolean {
  for (const { text, wildcard } of patterns) {
    if (wildcard ? service.length > text.length && service.startsWith(text) : service === text) return true
  }
  return false
}

function anyAuthority(patterns: readonly AuthorityPattern[], { authority, hostEnd }: AskedHost): boolean {
  for (const { text, wildcard, withPort } of patterns) {
    const end = withPort ? authority.length : hostEnd
    if (
      wildcard ? end > text.length && authority.endsWith(text, end) : end === text.length && authority.startsWith(text)
    )
      return true
  }
  return false
}

function anyMethod({ methods, anyCase }: Matcher, method: string): boolean {
  return methods!.includes(anyCase ? method.toLowerCase() : method)
}
