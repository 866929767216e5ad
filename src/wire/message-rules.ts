/**
 * Which messages are malformed (RFC 9113 §8): pure functions over one decoded header block.
 *
 * §8.1.1: "Malformed requests or responses that are detected MUST be treated as a stream error
 * (Section 5.4.2) of type PROTOCOL_ERROR." Each check gives the token of that error, or undefined.
 *
 * What a name and a value are by themselves is found out once for each field object and kept in its
 * `note`: the fields of a usual block come with every call, and are the same objects.
 */
import { HeaderField as Field, type HeaderField, type HeaderFieldLike } from './hpack/header-field.ts'
import type { StreamToken } from './protocol-error.ts'

/** What a field is; kept in `HeaderField.note`, where 0 says that nobody looked yet. */
const Kind = {
  REGULAR: 1,
  CONTENT_LENGTH: 2,
  METHOD: 3,
  SCHEME: 4,
  AUTHORITY: 5,
  PATH: 6,
  STATUS: 7,
  UNKNOWN_PSEUDO: 8,
  /** From here on wrong in any message. */
  BAD_NAME: 9,
  BAD_VALUE: 10,
  CONNECTION_SPECIFIC: 11,
  BAD_TE: 12,
} as const
type Kind = number

const FAULTS: readonly (StreamToken | undefined)[] = [
  ...new Array<undefined>(Kind.BAD_NAME).fill(undefined),
  'field-name',
  'field-value',
  'connection-specific-field',
  'te-value',
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
export function checkRequest(block: readonly HeaderField[]): StreamToken | undefined {
  let seen = 0
  let regular = false
  let connect = false
  let lengths = 0
  for (let i = 0; i < block.length; i++) {
    const field = block[i]!
    const kind = kindOf(field)
    if (kind >= Kind.BAD_NAME) return FAULTS[kind]
    if (kind === Kind.REGULAR) {
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
export function checkResponse(block: readonly HeaderField[]): StreamToken | undefined {
  // §8.3.2: "a single ":status" pseudo-header field is defined that carries the HTTP status code field …. This
  // pseudo-header field MUST be included in all responses, including interim responses; otherwise, the
  // response is malformed". Before all other fields, it can only be the first.
  if (block.length === 0 || kindOf(block[0]!) !== Kind.STATUS) return withoutStatus(block)
  // RFC 9110 §15: "a three-digit integer code". Codes above 599 are the client's to judge. §8.6: "HTTP/2 does not
  // support the 101 (Switching Protocols) informational status code".
  if (!isStatus(block[0]!.value)) return 'pseudo-header-value'
  let lengths = 0
  for (let i = 1; i < block.length; i++) {
    const kind = kindOf(block[i]!)
    if (kind === Kind.REGULAR) continue
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

function withoutStatus(block: readonly HeaderField[]): StreamToken {
  for (const field of block) {
    const kind = kindOf(field)
    if (kind >= Kind.BAD_NAME) return FAULTS[kind]!
    if (kind === Kind.STATUS) return 'pseudo-header-late'
    if (kind >= Kind.METHOD) return 'pseudo-header-unknown'
  }
  return 'pseudo-header-missing'
}

/** Trailers of either direction. */
export function checkTrailers(block: readonly HeaderField[]): StreamToken | undefined {
  for (let i = 0; i < block.length; i++) {
    const kind = kindOf(block[i]!)
    if (kind === Kind.REGULAR || kind === Kind.CONTENT_LENGTH) continue
    // §8.3: "Pseudo-header fields MUST NOT appear in a trailer section."
    return kind >= Kind.BAD_NAME ? FAULTS[kind] : 'pseudo-header-in-trailers'
  }
  return undefined
}

/** Why a field must not be sent in any message. */
export function checkField(field: HeaderFieldLike): StreamToken | undefined {
  const kind = field instanceof Field ? kindOf(field) : classify(field.name, field.value)
  return kind === Kind.UNKNOWN_PSEUDO ? 'pseudo-header-unknown' : FAULTS[kind]
}

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
    const { key, value } = field
    if (key.note === 0) key.note = kindOfName(key.text)
    // The characters of a field of ours are octets.
    field.note = (value.length < SEARCHED_LENGTH ? isValue(value) : isLongValue(value))
      ? withValue(key.note as Kind, value)
      : Kind.BAD_VALUE
  }
  return field.note
}

function classify(name: string, value: string): Kind {
  return isValue(value) ? withValue(kindOfName(name), value) : Kind.BAD_VALUE
}

function withValue(kind: Kind, value: string): Kind {
  // §8.2.2: "The only exception to this is the TE header field, which MAY be present in an HTTP/2 request;
  // when it is, it MUST NOT contain any value other than "trailers"."
  return kind === Kind.BAD_TE && value.toLowerCase() === 'trailers' ? Kind.REGULAR : kind
}

/** For TE it is `BAD_TE`, which its value may make good. */
function kindOfName(name: string): Kind {
  if (name.charCodeAt(0) === COLON) return PSEUDO.get(name) ?? Kind.UNKNOWN_PSEUDO
  if (!isName(name)) return Kind.BAD_NAME
  if (name === 'content-length') return Kind.CONTENT_LENGTH
  if (name === 'te') return Kind.BAD_TE
  return CONNECTION_SPECIFIC.has(name) ? Kind.CONNECTION_SPECIFIC : Kind.REGULAR
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
 * carriage return (ASCII CR, 0x0d) at any position. A field value MUST NOT start or end with an ASCII
 * whitespace character (ASCII SP or HTAB, 0x20 or 0x09)."
 */
function isValue(value: string): boolean {
  const length = value.length
  if (length === 0) return true
  for (let i = 0; i < length; i++) {
    const c = value.charCodeAt(i)
    // Above U+00FF it is no octet: nothing that came, but something that we were asked to send.
    if (c > 0xff || (c <= 0x0d && (c === 0 || c === 0x0a || c === 0x0d))) return false
  }
  return !isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(length - 1))
}

/** From here on three searches, each for many characters at a time, are faster than a loop. */
const SEARCHED_LENGTH = 128

/** The same for a long value whose characters are octets. */
function isLongValue(value: string): boolean {
  if (value.includes('\0') || value.includes('\n') || value.includes('\r')) return false
  return !isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(value.length - 1))
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

/** Of digits only. */
function numberOf(digits: string): number {
  let number = 0
  for (let i = 0; i < digits.length; i++) number = number * 10 + digits.charCodeAt(i) - 0x30
  return number
}
