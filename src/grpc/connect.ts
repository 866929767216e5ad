/**
 * The Connect protocol (connectrpc.com/docs/protocol, "§" below) in terms of gRPC: content types, codes, errors as JSON, and the
 * message that ends a stream. Messages themselves are the same bytes in both.
 */
import { type Field, field } from './metadata.ts'
import { decodeMessage, statusOf } from './status.ts'
import { formatTimeout } from './timeout.ts'

/** What a content type of Connect says. */
export interface ConnectType {
  /** Each message has a prefix of 5 bytes, as in gRPC; else the body is the message. */
  readonly streams: boolean
  readonly codec: string
}

const STREAM = /^application\/connect\+(proto|json)(?: *;.*)?$/i
const UNARY = /^application\/(proto|json)(?: *;.*)?$/i

/**
 * @param version `connect-protocol-version`; a unary request must have it, as its type alone may be that of anything
 * @returns undefined for any other type
 */
export function connectTypeOf(contentType: string, version: string | undefined): ConnectType | undefined {
  const stream = STREAM.exec(contentType)
  if (stream !== null) return { streams: true, codec: stream[1]!.toLowerCase() }
  const unary = version === '1' ? UNARY.exec(contentType) : null
  return unary === null ? undefined : { streams: false, codec: unary[1]!.toLowerCase() }
}

/** §"Error Codes": by the number of gRPC, with the status of HTTP for unary calls. */
const CODES: readonly (readonly [code: string, httpStatus: number])[] = [
  ['ok', 200],
  ['canceled', 499],
  ['unknown', 500],
  ['invalid_argument', 400],
  ['deadline_exceeded', 504],
  ['not_found', 404],
  ['already_exists', 409],
  ['permission_denied', 403],
  ['resource_exhausted', 429],
  ['failed_precondition', 400],
  ['aborted', 409],
  ['out_of_range', 400],
  ['unimplemented', 501],
  ['internal', 500],
  ['unavailable', 503],
  ['data_loss', 500],
  ['unauthenticated', 401],
]
const UNKNOWN = 2

/** How a call ended, of its trailers. */
export interface ConnectEnd {
  /** Undefined: well. */
  readonly error: { readonly code: string; readonly message?: string; readonly details?: readonly Detail[] } | undefined
  readonly httpStatus: number
  /** Trailers of the application. */
  readonly metadata: readonly Field[]
}

interface Detail {
  readonly type: string
  readonly value: string
}

const STATUS_FIELDS: ReadonlySet<string> = new Set(['grpc-status', 'grpc-message', 'grpc-status-details-bin'])

export function connectEnd(trailers: readonly Field[]): ConnectEnd {
  const metadata = trailers.filter(({ name }) => !STATUS_FIELDS.has(name))
  const status = statusOf(trailers)
  if (status === 0) return { error: undefined, httpStatus: 200, metadata }
  const [code, httpStatus] = CODES[status] ?? CODES[UNKNOWN]!
  const textOf = (name: string) => trailers.find(one => one.name === name)?.value
  const message = decodeMessage(textOf('grpc-message') ?? '')
  const details = detailsOf(Buffer.from(textOf('grpc-status-details-bin') ?? '', 'base64'))
  const error = { code, ...(message !== '' && { message }), ...(details.length > 0 && { details }) }
  return { error, httpStatus, metadata }
}

/** §"Error End-Stream": the frame that ends a stream. */
export function endFrame({ error, metadata }: ConnectEnd): Buffer {
  const values: Record<string, string[]> = Object.create(null)
  for (const { name, value } of metadata) {
    values[name] ??= []
    values[name].push(value)
  }
  const json = Buffer.from(
    JSON.stringify({ ...(error && { error }), ...(metadata.length > 0 && { metadata: values }) }),
  )
  const head = Buffer.alloc(5)
  head[0] = END_STREAM
  head.writeUInt32BE(json.length, 1)
  return Buffer.concat([head, json])
}

const END_STREAM = 0x02

/** The `google.rpc.Status` of `grpc-status-details-bin`: its field 3, each a `google.protobuf.Any`. */
function detailsOf(status: Buffer): Detail[] {
  const details: Detail[] = []
  for (const any of bytesOf(status, 3)) {
    const [url] = bytesOf(any, 1)
    const [value = Buffer.alloc(0)] = bytesOf(any, 2)
    if (url === undefined) continue
    const type = url.toString('utf8')
    // §: "base64 … with or without padding"; the name without what stands before it.
    details.push({ type: type.slice(type.lastIndexOf('/') + 1), value: value.toString('base64').replace(/=+$/, '') })
  }
  return details
}

/** The fields of this number that are bytes; what cannot be read ends it. */
function bytesOf(message: Buffer, wanted: number): Buffer[] {
  const found: Buffer[] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let i = 0; i < 10 && at < message.length; i++) {
      const byte = message[at++]!
      value += (byte & 0x7f) * 2 ** (7 * i)
      if (byte < 0x80) return value
    }
    return Number.NaN
  }
  while (at < message.length) {
    const tag = varint()
    const wire = tag % 8
    const length = wire === 2 ? varint() : wire === 5 ? 4 : wire === 1 ? 8 : 0
    if (wire === 0) varint()
    if (![0, 1, 2, 5].includes(wire) || !(at + length <= message.length)) return found
    if (wire === 2 && Math.floor(tag / 8) === wanted) found.push(message.subarray(at, at + length))
    at += length
  }
  return found
}

/** §"Timeout": "up to 10 digits". @returns undefined where it cannot be read */
export function grpcTimeout(connectTimeoutMs: string): string | undefined {
  if (!/^\d{1,10}$/.test(connectTimeoutMs)) return undefined
  return Number(connectTimeoutMs) === 0 ? '0m' : formatTimeout(Number(connectTimeoutMs))
}

/** Names of Connect's fields about compression, and gRPC's for the same. */
function codings({ streams }: ConnectType): ReadonlyMap<string, string> {
  const begin = streams ? 'connect-' : ''
  return new Map([
    [`${begin}content-encoding`, 'grpc-encoding'],
    [`${begin}accept-encoding`, 'grpc-accept-encoding'],
  ])
}

/** Fields that are about the other protocol, or the length of a body that becomes another one. */
const OF_CONNECT = /^(?:connect-.*|content-length|content-type|content-encoding|accept-encoding|te|trailer|grpc-.*)$/

/** The head of the same request in gRPC. */
export function grpcRequest(block: readonly Field[], type: ConnectType): Field[] {
  const named = codings(type)
  const request: Field[] = []
  for (const one of block) {
    const renamed = named.get(one.name)
    if (renamed !== undefined) request.push(field(renamed, one.value))
    else if (one.name === 'connect-timeout-ms') request.push(field('grpc-timeout', grpcTimeout(one.value) ?? one.value))
    else if (one.name === 'content-type') request.push(field('content-type', `application/grpc+${type.codec}`))
    else if (!OF_CONNECT.test(one.name)) request.push(one)
  }
  return [...request, field('te', 'trailers')]
}

/** The head of the response, as Connect has it, without its type and status. */
export function connectFields(block: readonly Field[], type: ConnectType): Field[] {
  const named = new Map([...codings(type)].map(([connect, grpc]) => [grpc, connect]))
  const response: Field[] = []
  for (const one of block) {
    const renamed = named.get(one.name)
    if (renamed !== undefined) response.push(field(renamed, one.value))
    else if (!one.name.startsWith(':') && !one.name.startsWith('access-control-') && !OF_CONNECT.test(one.name))
      response.push(one)
  }
  return response
}
