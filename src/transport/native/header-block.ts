/**
 * Header blocks as Node's http2 wants and gives them: flat arrays of names and values in wire
 * order (`rawHeaders`), with never-indexed names listed beside under a symbol.
 */
import http2, { type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { type HeaderBlock, type HeaderField, HeadersRefused } from '../transport.ts'

const { sensitiveHeaders } = http2

/** A raw array with Node's mark of never-indexed names. */
export type RawHeaders = string[] & { [sensitiveHeaders]?: string[] }

const NONE: readonly string[] = []

/**
 * @param headers the object that Node gives beside `raw`: only it carries the never-indexed names
 */
export function blockOfRaw(raw: readonly string[], headers: IncomingHttpHeaders): HeaderBlock {
  const sensitive: readonly string[] = (headers as { [sensitiveHeaders]?: string[] })[sensitiveHeaders] ?? NONE
  const count = raw.length >> 1
  const block: HeaderField[] = new Array(count)
  for (let i = 0; i < count; i++) {
    const name = raw[2 * i]!
    block[i] = { name, value: raw[2 * i + 1]!, neverIndexed: sensitive.length > 0 && sensitive.includes(name) }
  }
  return block
}

/** A fresh array each time: `respond()` mutates the one it is given. */
export function rawOfBlock(block: HeaderBlock): RawHeaders {
  const raw = new Array(block.length * 2) as RawHeaders
  let sensitive: string[] | undefined
  for (let i = 0; i < block.length; i++) {
    const field = block[i]!
    raw[2 * i] = field.name
    raw[2 * i + 1] = field.value
    if (field.neverIndexed) {
      sensitive ??= []
      sensitive.push(field.name)
    }
  }
  if (sensitive !== undefined) raw[sensitiveHeaders] = sensitive
  return raw
}

/**
 * Likewise of a request. Where it has no `:authority`, Node would add the one that its session was made with, whatever
 * `host` says: of a raw array it looks only for the property.
 */
export function rawOfRequest(block: HeaderBlock): RawHeaders {
  const raw = rawOfBlock(block)
  if (!block.some(isAuthority)) (raw as { host?: string }).host = ''
  return raw
}

function isAuthority({ name }: HeaderField): boolean {
  return name === ':authority'
}

/**
 * `sendTrailers` takes objects only. Duplicates become array values, which keeps their order
 * within the name; the order between names is that of their first occurrence.
 */
export function objectOfBlock(block: HeaderBlock): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = {}
  let sensitive: string[] | undefined
  for (let i = 0; i < block.length; i++) {
    const { name, value, neverIndexed } = block[i]!
    const before = Object.hasOwn(headers, name) ? headers[name] : undefined
    if (name === '__proto__') defineField(headers, name, before === undefined ? value : [before, value].flat())
    else if (before === undefined) headers[name] = value
    else if (typeof before === 'string') headers[name] = [before, value]
    else before.push(value)
    if (neverIndexed) {
      sensitive ??= []
      sensitive.push(name)
    }
  }
  if (sensitive !== undefined) (headers as { [sensitiveHeaders]?: string[] })[sensitiveHeaders] = sensitive
  return headers
}

/** Assigning would set the prototype. An object without one would be safe too, and slow. */
function defineField(headers: object, name: string, value: string | string[]): void {
  Object.defineProperty(headers, name, { value, enumerable: true, configurable: true, writable: true })
}

/**
 * RFC 9113 §6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE: "based on the uncompressed size of field lines,
 * including the length of the name and value in units of octets plus an overhead of 32 octets for
 * each field line".
 */
export function listSize(block: HeaderBlock): number {
  let bytes = 32 * block.length
  for (let i = 0; i < block.length; i++) bytes += block[i]!.name.length + block[i]!.value.length
  return bytes
}

/** @throws HeadersRefused above `maxBytes`: Node would end the stream and the session with it */
export function checkListSize(block: HeaderBlock, maxBytes: number): void {
  const bytes = listSize(block)
  if (bytes > maxBytes) throw new HeadersRefused(`a header list of ${bytes} bytes, the limit is ${maxBytes}`)
}

/**
 * For Node's `maxSendHeaderBlockLength`, which ends the session of who exceeds it: above whatever
 * `checkListSize` lets through, as HPACK's worst case is below the size counted there.
 */
export function sendBlockBytes({ maxHeaderListBytes }: { readonly maxHeaderListBytes: number }): number {
  return 2 * maxHeaderListBytes
}
