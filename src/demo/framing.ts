/**
 * Length-prefixed messages: a flag byte, four bytes of length, the message
 * (grpc/grpc doc/PROTOCOL-HTTP2.md, "Length-Prefixed-Message").
 */
import { Status } from '../grpc/status.ts'
import { CallError } from './call.ts'

const PREFIX_BYTES = 5
/** The largest payload that the service makes, and its message around it. */
const MAX_MESSAGE_BYTES = 17 * 2 ** 20

/** A message with its prefix, uncompressed. */
export function frameMessage(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX_BYTES + message.length)
  framed[0] = 0
  framed.writeUInt32BE(message.length, 1)
  message.copy(framed, PREFIX_BYTES)
  return framed
}

/** Takes the bytes of one direction of a call as they come, gives its messages. */
export class MessageDecoder {
  #chunks: Buffer[] = []
  #buffered = 0
  /** How many bytes must be there before it is worth looking again: a prefix, or a prefix and its message. */
  #needed = PREFIX_BYTES

  /**
   * @returns the messages that `chunk` completes, without their prefixes; they may share its memory
   * @throws CallError UNIMPLEMENTED for a compressed message, RESOURCE_EXHAUSTED for one too large
   */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    if (this.#buffered < this.#needed) return []
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#buffered)
    const messages: Buffer[] = []
    let at = 0
    this.#needed = PREFIX_BYTES
    while (bytes.length - at >= PREFIX_BYTES) {
      const end = at + PREFIX_BYTES + lengthAt(bytes, at)
      this.#needed = end - at
      if (end > bytes.length) break
      messages.push(bytes.subarray(at + PREFIX_BYTES, end))
      at = end
      this.#needed = PREFIX_BYTES
    }
    this.#chunks = at < bytes.length ? [bytes.subarray(at)] : []
    this.#buffered = bytes.length - at
    return messages
  }

  /** @throws CallError INTERNAL when the direction ended inside a message */
  end(): void {
    if (this.#buffered > 0) throw new CallError(Status.INTERNAL, 'the stream ended inside a message')
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  // No encoding but identity is offered in grpc-accept-encoding.
  if (bytes[at] !== 0) throw new CallError(Status.UNIMPLEMENTED, 'compressed messages are not supported')
  const length = bytes.readUInt32BE(at + 1)
  if (length > MAX_MESSAGE_BYTES) {
    throw new CallError(Status.RESOURCE_EXHAUSTED, `a message of ${length} bytes is over ${MAX_MESSAGE_BYTES}`)
  }
  return length
}
