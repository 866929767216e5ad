/**
 * HTTP/2 frames as bytes (RFC 9113 §4, §6), written for tests only. It shares nothing with src/wire:
 * a mistake there must not be able to hide behind the same mistake here. It is also not strict: tests
 * need to write frames that no honest peer would.
 */
export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const

export const Flag = {
  NONE: 0x0,
  END_STREAM: 0x1,
  ACK: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const

/** RFC 9113 §6.5.2. */
export const Setting = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
} as const

/** Setting identifier to value, in the order in which they are written. */
export type Settings = Readonly<Record<number, number>>

/** RFC 9113 §7. */
export const Code = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
  HTTP_1_1_REQUIRED: 13,
} as const

/** RFC 9113 §3.4. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

export const HEADER_BYTES = 9

export interface RawFrame {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly payload: Buffer
}

/** One frame as bytes. Nothing is checked but that the numbers fit their fields. */
export function writeFrame(frame: RawFrame): Buffer {
  const out = Buffer.alloc(HEADER_BYTES + frame.payload.length)
  out.writeUIntBE(frame.payload.length, 0, 3)
  out.writeUInt8(frame.type, 3)
  out.writeUInt8(frame.flags, 4)
  out.writeUInt32BE(frame.streamId, 5)
  frame.payload.copy(out, HEADER_BYTES)
  return out
}

/** A 32-bit number as bytes: the payload of RST_STREAM and WINDOW_UPDATE. */
export function uint32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(value)
  return out
}

export function settingsPayload(settings: Settings): Buffer {
  const parts = Object.entries(settings).map(([id, value]) => {
    const out = Buffer.alloc(6)
    out.writeUInt16BE(Number(id))
    out.writeUInt32BE(value, 2)
    return out
  })
  return Buffer.concat(parts)
}

export function readSettings(payload: Buffer): Record<number, number> {
  const out: Record<number, number> = {}
  for (let at = 0; at + 6 <= payload.length; at += 6) out[payload.readUInt16BE(at)] = payload.readUInt32BE(at + 2)
  return out
}

/** Bytes in, in any pieces; whole frames out. */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0)

  push(chunk: Buffer): RawFrame[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    const frames: RawFrame[] = []
    let at = 0
    while (this.#pending.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + this.#pending.readUIntBE(at, 3)
      if (this.#pending.length < end) break
      frames.push({
        type: this.#pending[at + 3]!,
        flags: this.#pending[at + 4]!,
        // The reserved bit is ignored on receipt (RFC 9113 §4.1).
        streamId: this.#pending.readUInt32BE(at + 5) & 0x7fffffff,
        payload: Buffer.from(this.#pending.subarray(at + HEADER_BYTES, end)),
      })
      at = end
    }
    this.#pending = this.#pending.subarray(at)
    return frames
  }

  /** Bytes of a frame that is not complete yet. */
  get rest(): Buffer {
    return this.#pending
  }
}

/**
 * Takes padding and the priority part off a DATA or HEADERS payload (RFC 9113 §6.1, §6.2).
 */
export function unpad(frame: RawFrame): Buffer {
  let start = 0
  let end = frame.payload.length
  if (frame.flags & Flag.PADDED) {
    end -= frame.payload[0]!
    start = 1
  }
  if (frame.type === FrameType.HEADERS && frame.flags & Flag.PRIORITY) start += 5
  return frame.payload.subarray(start, end)
}
