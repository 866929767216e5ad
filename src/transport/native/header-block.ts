/**
 * Header blocks as Node's http2 takes and gives them: flat arrays of names and values in wire
 * order (`rawHeaders`), with never-indexed names listed beside under a symbol.
 */
import type { IncomingHttpHeaders, OutgoingHttpHeaders, sensitiveHeaders } from 'node:http2'
import { listBytesOf } from '../../wire/hpack/header-field.ts'
import { mendedValue } from '../../wire/mended.ts'
import { tooLargeBy, unsendable } from '../../wire/message-rules.ts'
import { type HeaderBlock, type HeaderField, HeadersRefused } from '../transport.ts'
import { nodeHttp2 } from './node-http2.ts'

/** Node's mark of never-indexed names. */
interface Marked {
  [sensitiveHeaders]?: string[]
}
/** A raw array that may have it. */
export type RawHeaders = string[] & Marked

const NONE: readonly string[] = []

/** An option of a session. Without it Node silently drops fields with spaces or tabs at an edge, `grpc-message` too. */
export const KEEPS_BLANKS = { strictFieldWhitespaceValidation: false }

/**
 * @param headers the object that Node gives beside `raw`: only it carries the never-indexed names
 */
export function blockOfRaw(raw: readonly string[], headers: IncomingHttpHeaders): HeaderBlock {
  const sensitive: readonly string[] = (headers as unknown as Marked)[nodeHttp2().sensitiveHeaders] ?? NONE
  const count = raw.length >> 1
  const block: HeaderField[] = new Array(count)
  for (let i = 0; i < count; i++) {
    const name = raw[2 * i]!
    const value = mendedValue(name, raw[2 * i + 1]!)
    block[i] = { name, value, neverIndexed: sensitive.length > 0 && sensitive.includes(name) }
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
  if (sensitive !== undefined) raw[nodeHttp2().sensitiveHeaders] = sensitive
  return raw
}

/**
 * The same for a request. Where it has no `:authority`, Node would add the one that its session was made with, whatever
 * `host` says: in a raw array it looks only for the property.
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
  if (sensitive !== undefined) (headers as Marked)[nodeHttp2().sensitiveHeaders] = sensitive
  return headers
}

/** Assigning would set the prototype. An object without one would be safe too, and slow. */
function defineField(headers: object, name: string, value: string | string[]): void {
  Object.defineProperty(headers, name, { value, enumerable: true, configurable: true, writable: true })
}

/** The bounds of a header list that is sent on a session. */
export interface SendLimits {
  /** Our bound. Above it Node would end the stream, and the session with it. */
  readonly maxHeaderListBytes: number
  /** The peer's bound. nghttp2 ignores it, but the peer may end its connection when it is exceeded. */
  readonly peerMaxHeaderListBytes: number
}

/** @throws HeadersRefused for a block that must not be sent; Node checks hardly anything of a raw array */
export function checkBlock(block: HeaderBlock, { maxHeaderListBytes, peerMaxHeaderListBytes }: SendLimits): void {
  const reason = unsendable(block)
  if (reason !== undefined) throw new HeadersRefused(reason)
  const limit = Math.min(maxHeaderListBytes, peerMaxHeaderListBytes)
  const bytes = listBytesOf(block)
  if (bytes > limit) throw new HeadersRefused(tooLargeBy(bytes, limit), true)
}

/**
 * For Node's `maxSendHeaderBlockLength`, which ends a session that exceeds it. It is above everything that
 * `checkBlock` lets through, as HPACK's worst case is below the size counted there.
 */
export function sendBlockBytes({ maxHeaderListBytes }: { readonly maxHeaderListBytes: number }): number {
  return 2 * maxHeaderListBytes
}
