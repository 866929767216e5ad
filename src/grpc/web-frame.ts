/**
 * Bodies of gRPC-Web (grpc/grpc doc/PROTOCOL-WEB.md): trailers as the last frame, and base64. Messages stay as they are:
 * their frames are those of gRPC.
 */
import type { Field } from './metadata.ts'

/** "the 8th (MSB) bit of the 1st gRPC frame byte: 0: data, 1: trailers" */
const TRAILERS = 0x80
const HEAD_BYTES = 5

/**
 * Trailers as a frame: "encoded as an HTTP/1 header block". As Envoy writes them, without a space behind the colon.
 * @param trailers with names and values that have no line breaks
 */
export function trailersFrame(trailers: readonly Field[]): Buffer {
  let text = ''
  for (const { name, value } of trailers) text += `${name}:${value}\r\n`
  const frame = Buffer.allocUnsafe(HEAD_BYTES + text.length)
  frame[0] = TRAILERS
  frame.writeUInt32BE(text.length, 1)
  frame.write(text, HEAD_BYTES, 'latin1')
  return frame
}

/** A piece of a body as base64 with padding of its own: "multiple concatenated base64-encoded segments" are allowed. */
export function toBase64(bytes: Buffer, start: number, end: number): Buffer {
  return Buffer.from(bytes.toString('base64', start, end), 'latin1')
}

const NOT_BASE64 = 0x80
const PADDING = 0x40
const SIX_BITS = new Uint8Array(256).fill(NOT_BASE64)
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
for (let i = 0; i < ALPHABET.length; i++) SIX_BITS[ALPHABET.charCodeAt(i)] = i
SIX_BITS['='.charCodeAt(0)] = PADDING

/** Reads base64 (RFC 4648 §4) that comes in pieces cut anywhere, with padding wherever a segment ends. */
export class Base64Reader {
  /** Of a group of four that has not all come: its bits, how many characters came, how many of those are padding. */
  #bits = 0
  #came = 0
  #padding = 0

  /** Characters of a group that has not all come: where there are any, it must not end here. */
  get pending(): number {
    return this.#came
  }

  /** @returns what is complete by now, in memory of its own; undefined: it is not base64 */
  read(text: Buffer, start: number, end: number): Buffer | undefined {
    const out = Buffer.allocUnsafe(3 * ((this.#came + end - start) >> 2))
    let [bits, came, padding, length] = [this.#bits, this.#came, this.#padding, 0]
    for (let i = start; i < end; i++) {
      const six = SIX_BITS[text[i]!]!
      if (six < PADDING) {
        if (padding > 0) return undefined
        bits = (bits << 6) | six
      } else {
        // Two characters at least make a byte.
        if (six === NOT_BASE64 || came < 2) return undefined
        padding++
        bits <<= 6
      }
      if (++came < 4) continue
      out[length++] = bits >> 16
      if (padding < 2) out[length++] = bits >> 8
      if (padding < 1) out[length++] = bits
      bits = came = padding = 0
    }
    this.#bits = bits
    this.#came = came
    this.#padding = padding
    return out.subarray(0, length)
  }
}
