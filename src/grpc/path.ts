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
 * Of an absolute path (RFC 3986 §3.3 "pchar"), no server makes anything else of these: no query or fragment begins
 * there, nothing is an escape or a parameter (`;`), and no URL parser changes them.
 */
const PLAIN: Uint8Array = new Uint8Array(128)
for (const plain of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@") {
  PLAIN[plain.charCodeAt(0)] = 1
}
const SLASH = 0x2f

/** Calls of a fleet name some hundred methods again and again; at the bound all are forgotten. */
const KNOWN_PATHS_MAX = 1_024
/** The longest path that is remembered: with the bound above, some 256 KiB in all. */
const KNOWN_PATH_CHARACTERS_MAX = 256
const known = new Map<string, CalledMethod>()

/**
 * PROTOCOL-HTTP2.md: "Path → ":path" "/" Service-Name "/" {method name}". Exactly that, in plain characters. Some
 * libraries serve paths of more parts; the document calls it "strongly discouraged", and what is before the service in
 * such a path would hide it from a route.
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

/** RFC 3986 §5.2.4: a server may take these out, and what is before `..`. */
function isDots(segment: string): boolean {
  return segment === '.' || segment === '..'
}

/**
 * Of a request that is not gRPC, for which queries and escapes are usual: the first two parts of the path as the most
 * servers read it, without query, with escapes decoded, without parameters (`;…`) and empty parts. One of them, or
 * both, may be empty.
 * @returns undefined where servers differ: no absolute path, `//` at its beginning, dot segments, a backslash, an
 * escaped slash or control character, an escape that is none, or what no URL has
 */
export function calledResource(path: string): CalledMethod | undefined {
  // "OPTIONS *" (RFC 9110 §7.1) names the server itself.
  if (path === '*') return { service: '', method: '' }
  const end = path.indexOf('?')
  const bare = end < 0 ? path : path.slice(0, end)
  // A URL parser takes what is behind `//` for a host. A fragment, a space and octets over 0x7e are in no URL.
  if (!bare.startsWith('/') || bare.startsWith('//') || !/^[!"$-~]*$/.test(bare)) return undefined
  const parts: string[] = []
  for (const segment of bare.slice(1).split('/')) {
    const part = decoded(segment)
    if (part === undefined || isDots(part)) return undefined
    if (part !== '') parts.push(part)
  }
  return { service: parts[0] ?? '', method: parts[1] ?? '' }
}

/** Characters are octets here and stay so. */
function decoded(segment: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(segment)) return undefined
  const text = segment.replace(/%(..)/g, (_escape, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  if (/[^ -~\x80-\xff]|[/\\]/.test(text)) return undefined
  const parameters = text.indexOf(';')
  return parameters < 0 ? text : text.slice(0, parameters)
}
