/** What a request for a file gets: its preconditions, and the head of the response (RFC 9110 §13, §15). */
import { field, firstValue } from '../grpc/metadata.ts'
import type { HeaderBlock, HeaderField } from '../transport/transport.ts'
import { type ByteRange, byteRange } from './byte-range.ts'
import { contentType } from './content-type.ts'
import { entityTag, type FoundFile } from './folder.ts'

export interface FileHead {
  readonly block: HeaderBlock
  /** Undefined: the response has no bytes of the file. */
  readonly body?: ByteRange
}

/** @param request for this file, by GET or HEAD */
export function fileHead(request: HeaderBlock, method: string, file: FoundFile): FileHead {
  const tag = entityTag(file)
  const match = allOf(request, 'if-match')
  if (match !== undefined && !lists(match, tag)) return { block: statusHead(412, [field('content-length', '0')]) }
  const validators = [field('etag', tag), CACHED]
  const noneMatch = allOf(request, 'if-none-match')
  if (noneMatch !== undefined && lists(noneMatch, tag, true)) return { block: statusHead(304, validators) }
  const { bytes } = file
  // §14.2: a server "MUST ignore" a range with other methods than GET.
  const isPart = method === 'GET' && isRangeOf(request, tag)
  const range = isPart ? byteRange(firstValue(request, 'range'), bytes) : undefined
  if (range === 'unsatisfiable') {
    const of = [field('content-range', `bytes */${bytes}`), field('content-length', '0')]
    return { block: statusHead(416, of) }
  }
  const body = range ?? { start: 0, end: bytes }
  const fields = [
    field('content-type', contentType(file.path)),
    field('content-length', String(body.end - body.start)),
    ...(range ? [field('content-range', `bytes ${body.start}-${body.end - 1}/${bytes}`)] : []),
    ...[...validators, field('accept-ranges', 'bytes'), field('x-content-type-options', 'nosniff')],
  ]
  return { block: statusHead(range ? 206 : 200, fields), body }
}

/** A browser asks each time whether it is still the same, since nothing says when a file will be another one. */
const CACHED = field('cache-control', 'no-cache')

/** §13.1.5: a part is of use only beside what the client has. A time there is none of ours, so it gets all. */
function isRangeOf(request: HeaderBlock, tag: string): boolean {
  const ifRange = firstValue(request, 'if-range')
  return ifRange === undefined || ifRange === tag
}

/** Of all lines of the field. */
function allOf(request: HeaderBlock, name: string): string | undefined {
  const values = request.filter(one => one.name === name).map(({ value }) => value)
  return values.length === 0 ? undefined : values.join()
}

/** @param weak a tag that stands for the same meaning is enough (§8.8.3.2) */
function lists(value: string, tag: string, weak = false): boolean {
  const tags = value.split(',').map(one => one.trim())
  return tags.some(one => one === '*' || one === tag || (weak && one === `W/${tag}`))
}

/** §6.6.1: a server that has a clock says what time it is. */
export function statusHead(status: number, fields: readonly HeaderField[]): HeaderBlock {
  return [field(':status', String(status)), ...fields, field('date', new Date().toUTCString())]
}

/** Of a path that has no file, or cannot be served now. */
export function plainHead(status: number, sentence: string): HeaderBlock {
  const fields = [
    ...[field('content-type', 'text/plain; charset=utf-8'), field('content-length', String(sentence.length))],
    ...(status === 503 ? [field('retry-after', '1')] : []),
  ]
  return statusHead(status, [...fields, field('cache-control', 'no-store')])
}

/** To the same path with a slash, where the page's own names are found. */
export function folderHead(path: string, query: string): HeaderBlock {
  const fields = [field('location', `${path}/${query}`), field('content-length', '0'), CACHED]
  return statusHead(301, fields)
}
