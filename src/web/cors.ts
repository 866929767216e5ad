/**
 * Cross-origin requests (the Fetch standard, "CORS protocol"): which pages of other origins may call, and what their
 * browsers must be told for that. A page of the proxy's own origin may always call.
 */
import { field, firstValue } from '../grpc/metadata.ts'
import type { HeaderBlock, HeaderField } from '../transport/transport.ts'

export interface WebRules {
  /**
   * Origins as browsers write them (`https://app.example.com`). `*` for a whole port, or for one or more labels at the
   * left of a host (`https://*.example.com`, `http://localhost:*`); `*` alone is every origin.
   */
  readonly origins: readonly string[]
  /** Pages may send cookies and client certificates. */
  readonly credentials: boolean
  /** How long browsers may remember the answer to a preflight. */
  readonly maxAgeMs: number
}

/** What a browser has to be told about one origin. */
export interface Allowed {
  readonly fields: readonly HeaderField[]
}

const NOTHING: Allowed = { fields: [] }
/** "The `Origin` header's value … `null`" is what sandboxed pages of anybody send, so only `*` means it. */
const EVERY = '*'

export class Cors {
  readonly #options: WebRules
  readonly #every: boolean
  readonly #exact: ReadonlySet<string>
  readonly #patterns: readonly RegExp[]

  constructor(options: WebRules) {
    this.#options = options
    this.#every = options.origins.includes(EVERY)
    this.#exact = new Set(options.origins)
    this.#patterns = options.origins.filter(origin => origin.includes('*') && origin !== EVERY).map(patternOf)
  }

  /**
   * @param authority of the request
   * @returns undefined: a page of this origin may not call
   */
  allows(origin: string | undefined, authority: string): Allowed | undefined {
    if (origin === undefined) return NOTHING
    const listed = this.#every || this.#exact.has(origin) || this.#patterns.some(pattern => pattern.test(origin))
    if (!listed) return isOwn(origin, authority) ? NOTHING : undefined
    return { fields: this.#fieldsFor(origin) }
  }

  #fieldsFor(origin: string): HeaderField[] {
    const { credentials } = this.#options
    // A cache must not give the answer for one origin to another.
    if (this.#every) return [field('access-control-allow-origin', EVERY)]
    const fields = [field('access-control-allow-origin', origin), field('vary', 'origin')]
    return credentials ? [...fields, field('access-control-allow-credentials', 'true')] : fields
  }

  /** The answer to "may I send this?". A page that may not gets one without any of these fields. */
  preflight(block: HeaderBlock, authority: string): HeaderBlock {
    const allowed = this.allows(firstValue(block, 'origin'), authority)
    if (allowed === undefined) return [field(':status', '403'), field('content-length', '0')]
    const wanted = firstValue(block, 'access-control-request-headers')
    const headers =
      wanted === undefined || !FIELD_NAMES.test(wanted) ? [] : [field('access-control-allow-headers', wanted)]
    return [
      field(':status', '204'),
      ...allowed.fields,
      field('access-control-allow-methods', 'POST'),
      ...headers,
      field('access-control-max-age', String(Math.floor(this.#options.maxAgeMs / 1_000))),
    ]
  }
}

/** Names with commas: what a browser asks for is what an allowed page may send, all of it. */
const FIELD_NAMES = /^[a-zA-Z0-9!#$%&'*+\-.^_`|~, \t]+$/

/** Whether a request is a preflight: "CORS-preflight request" of the Fetch standard. */
export function isPreflight(method: string, block: HeaderBlock): boolean {
  return (
    method === 'OPTIONS' &&
    firstValue(block, 'origin') !== undefined &&
    firstValue(block, 'access-control-request-method') !== undefined
  )
}

/**
 * A page sees no header but these seven unless it is told that it may ("CORS-safelisted response-header name"). The names
 * are those that the response has, as `*` means nothing where there are credentials.
 */
const SAFE: ReadonlySet<string> = new Set([
  'cache-control',
  'content-language',
  'content-length',
  'content-type',
  'expires',
  'last-modified',
  'pragma',
])

/** `access-control-expose-headers` of a response; none where it has nothing to expose. */
export function exposing(block: HeaderBlock): readonly HeaderField[] {
  const names = new Set<string>()
  for (const { name } of block) if (!name.startsWith(':') && !SAFE.has(name) && name !== 'vary') names.add(name)
  return names.size === 0 ? [] : [field('access-control-expose-headers', [...names].join(','))]
}

/** The scheme may be another one: whoever ends TLS before the proxy changes it. */
function isOwn(origin: string, authority: string): boolean {
  const at = origin.indexOf('://')
  return at > 0 && origin.slice(at + 3).toLowerCase() === authority.toLowerCase()
}

/** `https://*.example.com`, `http://localhost:*`. */
function patternOf(origin: string): RegExp {
  const text = origin
    .replace(/[.+[\]]/g, '\\$&')
    .replace('://*\\.', '://[a-z0-9.-]+\\.')
    .replace(/:\*$/, '(?::[0-9]+)?')
  return new RegExp(`^${text}$`)
}
