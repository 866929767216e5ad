/**
 * One object for one name, and for one name and value: the same from whichever session it comes, so
 * that an encoder knows a field by identity.
 *
 * Both tables serve the whole process, and a peer decides what enters them: their bounds are
 * therefore in their shape. A field table of sets of two: a new field takes the second place of its
 * set, and only a field that is asked for again takes the first. So endless values that never repeat
 * only replace the second places, at the price of one store each; a forgotten field
 * costs a new object and some compression, never correctness.
 */
import { HeaderField, HeaderName, Mode, PLAIN } from './header-field.ts'
import { STATIC_NAMES, staticField } from './static-table.ts'

/** Names kept at most, apart from the static ones. A fleet uses about a hundred. At the bound all are forgotten. */
export const INTERNED_NAMES_MAX = 1024
/** The longest name kept, in bytes. */
export const INTERNED_NAME_BYTES_MAX = 128

/** Fields kept at most: forty sessions' full dynamic tables of typical fields. A power of two. */
export const INTERNED_FIELDS_MAX = 2048
/**
 * The largest field kept, as HPACK counts it: what the encoder still inserts in a table of 4,096
 * bytes. A larger field never has an index, so there is no gain in knowing it.
 */
export const INTERNED_FIELD_BYTES_MAX = 1024
/**
 * How much memory peers can make this file hold: 2 MiB, and at most as much again for the encoded octets of the values.
 */
export const INTERNED_BYTES_MAX = INTERNED_FIELDS_MAX * INTERNED_FIELD_BYTES_MAX

/**
 * Fields that differ with each call. A sender that makes a dynamic table entry of each pushes out
 * what repeats, so those that the proxy makes itself go out as literals without indexing.
 */
const DIFFERS_EACH_CALL: ReadonlySet<string> = new Set([
  ...['grpc-timeout', 'grpc-message', 'grpc-status-details-bin', 'grpc-trace-bin'],
  ...['traceparent', 'tracestate', 'b3', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid'],
  ...['x-request-id', 'x-correlation-id', 'content-length'],
])

const names = new Map<string, HeaderName>()
const MASK = INTERNED_FIELDS_MAX / 2 - 1
/** Set `s` has its places at `2s` (asked for more than once) and `2s + 1`. */
const fields: (HeaderField | undefined)[] = new Array(INTERNED_FIELDS_MAX).fill(undefined)
/** Their hashes: strings are compared only where these are equal. */
const hashes = new Int32Array(INTERNED_FIELDS_MAX)

/**
 * The name object of `text`.
 * @throws RangeError when a character is not latin1: it would lose bits on the wire
 */
export function nameOf(text: string): HeaderName {
  const known = STATIC_NAMES.get(text) ?? names.get(text)
  if (known !== undefined) return known
  requireLatin1(text)
  const name = new HeaderName(text, 0)
  if (text.length <= INTERNED_NAME_BYTES_MAX) {
    if (names.size >= INTERNED_NAMES_MAX) names.clear()
    names.set(text, name)
  }
  return name
}

/** The field of mode INDEXED that has this name and value: the static one, an interned one, or a new one. */
export function internField(key: HeaderName, value: string): HeaderField {
  return known(key, value) ?? remember(key, value)
}

/**
 * A field from strings: one that the proxy adds, or that comes from another transport.
 * It is indexed unless its name says that its value will not come again; `neverIndexed` is for secrets that are
 * short enough to be guessed (RFC 7541 §7.1.3). The name is taken as it is: HTTP/2 requires lower case.
 * @throws RangeError when a character is not latin1
 */
export function fieldOf(name: string, value: string, neverIndexed = false): HeaderField {
  const key = nameOf(name)
  if (!neverIndexed && !DIFFERS_EACH_CALL.has(name)) {
    const field = known(key, value)
    if (field !== undefined) return field
    requireLatin1(value)
    return remember(key, value)
  }
  requireLatin1(value)
  return new HeaderField(key, value, neverIndexed ? Mode.NEVER : Mode.LITERAL)
}

/** A field that is sent once: a literal, as it is. The value is latin1 and fit for HTTP/2, which is not looked at again. */
export function fieldOnce(key: HeaderName, value: string): HeaderField {
  const field = new HeaderField(key, value, Mode.LITERAL)
  field.wire = PLAIN
  return field
}

/** What is held now, for tests and for monitoring. `bytes` as HPACK counts them. */
export function interned(): { readonly names: number; readonly fields: number; readonly bytes: number } {
  let count = 0
  let bytes = 0
  for (const field of fields) {
    if (field === undefined) continue
    count++
    bytes += field.size
  }
  return { names: names.size, fields: count, bytes }
}

/** The set that `known` looked into last, for `remember`. */
let first = 0
let lookedFor = 0

function known(key: HeaderName, value: string): HeaderField | undefined {
  const fixed = staticField(key, value)
  if (fixed !== undefined) return fixed
  lookedFor = hash(key.text, value)
  first = 2 * (lookedFor & MASK)
  const often = fields[first]
  if (hashes[first] === lookedFor && often !== undefined && is(often, key, value)) return often
  const other = fields[first + 1]
  if (hashes[first + 1] !== lookedFor || other === undefined || !is(other, key, value)) return undefined
  fields[first] = other
  fields[first + 1] = often
  hashes[first + 1] = hashes[first]!
  hashes[first] = lookedFor
  return other
}

/** Call it right after `known` did not find the same field. */
function remember(key: HeaderName, value: string): HeaderField {
  const field = new HeaderField(key, value, Mode.INDEXED)
  if (field.size <= INTERNED_FIELD_BYTES_MAX) {
    fields[first + 1] = field
    hashes[first + 1] = lookedFor
  }
  return field
}

function is(field: HeaderField, key: HeaderName, value: string): boolean {
  return field.value === value && (field.key === key || field.name === key.text)
}

/**
 * At most 20 characters are looked at: their end and a sample of the rest. Somebody who makes values that
 * collide only shares a set with himself.
 */
function hash(name: string, value: string): number {
  const length = value.length
  let h = Math.imul(name.length, 0x9e3779b1) ^ length
  const step = length < 16 ? 1 : length >>> 4
  for (let i = name.length > 8 ? name.length - 8 : 0; i < name.length; i++)
    h = (Math.imul(h, 31) + name.charCodeAt(i)) | 0
  for (let i = 0; i < length; i += step) h = (Math.imul(h, 31) + value.charCodeAt(i)) | 0
  if (length > 0) h = (Math.imul(h, 31) + value.charCodeAt(length - 1)) | 0
  return h ^ (h >>> 15)
}

function requireLatin1(text: string): void {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0xff) throw new RangeError('A header field has a character over U+00FF')
  }
}
