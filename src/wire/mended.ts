/**
 * Values that must not be sent as they came, in a form that may be sent.
 *
 * RFC 9113 §8.2.1 forbids spaces and tabs at the edges of a value; grpc-go and grpc-python send what they were given,
 * for example a status message `missing field: `. PROTOCOL-HTTP2.md, "Requests": "ASCII-Value should not have leading
 * or trailing whitespace. If it contains leading or trailing whitespace, it may be stripped." A `grpc-message` is a
 * text whose octets may be percent-encoded ("Status-Message"), so that it need not lose any.
 */
import { HeaderField, Mode } from './hpack/header-field.ts'
import { internField } from './hpack/interning.ts'

/** A new list, in which the fields that need no change are those of `block`. */
export function mended(block: readonly HeaderField[]): HeaderField[] {
  return block.map(field => {
    const value = mendedValue(field.name, field.value)
    if (value === field.value) return field
    return field.mode === Mode.INDEXED ? internField(field.key, value) : new HeaderField(field.key, value, field.mode)
  })
}

/** The value itself, unless it has to change. Pseudo-header fields stay as they are. */
export function mendedValue(name: string, value: string): string {
  if (name === 'grpc-message') return NEEDS_ENCODING.test(value) ? encoded(value) : value
  const { length } = value
  if (!isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(length - 1))) return value
  if (name.charCodeAt(0) === COLON) return value
  let start = 0
  let end = length
  while (end > 0 && isBlank(value.charCodeAt(end - 1))) end--
  while (start < end && isBlank(value.charCodeAt(start))) start++
  return value.slice(start, end)
}

/** A space or a tab at an edge, or an octet that is neither visible ASCII nor one of them. */
const NEEDS_ENCODING = /^[ \t]|[ \t]$|[^\t -~]/

/** Percent signs stay: they belong to octets that are encoded already. */
function encoded(text: string): string {
  const last = text.length - 1
  return text.replace(/[^!-~]/g, (character, at: number) => {
    const inside = (character === ' ' || character === '\t') && at > 0 && at < last
    return inside ? character : `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  })
}

const COLON = 0x3a

function isBlank(c: number): boolean {
  return c === 0x20 || c === 0x09
}
