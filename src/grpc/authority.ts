/**
 * Authorities as they are compared (RFC 3986 §6.2.2, §6.2.3): the same host in another spelling is the same host. A
 * backend still gets the spelling that came.
 */

/** RFC 3986 §3.2.2 "reg-name" without escapes, in lower case; or an address in brackets. */
const HOST = /^(?:[a-z0-9\-._~!$&'()*+,;=]+|\[[0-9a-f:.]+\])$/
const UNRESERVED_ESCAPE = /%(2d|2e|3[0-9]|5f|7e|[46][1-9a-f]|[57][0-9a])/g

const COLON = 0x3a
const AT = 0x40
const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

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

/**
 * `host:port`: without userinfo, in lower case, escapes of plain characters decoded, without dots at the host's end,
 * the port as a number; without a port it gets the scheme's. An empty authority stays empty.
 * @param encrypted the connection's: with it "https" gives the port, else "http", whatever `:scheme` says
 * @returns undefined for what is no host and port
 */
export function normalAuthority(authority: string, encrypted: boolean): string | undefined {
  const host = normalHost(authority)
  if (host === '' && authority === '') return ''
  if (host === undefined || host === '') return undefined
  const port = authority.slice(hostEndOf(authority) + 1)
  return `${host}:${port === '' ? (encrypted ? '443' : '80') : Number(port)}`
}

/** The host of it alone; of patterns too. */
export function normalHost(authority: string): string | undefined {
  let at = authority.length - 1
  while (at >= 0 && authority.charCodeAt(at) !== AT) at--
  let host = authority.slice(at + 1, hostEndOf(authority)).toLowerCase()
  if (host.includes('%')) host = host.replace(UNRESERVED_ESCAPE, unescaped).toLowerCase()
  while (host.endsWith('.')) host = host.slice(0, -1)
  if (host !== '' && !HOST.test(host)) return undefined
  return host.startsWith('[') ? normalAddress(host) : host
}

function unescaped(_escape: string, hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16))
}

/** An IPv6 address has many spellings, of which the URL parser makes one. */
function normalAddress(host: string): string | undefined {
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : undefined
}

/** `:authority` and `host` name the same (RFC 9113 §8.3.1), in whichever spelling. */
export function sameAuthority(one: string, other: string, encrypted: boolean): boolean {
  if (one === other) return true
  const normal = normalAuthority(one, encrypted)
  return normal !== undefined && normal === normalAuthority(other, encrypted)
}
