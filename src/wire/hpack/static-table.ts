/** The static table (RFC 7541 §2.3.1 and Appendix A), as interned fields. */
import { HeaderField, HeaderName, Mode } from './header-field.ts'

// biome-ignore format: a table
const ENTRIES: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''], [':method', 'GET'], [':method', 'POST'], [':path', '/'], [':path', '/index.html'],
  [':scheme', 'http'], [':scheme', 'https'], [':status', '200'], [':status', '204'], [':status', '206'],
  [':status', '304'], [':status', '400'], [':status', '404'], [':status', '500'], ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'], ['accept-language', ''], ['accept-ranges', ''], ['accept', ''],
  ['access-control-allow-origin', ''], ['age', ''], ['allow', ''], ['authorization', ''], ['cache-control', ''],
  ['content-disposition', ''], ['content-encoding', ''], ['content-language', ''], ['content-length', ''],
  ['content-location', ''], ['content-range', ''], ['content-type', ''], ['cookie', ''], ['date', ''], ['etag', ''],
  ['expect', ''], ['expires', ''], ['from', ''], ['host', ''], ['if-match', ''], ['if-modified-since', ''],
  ['if-none-match', ''], ['if-range', ''], ['if-unmodified-since', ''], ['last-modified', ''], ['link', ''],
  ['location', ''], ['max-forwards', ''], ['proxy-authenticate', ''], ['proxy-authorization', ''], ['range', ''],
  ['referer', ''], ['refresh', ''], ['retry-after', ''], ['server', ''], ['set-cookie', ''],
  ['strict-transport-security', ''], ['transfer-encoding', ''], ['user-agent', ''], ['vary', ''], ['via', ''],
  ['www-authenticate', ''],
]

/** Entries of the static table; the first index of the dynamic table is one more (§2.3.3). */
export const STATIC_COUNT = ENTRIES.length

/** Names of the static table by their text. */
export const STATIC_NAMES: ReadonlyMap<string, HeaderName> = new Map(
  ENTRIES.map(([name], i) => [name, i + 1] as const)
    .reverse()
    .map(([name, index]) => [name, new HeaderName(name, index)] as const),
)

/** By index, from 1; index 0 holds the first entry and is never asked for. */
export const STATIC_FIELDS: readonly HeaderField[] = [ENTRIES[0]!, ...ENTRIES].map(
  ([name, value], index) => new HeaderField(STATIC_NAMES.get(name)!, value, Mode.INDEXED, index),
)

/** The entry that has both, or undefined. */
export function staticField(name: HeaderName, value: string): HeaderField | undefined {
  if (name.staticIndex === 0) return undefined
  // Entries with the same name are neighbours.
  for (let index = name.staticIndex; index <= STATIC_COUNT; index++) {
    const field = STATIC_FIELDS[index]!
    if (field.key !== name) return undefined
    if (field.value === value) return field
  }
  return undefined
}
