/**
 * Which messages are malformed (RFC 9113 §8): pure functions over one decoded header block.
 *
 * §8.1.1: "Malformed requests or responses that are detected MUST be treated as a stream error
 * (Section 5.4.2) of type PROTOCOL_ERROR." Each check gives the token of that error, or undefined.
 *
 * What a name and a value are by themselves is checked once for each field object and kept in its
 * `note`: the fields of a usual block come with every call, and are the same objects.
 */
import { isAuthority, isBase64, isPath, isPlain, isToken } from './field-syntax.ts'
import { HeaderField as Field, type HeaderField, type HeaderFieldLike } from './hpack/header-field.ts'
import type { StreamToken } from './protocol-error.ts'

/** What a field is; kept in `HeaderField.note`, where 0 means that nobody looked yet. */
const Kind = {
  REGULAR: 1,
  CONTENT_LENGTH: 2,
  HOST: 3,
  /** A name that ends in `-bin`. With a correct value the field is regular. */
  BINARY: 4,
  METHOD: 5,
  SCHEME: 6,
  AUTHORITY: 7,
  PATH: 8,
  STATUS: 9,
  UNKNOWN_PSEUDO: 10,
  /** From here on a field is wrong in any message. */
  BAD_NAME: 11,
  BAD_VALUE: 12,
  CONNECTION_SPECIFIC: 13,
  BAD_TE: 14,
  MENDABLE: 15,
  /**
   * Added to one of those up to `UNKNOWN_PSEUDO`: the field is not malformed, but must not be sent on
   * (field-syntax.ts).
   */
  UNSENDABLE: 16,
} as const
type Kind = number
/** Takes `UNSENDABLE` off. */
const BARE = Kind.UNSENDABLE - 1

/**
 * `mendable`: its value must not be sent as it is, and `mended` makes an equivalent one: spaces and tabs at
 * its edges, or octets in a `grpc-message` that should be percent-encoded.
 */
export type MessageFault = StreamToken | 'mendable'

const FAULTS: readonly (MessageFault | undefined)[] = [
  ...new Array<undefined>(Kind.BAD_NAME).fill(undefined),
  'field-name',
  'field-value',
  'connection-specific-field',
  'te-value',
  'mendable',
]

/**
 * §8.2.2: "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields.
 * This includes the Connection header field and those listed as having connection-specific semantics in
 * Section 7.6.1 of [HTTP] (that is, Proxy-Connection, Keep-Alive, Transfer-Encoding, and Upgrade). Any
 * message containing connection-specific header fields MUST be treated as malformed".
 */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
])

const PSEUDO: ReadonlyMap<string, Kind> = new Map([
  [':method', Kind.METHOD],
  [':scheme', Kind.SCHEME],
  [':authority', Kind.AUTHORITY],
  [':path', Kind.PATH],
  [':status', Kind.STATUS],
])

/** Requests. `block` came on a stream that had no HEADERS yet. */
export function checkRequest(block: readonly HeaderField[]): MessageFault | undefined {
  let seen = 0
  let regular = false
  let connect = false
  let lengths = 0
  for (let i = 0; i < block.length; i++) {
    const field = block[i]!
    const kind = kindOf(field) & BARE
    if (kind >= Kind.BAD_NAME) return FAULTS[kind]
    if (kind === Kind.REGULAR || kind === Kind.HOST || kind === Kind.BINARY) {
      regular = true
      continue
    }
    if (kind === Kind.CONTENT_LENGTH) {
      regular = true
      if (++lengths > 1 || !isNumber(field.value)) return 'content-length-value'
      continue
    }
    // §8.3: "… pseudo-header fields defined for responses MUST NOT appear in requests." "Endpoints MUST treat
    // a request or response that contains undefined or invalid pseudo-header fields as malformed".
    if (kind === Kind.STATUS || kind === Kind.UNKNOWN_PSEUDO) return 'pseudo-header-unknown'
    // §8.3: "All pseudo-header fields MUST appear in a field block before all regular field lines."
    if (regular) return 'pseudo-header-late'
    // §8.3: "The same pseudo-header field name MUST NOT appear more than once in a field block."
    if (seen & (1 << kind)) return 'pseudo-header-duplicate'
    seen |= 1 << kind
    if (kind === Kind.METHOD) connect = field.value === 'CONNECT'
    // §8.3.1, of :path: "This pseudo-header field MUST NOT be empty for "http" or "https" URIs".
    if (field.value === '' && kind !== Kind.AUTHORITY) return 'pseudo-header-value'
  }
  // §8.3.1: "All HTTP/2 requests MUST include exactly one valid value for the ":method", ":scheme", and
  // ":path" pseudo-header fields, unless they are CONNECT requests". §8.5, of CONNECT: "The ":scheme" and
  // ":path" pseudo-header fields MUST be omitted. The ":authority" pseudo-header field contains the host and
  // port to connect to".
  if (!connect) return (seen & REQUIRED) === REQUIRED ? undefined : 'pseudo-header-missing'
  return (seen & ALL) === FOR_CONNECT ? undefined : 'pseudo-header-missing'
}

const REQUIRED = (1 << Kind.METHOD) | (1 << Kind.SCHEME) | (1 << Kind.PATH)
const FOR_CONNECT = (1 << Kind.METHOD) | (1 << Kind.AUTHORITY)
const ALL = REQUIRED | FOR_CONNECT

/** Responses, informational ones too. */
export function checkResponse(block: readonly HeaderField[]): MessageFault | undefined {
  // §8.3.2: "a single ":status" pseudo-header field is defined that carries the HTTP status code field …. This
  // pseudo-header field MUST be included in all responses, including interim responses; otherwise, the
  // response is malformed". Before all other fields, it can only be the first.
  if (block.length === 0 || (kindOf(block[0]!) & BARE) !== Kind.STATUS) return withoutStatus(block)
  // RFC 9110 §15: "a three-digit integer code". The client decides about codes above 599. §8.6: "HTTP/2 does not
  // support the 101 (Switching Protocols) informational status code".
  if (!isStatus(block[0]!.value)) return 'pseudo-header-value'
  let lengths = 0
  for (let i = 1; i < block.length; i++) {
    const kind = kindOf(block[i]!) & BARE
    if (kind === Kind.REGULAR || kind === Kind.HOST || kind === Kind.BINARY) continue
    if (kind >= Kind.BAD_NAME) return FAULTS[kind]
    if (kind === Kind.CONTENT_LENGTH) {
      if (++lengths > 1 || !isNumber(block[i]!.value)) return 'content-length-value'
      continue
    }
    // §8.3: "The same pseudo-header field name MUST NOT appear more than once in a field block."
    if (kind === Kind.STATUS) return 'pseudo-header-duplicate'
    // §8.3: "Pseudo-header fields defined for requests MUST NOT appear in responses".
    return 'pseudo-header-unknown'
  }
  return undefined
}

function withoutStatus(block: readonly HeaderField[]): MessageFault {
  for (const field of block) {
    const kind = kindOf(field) & BARE
    if (kind >= Kind.BAD_NAME) return FAULTS[kind]!
    if (kind === Kind.STATUS) return 'pseudo-header-late'
    if (kind >= Kind.METHOD) return 'pseudo-header-unknown'
  }
  return 'pseudo-header-missing'
}

/** Trailers of either direction. */
export function checkTrailers(block: readonly HeaderField[]): MessageFault | undefined {
  for (let i = 0; i < block.length; i++) {
    const kind = kindOf(block[i]!) & BARE
    if (kind <= Kind.BINARY) continue
    // §8.3: "Pseudo-header fields MUST NOT appear in a trailer section."
    return kind >= Kind.BAD_NAME ? FAULTS[kind] : 'pseudo-header-in-trailers'
  }
  return undefined
}

/** Why a block must not be sent, in words for its sender; undefined for a block that every peer accepts. */
export function unsendable(block: readonly HeaderFieldLike[]): string | undefined {
  let method = false
  let path: string | undefined
  let authority: string | undefined
  let host: string | undefined
  for (let i = 0; i < block.length; i++) {
    const field = block[i]!
    const kind = field instanceof Field ? kindOf(field) : judge(kindOfName(field.name), field.name, field.value)
    if (kind === Kind.REGULAR) continue
    if (kind > Kind.STATUS) return reasonOf(kind, field)
    if (kind === Kind.METHOD) method = true
    else if (kind === Kind.PATH) path = field.value
    else if (kind === Kind.AUTHORITY) authority = field.value
    else if (kind === Kind.HOST) {
      if (host !== undefined && host !== field.value) return 'host, twice'
      host = field.value
    }
  }
  return method ? unsendableRequest(block, path, authority, host) : undefined
}

function unsendableRequest(
  block: readonly HeaderFieldLike[],
  path: string | undefined,
  authority: string | undefined,
  host: string | undefined,
): string | undefined {
  // RFC 9113 §8.3.1: "an OPTIONS request for an "http" or "https" URI that does not include a path component … MUST
  // include a ":path" pseudo-header field with a value of '*'".
  if (path === undefined) return 'a tunnel (CONNECT)'
  if (path === '*' && !block.some(field => field.name === ':method' && field.value === 'OPTIONS'))
    return 'the value of :path'
  // nghttp2 takes neither for malformed. Routing judges whether the two agree, because it knows how they are compared.
  return authority === undefined && host === undefined ? 'neither :authority nor host' : undefined
}

export function tooLargeBy(bytes: number, limit: number): string {
  return `a header list of ${bytes} bytes, the limit is ${limit}`
}

function reasonOf(kind: Kind, { name }: HeaderFieldLike): string {
  if ((kind & BARE) === Kind.BAD_NAME || (kind & Kind.UNSENDABLE && !isSendableName(name))) return 'the name of a field'
  if (kind === Kind.UNKNOWN_PSEUDO) return 'a pseudo-header field'
  return `the value of ${name.slice(0, MAX_TOLD_CHARACTERS)}`
}

/** Its text is percent-encoded (PROTOCOL-HTTP2.md, "Status-Message"). */
const MESSAGE = 'grpc-message'

/** A name may be as long as its sender likes. */
const MAX_TOLD_CHARACTERS = 64

/** Content-Length of a block that was checked, or −1. */
export function contentLengthOf(block: readonly HeaderField[]): number {
  for (let i = 0; i < block.length; i++) if (block[i]!.note === Kind.CONTENT_LENGTH) return numberOf(block[i]!.value)
  return -1
}

/** :status of a response that was checked. */
export function statusOf(block: readonly HeaderField[]): number {
  const digits = block[0]!.value
  return digits === '200' ? 200 : Number(digits)
}

function kindOf(field: HeaderField): Kind {
  if (field.note === 0) {
    const { key } = field
    if (key.note === 0) key.note = kindOfName(key.text)
    field.note = judge(key.note, key.text, field.value)
  }
  return field.note
}

/** @param kind of the name */
function judge(kind: Kind, name: string, value: string): Kind {
  const bare = kind & BARE
  if (bare >= Kind.METHOD && bare <= Kind.STATUS) return judgePseudo(bare, value)
  const plain = value.length < SEARCHED_LENGTH ? isPlain(value) : isLongPlain(value)
  if (!plain && !isValue(value)) return Kind.BAD_VALUE
  if (bare >= Kind.UNKNOWN_PSEUDO && bare !== Kind.BAD_TE) return bare
  if (isBlankAtEdge(value) || (!plain && name === MESSAGE)) return Kind.MENDABLE
  // §8.2.2: "The only exception to this is the TE header field, which MAY be present in an HTTP/2 request;
  // when it is, it MUST NOT contain any value other than "trailers"."
  if (kind === Kind.BAD_TE) return value.toLowerCase() === 'trailers' ? Kind.REGULAR : kind
  if (kind === Kind.BINARY && isBase64(value)) return Kind.REGULAR
  if (bare === Kind.BINARY) return kind | Kind.UNSENDABLE
  return plain ? kind : kind | Kind.UNSENDABLE
}

function judgePseudo(kind: Kind, value: string): Kind {
  if (!isValue(value) || isBlankAtEdge(value)) return Kind.BAD_VALUE
  return isSendable(kind, value) ? kind : kind | Kind.UNSENDABLE
}

function isSendable(kind: Kind, value: string): boolean {
  if (kind === Kind.PATH) return isPath(value) || value === '*'
  if (kind === Kind.AUTHORITY) return isAuthority(value)
  if (kind === Kind.METHOD) return isToken(value)
  return kind === Kind.STATUS ? isStatus(value) : isPlain(value)
}

/** For TE it is `BAD_TE`, which its value may correct. */
function kindOfName(name: string): Kind {
  if (name.charCodeAt(0) === COLON) return PSEUDO.get(name) ?? Kind.UNKNOWN_PSEUDO
  if (!isName(name)) return Kind.BAD_NAME
  if (name === 'content-length') return Kind.CONTENT_LENGTH
  if (name === 'host') return Kind.HOST
  if (name === 'te') return Kind.BAD_TE
  if (CONNECTION_SPECIFIC.has(name)) return Kind.CONNECTION_SPECIFIC
  if (!isToken(name)) return Kind.REGULAR | Kind.UNSENDABLE
  return name.endsWith('-bin') ? Kind.BINARY : Kind.REGULAR
}

function isSendableName(name: string): boolean {
  return name.charCodeAt(0) === COLON || isToken(name)
}

const COLON = 0x3a

/**
 * §8.2.1: "A field name MUST NOT contain characters in the ranges 0x00-0x20, 0x41-0x5a, or 0x7f-0xff (all
 * ranges inclusive). This specifically excludes all non-visible ASCII characters, ASCII SP (0x20), and
 * uppercase characters ('A' to 'Z', ASCII 0x41 to 0x5a)." "With the exception of pseudo-header fields …, field
 * names MUST NOT include a colon".
 */
function isName(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i)
    if (c <= 0x20 || c >= 0x7f || (c >= 0x41 && c <= 0x5a) || c === COLON) return false
  }
  return name !== ''
}

/**
 * §8.2.1: "A field value MUST NOT contain the zero value (ASCII NUL, 0x00), line feed (ASCII LF, 0x0a), or
 * carriage return (ASCII CR, 0x0d) at any position."
 */
function isValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i)
    // Above U+00FF it is not an octet: it did not come from a peer, but we were asked to send it.
    if (c > 0xff || (c <= 0x0d && (c === 0 || c === 0x0a || c === 0x0d))) return false
  }
  return true
}

/**
 * §8.2.1: "A field value MUST NOT start or end with an ASCII whitespace character (ASCII SP or HTAB, 0x20 or 0x09)."
 */
function isBlankAtEdge(value: string): boolean {
  return isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1))
}

/** From this length on, a search over many characters at a time is faster than a loop: five times at 2 KiB. */
const SEARCHED_LENGTH = 128

/** The same as `isPlain`: what JSON need not escape has no control character but DEL, and ASCII is as long in UTF-8. */
function isLongPlain(value: string): boolean {
  if (JSON.stringify(value).length !== value.length + 2 || value.includes('\x7f')) return isPlain(value)
  return Buffer.byteLength(value) === value.length
}

function isBlank(c: number): boolean {
  return c === 0x20 || c === 0x09
}

function isStatus(code: string): boolean {
  return code === '200' || (/^[1-9]\d\d$/.test(code) && code !== '101')
}

/** RFC 9110 §8.6: "Content-Length = 1*DIGIT". 15 digits are exact, and 900 terabytes. */
function isNumber(value: string): boolean {
  const { length } = value
  if (length === 0 || length > 15) return false
  for (let i = 0; i < length; i++) {
    const c = value.charCodeAt(i)
    if (c < 0x30 || c > 0x39) return false
  }
  return true
}

/** The value of a text of digits only. */
function numberOf(digits: string): number {
  let number = 0
  for (let i = 0; i < digits.length; i++) number = number * 10 + digits.charCodeAt(i) - 0x30
  return number
}
