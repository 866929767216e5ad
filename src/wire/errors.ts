/**
 * HTTP/2 error codes (RFC 9113 §7), the numbers that RST_STREAM and GOAWAY carry.
 */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const

/**
 * A code as it came off the wire. Not narrowed to the names above. RFC 9113 §7:
 * "Unknown or unsupported error codes MUST NOT trigger any special behavior", so they are passed on.
 */
export type ErrorCode = number

const NAMES: readonly string[] = Object.keys(ErrorCode)

/** `CANCEL` for 8; `0x2a` for a code that RFC 9113 does not name. For logs only. */
export function errorCodeName(code: ErrorCode): string {
  return NAMES[code] ?? `0x${code.toString(16)}`
}
