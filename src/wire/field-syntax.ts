/**
 * What names and values that we send on may contain: no more than the strictest peer accepts.
 *
 * RFC 9113 §8.2.1 makes few messages malformed. For other things that RFC 9110 does not allow, some peers end their
 * whole connection, and with it the calls of everybody who shares it: Rust's h2 crate for names that are not tokens,
 * control characters in values, octets above 0x7f in `:path` and `:authority`, and after 1,024 requests whose path or
 * authority cannot be part of a URI; nghttp2 and what is built on it (Node, Envoy) for about a hundred such requests;
 * Go's net/http and grpc-java because of DATA that follows a request which they refused; grpc-java for `-bin` values
 * that are not base64; grpclib for octets above 0x7f in any value (Kestrel if they are not UTF-8), which gRPC's
 * "ASCII-Value" (PROTOCOL-HTTP2.md) does not allow either.
 */

/** Classes of octets. */
const TOKEN = 1
const VALUE = 2
const PATH = 4
const QUERY = 8
const HOST = 16
const BASE64 = 32
const HEX = 64

const CLASSES = new Uint8Array(256)
for (let c = 0x20; c <= 0x7e; c++) CLASSES[c] = VALUE
CLASSES[0x09] = VALUE
const ALPHANUMERIC = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
// RFC 9110 §5.6.2.
mark(TOKEN, `${ALPHANUMERIC}!#$%&'*+-.^_\`|~`)
// RFC 3986 §3.2.2, reg-name and IP-literal, with a port; no userinfo, which RFC 9113 §8.3.1 forbids, and no escapes,
// which the h2 crate does not accept in a host.
mark(HOST, `${ALPHANUMERIC}-._~!$&'()*+,;=:[]`)
mark(BASE64, `${ALPHANUMERIC}+/`)
mark(HEX, '0123456789ABCDEFabcdef')
// Wider than RFC 3986, as browsers are, but without these few characters, which the h2 crate does not accept.
for (let c = 0x21; c <= 0x7e; c++) CLASSES[c]! |= PATH | QUERY
clear(PATH | QUERY, '<>')
clear(PATH, '`?%')
clear(QUERY, '%')

function mark(bits: number, characters: string): void {
  for (const character of characters) CLASSES[character.charCodeAt(0)]! |= bits
}

function clear(bits: number, characters: string): void {
  for (const character of characters) CLASSES[character.charCodeAt(0)]! &= ~bits
}

/** Whether all characters from `at` on are octets of a class. */
function allAre(bits: number, text: string, at = 0): boolean {
  for (let i = at; i < text.length; i++) if ((CLASSES[text.charCodeAt(i)]! & bits) === 0) return false
  return true
}

/** RFC 9110 §5.6.2, not empty. */
export function isToken(text: string): boolean {
  return text !== '' && allAre(TOKEN, text)
}

/** Visible ASCII, spaces and tabs. */
export function isPlain(value: string): boolean {
  return allAre(VALUE, value)
}

/** `/…` or `/…?…`, with whole escapes. `*` is a separate case (RFC 9113 §8.3.1: for OPTIONS only). */
export function isPath(path: string): boolean {
  if (path.charCodeAt(0) !== SLASH) return false
  let bits = PATH
  for (let i = 1; i < path.length; i++) {
    const c = path.charCodeAt(i)
    if ((CLASSES[c]! & bits) !== 0) continue
    if (c === QUESTION_MARK) bits = QUERY
    else if (c !== PERCENT || !allAre(HEX, path.slice(i + 1, i + 3)) || i + 2 >= path.length) return false
  }
  return true
}

/** PROTOCOL-HTTP2.md: base64 (RFC 4648 §4), padded or not; a list with commas stands for as many values. */
export function isBase64(value: string): boolean {
  let start = 0
  let end = 0
  for (let i = 0; i <= value.length; i++) {
    const c = i < value.length ? value.charCodeAt(i) : COMMA
    if (c === COMMA) {
      if ((end - start) % 4 === 1) return false
      start = end = i + 1
    } else if (c !== EQUALS) {
      // Nothing but padding may follow padding.
      if (end !== i || (CLASSES[c]! & BASE64) === 0) return false
      end = i + 1
    }
  }
  return true
}

/** A host, or an IP address in brackets, and a port. */
export function isAuthority(authority: string): boolean {
  if (!allAre(HOST, authority)) return false
  const open = authority.indexOf('[')
  const close = authority.indexOf(']')
  if (open !== authority.lastIndexOf('[') || close !== authority.lastIndexOf(']')) return false
  if (open < 0 && close < 0) return authority !== '' && authority.indexOf(':') === authority.lastIndexOf(':')
  if (open !== 0 || close < 0) return false
  return close === authority.length - 1 || authority.indexOf(':', close) === close + 1
}

const SLASH = 0x2f
const PERCENT = 0x25
const COMMA = 0x2c
const EQUALS = 0x3d
const QUESTION_MARK = 0x3f
