/** The place between two messages or before the first, where no part of a message is missing. */
export const BORDER = 0

/**
 * Where a body is after some more of it, as one number: `BORDER`; above it the bytes that a message still lacks; below
 * it a prefix that has come in part. It is for callers that need no count: it needs no object, and a frame that is one
 * message costs five reads.
 * @param place `BORDER` at first, then what this returned last
 */
export function placeAfter(place: number, bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end) {
    if (place > 0) {
      const taken = Math.min(place, end - at)
      place -= taken
      at += taken
    } else if (place === BORDER && end - at >= PREFIX_BYTES) {
      place = lengthAt(bytes, at)
      at += PREFIX_BYTES
    } else place = prefixAfter(place, bytes[at++]!)
  }
  return place
}

/** The length of the message whose prefix is there. */
function lengthAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at + 1]! * 256 + bytes[at + 2]!) * 256 + bytes[at + 3]!) * 256 + bytes[at + 4]!
}

/** A prefix that comes in parts: three bits are how many bytes of it there are, above them is the length so far. */
function prefixAfter(place: number, byte: number): number {
  const seen = (-place & 7) + 1
  const length = seen === 1 ? 0 : (-place >> 3) * 256 + byte
  return seen === PREFIX_BYTES ? length : -(length * 8 + seen)
}

/**
 * Counts gRPC messages by their prefix, without looking into them: Length-Prefixed-Message is
 * Compressed-Flag (1 byte), Message-Length (4 bytes, big endian), Message (PROTOCOL-HTTP2.md).
 * DATA frame borders are not message borders, so it keeps its place between pieces.
 */
export const PREFIX_BYTES = 5

export class MessageCounter {
  /** Bytes of DATA payload. */
  bytes = 0
  /** Messages whose prefix has come whole. */
  messages = 0
  #place = BORDER

  /** More of a message must come: a body that ends here is not whole. */
  get within(): boolean {
    return this.#place !== BORDER
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    this.bytes += length
    // A frame that is one message: most are.
    if (this.#place === BORDER && length >= PREFIX_BYTES && lengthAt(bytes, start) === length - PREFIX_BYTES)
      this.messages++
    else this.#pushParts(bytes, start, end)
  }

  #pushParts(bytes: Uint8Array, start: number, end: number): void {
    let place = this.#place
    let at = start
    while (at < end) {
      if (place > 0) {
        const taken = Math.min(place, end - at)
        place -= taken
        at += taken
        continue
      }
      if (place === BORDER && end - at >= PREFIX_BYTES) {
        place = lengthAt(bytes, at)
        at += PREFIX_BYTES
      } else place = prefixAfter(place, bytes[at++]!)
      if (place >= 0) this.messages++
    }
    this.#place = place
  }
}

/** A message with its prefix, not compressed. */
export function prefixed(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(PREFIX_BYTES + message.length)
  bytes.writeUInt32BE(message.length, 1)
  bytes.set(message, PREFIX_BYTES)
  return bytes
}

/**
 * The one message of a body that has come whole.
 * @returns a part of `body`; or, as text, why there is not exactly one
 */
export function onlyMessage(body: Buffer): Buffer | string {
  if (body.length === 0) return 'no message'
  if (body.length < PREFIX_BYTES) return 'a message that is not whole'
  // We name no `grpc-accept-encoding`, so nothing may be compressed (PROTOCOL-HTTP2.md, "Message-Encoding").
  if (body[0] !== 0) return 'a compressed message'
  const end = PREFIX_BYTES + body.readUInt32BE(1)
  if (end > body.length) return 'a message that is not whole'
  return end < body.length ? 'more than one message' : body.subarray(PREFIX_BYTES, end)
}
