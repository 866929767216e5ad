/**
 * The two messages of `grpc.health.v1.Health` (grpc/grpc doc/health-checking.md) as bytes of protobuf:
 *
 * ```
 * message HealthCheckRequest  { string service = 1; }
 * message HealthCheckResponse { ServingStatus status = 1; }
 * ```
 */

import { isUtf8 } from 'node:buffer'

export const HEALTH_SERVICE = 'grpc.health.v1.Health'
export const HEALTH_CHECK_PATH = `/${HEALTH_SERVICE}/Check`
export const HEALTH_WATCH_PATH = `/${HEALTH_SERVICE}/Watch`

export const ServingStatus = {
  UNKNOWN: 0,
  SERVING: 1,
  NOT_SERVING: 2,
  /** `Watch` answers it. `Check` ends with NOT_FOUND instead. */
  SERVICE_UNKNOWN: 3,
} as const
/** What a server says of a service. It may be a number that is not here: later versions of the service may have more. */
export type ServingStatus = number

/** A tag is the number of a field and how it is encoded. */
const TAG_SERVICE = (1 << 3) | 2
const TAG_STATUS = (1 << 3) | 0
const WireType = { VARINT: 0, FIXED64: 1, BYTES: 2, GROUP: 3, GROUP_END: 4, FIXED32: 5 } as const
/** Ten groups of seven bits hold any number of 64 bits. */
const VARINT_BYTES_MAX = 10

/** @param service `''` asks for the server as a whole */
export function healthRequest(service: string): Buffer {
  const name = Buffer.from(service, 'utf8')
  // proto3 does not send what is empty.
  if (name.length === 0) return name
  return Buffer.concat([Buffer.from([TAG_SERVICE, ...varint(name.length)]), name])
}

function varint(value: number): number[] {
  const bytes: number[] = []
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80)
  bytes.push(value)
  return bytes
}

/** What a server answers. */
export function healthResponse(status: ServingStatus): Buffer {
  // proto3 does not send what is 0.
  return Buffer.from(status === ServingStatus.UNKNOWN ? [] : [TAG_STATUS, ...varint(status)])
}

/** @returns the service that is asked for, `''` for the server as a whole; undefined: these bytes are no such message */
export function readHealthRequest(bytes: Uint8Array): string | undefined {
  return lastValue(bytes, TAG_SERVICE, '', reader => reader.text())
}

/** @returns undefined: these bytes are no such message */
export function readHealthResponse(bytes: Uint8Array): ServingStatus | undefined {
  return lastValue(bytes, TAG_STATUS, ServingStatus.UNKNOWN, reader => reader.varint())
}

/**
 * The one field of a message. Fields that are not known are passed over, and of several values the last one counts, as
 * protobuf wants it.
 * @param absent the value where there is none
 * @param read undefined: there is no such value
 */
function lastValue<T>(
  bytes: Uint8Array,
  wanted: number,
  absent: T,
  read: (reader: Reader) => T | undefined,
): T | undefined {
  const reader = new Reader(bytes)
  let last = absent
  let groups = 0
  while (reader.left > 0) {
    const tag = reader.varint()
    // Field 0 is not allowed.
    if (tag === undefined || tag >>> 3 === 0) return undefined
    if (tag === wanted) {
      const value = read(reader)
      if (value === undefined) return undefined
      if (groups === 0) last = value
      continue
    }
    const wireType = tag & 7
    if (wireType === WireType.GROUP) groups++
    else if (wireType === WireType.GROUP_END) groups--
    else if (!reader.skip(wireType)) return undefined
    if (groups < 0) return undefined
  }
  return groups === 0 ? last : undefined
}

class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** The lowest 32 bits of a number, with sign: protobuf reads an enum so. Undefined: it is not whole, or too long. */
  varint(): number | undefined {
    let value = 0
    for (let i = 0; i < VARINT_BYTES_MAX && this.left > 0; i++) {
      const byte = this.#bytes[this.#at++]!
      if (i < 5) value |= (byte & 0x7f) << (7 * i)
      if (byte < 0x80) return value
    }
    return undefined
  }

  /** Undefined: it is not whole, or no UTF-8, which proto3 asks of a string. */
  text(): string | undefined {
    const length = this.varint()
    const start = this.#at
    if (length === undefined || !this.#skipBytes(length)) return undefined
    const bytes = Buffer.from(this.#bytes.subarray(start, this.#at))
    return isUtf8(bytes) ? bytes.toString('utf8') : undefined
  }

  /** @returns whether there was such a value */
  skip(wireType: number): boolean {
    if (wireType === WireType.VARINT) return this.varint() !== undefined
    if (wireType === WireType.FIXED64) return this.#skipBytes(8)
    if (wireType === WireType.FIXED32) return this.#skipBytes(4)
    if (wireType !== WireType.BYTES) return false
    const length = this.varint()
    return length !== undefined && this.#skipBytes(length)
  }

  #skipBytes(count: number): boolean {
    if (count < 0 || count > this.left) return false
    this.#at += count
    return true
  }
}
