/**
 * gRPC status codes, and the one place where a failure becomes one.
 * Sources: grpc/grpc doc/statuscodes.md, doc/PROTOCOL-HTTP2.md "Errors", grpc/proposal A54.
 */
export const Status = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const

export type StatusName = keyof typeof Status
/** 0 to 16. */
export type StatusCode = (typeof Status)[StatusName]

const NAMES = Object.keys(Status) as StatusName[]
/** In the order of their codes. */
export const STATUS_NAMES: readonly StatusName[] = NAMES

/** `UNAVAILABLE` for 14; `code 99` for what statuscodes.md does not name. */
export function statusName(code: number): string {
  return NAMES[code] ?? `code ${code}`
}

/**
 * A call ends with this status instead of being forwarded. Thrown by directors; made by the proxy
 * for its own failures.
 */
export class GrpcError extends Error {
  override readonly name = 'GrpcError'
  readonly status: StatusCode
  /**
   * @param status a code (14) or its name (`'UNAVAILABLE'`)
   * @param message reaches the client as `grpc-message`, percent-encoded
   * @throws RangeError for a status that statuscodes.md does not have
   */
  constructor(status: StatusCode | StatusName, message: string) {
    super(message)
    const code = typeof status === 'number' ? status : Status[status]
    if (NAMES[code] === undefined) throw new RangeError(`no such grpc status: ${status}`)
    this.status = code
  }
}

/**
 * The status of a call whose upstream stream was reset before a response, by HTTP/2 error code:
 * PROTOCOL-HTTP2.md, "HTTP2 Transport Mapping", "Errors". The index is the code.
 */
const STATUS_OF_RESET: readonly StatusCode[] = [
  Status.INTERNAL, // NO_ERROR
  Status.INTERNAL, // PROTOCOL_ERROR
  Status.INTERNAL, // INTERNAL_ERROR
  Status.INTERNAL, // FLOW_CONTROL_ERROR
  Status.INTERNAL, // SETTINGS_TIMEOUT
  Status.UNKNOWN, // STREAM_CLOSED: no mapping given, the stream was half-closed already
  Status.INTERNAL, // FRAME_SIZE_ERROR
  Status.UNAVAILABLE, // REFUSED_STREAM
  Status.CANCELLED, // CANCEL
  Status.INTERNAL, // COMPRESSION_ERROR
  Status.INTERNAL, // CONNECT_ERROR
  Status.RESOURCE_EXHAUSTED, // ENHANCE_YOUR_CALM
  Status.PERMISSION_DENIED, // INADEQUATE_SECURITY
]

/** Codes without a mapping give UNKNOWN. */
export function statusOfReset(code: number): StatusCode {
  return STATUS_OF_RESET[code] ?? Status.UNKNOWN
}

/**
 * The `grpc-status` of trailers, or of an answer that is headers alone.
 * @returns -1 where there is none, or it is not a number
 */
export function statusOf(block: readonly { readonly name: string; readonly value: string }[]): number {
  let text = ''
  for (let i = 0; i < block.length; i++) {
    if (block[i]!.name === 'grpc-status') text = block[i]!.value
  }
  return statusOfText(text)
}

/**
 * The status of an answer that is headers alone: where it has no `grpc-status`, that of its `:status`
 * (http-grpc-status-mapping.md).
 */
export function statusOfAnswer(block: readonly { readonly name: string; readonly value: string }[]): number {
  const status = statusOf(block)
  if (status !== -1) return status
  const http = block[0]?.name === ':status' ? block[0].value : ''
  return STATUS_OF_HTTP.get(http) ?? Status.UNKNOWN
}

const STATUS_OF_HTTP: ReadonlyMap<string, StatusCode> = new Map([
  ['400', Status.INTERNAL],
  ['401', Status.UNAUTHENTICATED],
  ['403', Status.PERMISSION_DENIED],
  ['404', Status.UNIMPLEMENTED],
  ['429', Status.UNAVAILABLE],
  ['502', Status.UNAVAILABLE],
  ['503', Status.UNAVAILABLE],
  ['504', Status.UNAVAILABLE],
])

/** The same of the value alone. */
export function statusOfText(text: string): number {
  // Almost always "0", and this runs for each call.
  if (text.length === 1) {
    const digit = text.charCodeAt(0) - 0x30
    return digit >= 0 && digit <= 9 ? digit : -1
  }
  return /^\d{1,9}$/.test(text) ? Number(text) : -1
}

/**
 * `grpc-message`: "percent-encoded", space (0x20) to tilde (0x7e) but percent go as they are
 * (PROTOCOL-HTTP2.md, "Status-Message"); everything else goes as %XX of its UTF-8 bytes. A space at an edge does too,
 * because HTTP/2 does not allow it there (RFC 9113 §8.2.1).
 */
export function encodeMessage(message: string): string {
  if (/^(?:[!-$&-~](?:[ -$&-~]*[!-$&-~])?)?$/.test(message)) return message
  const bytes = Buffer.from(message, 'utf8')
  let out = ''
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    const atEdge = i === 0 || i === bytes.length - 1
    out +=
      byte >= (atEdge ? 0x21 : 0x20) && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}

/**
 * The text of a `grpc-message`. "Status-Message … When decoding invalid values, implementations MUST NOT error or throw
 * away the message": text that is not an escape stays as it is, and bytes that are not UTF-8 become U+FFFD.
 */
export function decodeMessage(encoded: string): string {
  if (!encoded.includes('%')) return encoded
  const octets = encoded.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(octets, 'latin1').toString('utf8')
}
