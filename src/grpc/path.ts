/**
 * What a request's `:path` calls. Routes and directors decide by it, so it must be what a backend will read too: a
 * path that two readers could understand in two ways is not read at all.
 */

/** What a path names. */
export interface CalledMethod {
  /** `pkg.Service` */
  readonly service: string
  /** `Method` */
  readonly method: string
}

/**
 * Characters of an absolute path (RFC 3986 §3.3 "pchar") that every server reads in the same way: no query or fragment
 * begins with them, they are neither an escape nor a parameter (`;`), and no URL parser changes them.
 */
const PLAIN: Uint8Array = new Uint8Array(128)
for (const plain of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@") {
  PLAIN[plain.charCodeAt(0)] = 1
}
const SLASH = 0x2f

/** The calls of a fleet name about a hundred methods again and again. At the bound all are forgotten. */
const KNOWN_PATHS_MAX = 1_024
/** The longest path that is remembered: with the bound above, some 256 KiB in all. */
const KNOWN_PATH_CHARACTERS_MAX = 256
const known = new Map<string, CalledMethod>()

/**
 * PROTOCOL-HTTP2.md: "Path → ":path" "/" Service-Name "/" {method name}". Only exactly that is read, in plain
 * characters. Some libraries serve paths of more parts; the document calls it "strongly discouraged", and the parts
 * before the service in such a path would hide it from a route.
 * @returns undefined for anything else
 */
export function calledMethod(path: string): CalledMethod | undefined {
  const before = known.get(path)
  if (before !== undefined) return before
  const called = readMethod(path)
  if (called !== undefined && path.length <= KNOWN_PATH_CHARACTERS_MAX) {
    if (known.size >= KNOWN_PATHS_MAX) known.clear()
    known.set(path, called)
  }
  return called
}

function readMethod(path: string): CalledMethod | undefined {
  if (path.charCodeAt(0) !== SLASH) return undefined
  let slash = 0
  for (let i = 1; i < path.length; i++) {
    const code = path.charCodeAt(i)
    if (PLAIN[code] === 1) continue
    if (code !== SLASH || slash > 0) return undefined
    slash = i
  }
  if (slash === 0) return undefined
  const service = path.slice(1, slash)
  const method = path.slice(slash + 1)
  return isName(service) && isName(method) ? { service, method } : undefined
}

function isName(segment: string): boolean {
  return segment !== '' && !isDots(segment)
}

/** RFC 3986 §5.2.4: a server may remove these segments, and the one before `..`. */
function isDots(segment: string): boolean {
  return segment === '.' || segment === '..'
}

/**
 * Reads the path of a request that is not gRPC, where queries and escapes are usual: its first two parts as most
 * servers read them, without query, with escapes decoded, without parameters (`;…`) and empty parts. One of them, or
 * both, may be empty.
 * @returns undefined where servers differ: a path that is not absolute, `//` at its beginning, dot segments, a
 * backslash, an escaped slash or control character, a broken escape, or a character that no URL has
 */
export function calledResource(path: string): CalledMethod | undefined {
  // "OPTIONS *" (RFC 9110 §7.1) names the server itself.
  if (path === '*') return { service: '', method: '' }
  const end = path.indexOf('?')
  const bare = end < 0 ? path : path.slice(0, end)
  // A URL parser takes the text after `//` for a host. A URL path has no fragment, no space and no octet over 0x7e.
  if (!bare.startsWith('/') || bare.startsWith('//') || !/^[!"$-~]*$/.test(bare)) return undefined
  const parts: string[] = []
  for (const segment of bare.slice(1).split('/')) {
    const part = decoded(segment)
    if (part === undefined || isDots(part)) return undefined
    if (part !== '') parts.push(part)
  }
  return { service: parts[0] ?? '', method: parts[1] ?? '' }
}

/** Here each character is an octet, and stays one. */
function decoded(segment: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(segment)) return undefined
  const text = segment.replace(/%(..)/g, (_escape, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  if (/[^ -~\x80-\xff]|[/\\]/.test(text)) return undefined
  const parameters = text.indexOf(';')
  return parameters < 0 ? text : text.slice(0, parameters)
}
