/**
 * What a backend reports of its load with a response: `xds.data.orca.v3.OrcaLoadReport` in the trailer
 * `endpoint-load-metrics-bin` (gRFC A51). Four numbers of it are read, by hand; the rest is passed over.
 */

export const LOAD_REPORT_FIELD = 'endpoint-load-metrics-bin'

/** The part of a report from which a weight is made (gRFC A58). */
export interface LoadReport {
  /** What the application says of its load, or the processor's where it says nothing. 1 is all that it can do. */
  readonly utilization: number
  /** Calls a second. */
  readonly callsPerSecond: number
  /** Calls a second that fail. */
  readonly errorsPerSecond: number
}

/** Why a report is not read. */
export type ReportFault =
  | 'it is too long'
  | 'it is not base64'
  | 'it is no protobuf message'
  | 'a number is not possible'

/** A report has some hundred bytes, and with a hundred metrics of the application's own some thousand. */
const MAX_CHARACTERS = 16_384
const BYTES = Buffer.alloc((MAX_CHARACTERS / 4) * 3)

/** Numbers of the fields, all of type double. */
const CPU_UTILIZATION = 1
const RPS_FRACTIONAL = 6
const EPS = 7
const APPLICATION_UTILIZATION = 9

/** How a field is encoded (https://protobuf.dev/programming-guides/encoding/#structure). */
const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5

/** A varint has 10 bytes at most, and one that is a tag or a length 5. */
const MAX_VARINT_BYTES = 10
const MAX_TAG_BYTES = 5

const values = new Float64Array(APPLICATION_UTILIZATION + 1)

/** @param text the value of the field, as it came */
export function readLoadReport(text: string): LoadReport | ReportFault {
  if (text.length > MAX_CHARACTERS) return 'it is too long'
  const length = decode(text)
  if (length === -1) return 'it is not base64'
  values.fill(0)
  for (let at = 0; at < length; ) {
    at = readField(at, length)
    if (at === -1) return 'it is no protobuf message'
  }
  const callsPerSecond = values[RPS_FRACTIONAL]!
  const errorsPerSecond = values[EPS]!
  const [named, cpu] = [values[APPLICATION_UTILIZATION]!, values[CPU_UTILIZATION]!]
  if (![callsPerSecond, errorsPerSecond, named, cpu].every(isPossible)) return 'a number is not possible'
  return { utilization: named > 0 ? named : cpu, callsPerSecond, errorsPerSecond }
}

/** Not NaN, not infinite, not below 0. */
function isPossible(value: number): boolean {
  return value >= 0 && value < Number.POSITIVE_INFINITY
}

/** @returns how many bytes there are; -1 where the text is not base64. Padding may be missing (gRPC's "Binary-Header"). */
function decode(text: string): number {
  let end = text.length
  while (end > text.length - 2 && text.charCodeAt(end - 1) === 0x3d /* = */) end--
  const length = BYTES.write(text, 'base64')
  // Node passes over what does not belong there.
  return end % 4 !== 1 && length === Math.floor((end * 3) / 4) ? length : -1
}

/** @returns where the next field begins, -1 if this is none */
function readField(at: number, end: number): number {
  const tagEnd = varintEnd(at, end, MAX_TAG_BYTES)
  if (tagEnd === -1) return -1
  const tag = varint(at, tagEnd)
  const field = Math.floor(tag / 8)
  if (field === 0) return -1
  switch (tag % 8) {
    case VARINT:
      return varintEnd(tagEnd, end, MAX_VARINT_BYTES)
    case FIXED64:
      if (tagEnd + 8 > end) return -1
      // The last one counts, where a field is there twice.
      if (field < values.length) values[field] = BYTES.readDoubleLE(tagEnd)
      return tagEnd + 8
    case LENGTH_DELIMITED: {
      const lengthEnd = varintEnd(tagEnd, end, MAX_TAG_BYTES)
      if (lengthEnd === -1) return -1
      const next = lengthEnd + varint(tagEnd, lengthEnd)
      return next > end ? -1 : next
    }
    case FIXED32:
      return tagEnd + 4 > end ? -1 : tagEnd + 4
    default:
      return -1
  }
}

/** @returns where a varint ends that begins here; -1 if it ends nowhere, or is too long */
function varintEnd(at: number, end: number, most: number): number {
  for (let i = at; i < end && i < at + most; i++) if (BYTES[i]! < 0x80) return i + 1
  return -1
}

function varint(at: number, end: number): number {
  let value = 0
  for (let i = end - 1; i >= at; i--) value = value * 128 + (BYTES[i]! & 0x7f)
  return value
}
