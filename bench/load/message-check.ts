/** Checks the messages of one direction of a call, byte by byte: whether all came, and each as it was sent. */
import { type Messages, messageOf, PREFIX_BYTES, patternOf, totalBytes } from './messages.ts'

export class MessageCheck {
  receivedBytes = 0
  /** Of one message. */
  readonly #length: number
  /** The bytes that must come, over and over. */
  readonly #pattern: Buffer
  readonly #bytes: number

  constructor(messages: Messages) {
    this.#length = messages.bytes
    this.#pattern = patternOf(messages.bytes)
    this.#bytes = totalBytes(messages)
  }

  /** How many messages came whole. */
  get messages(): number {
    return Math.floor(this.receivedBytes / this.#length)
  }

  /** Whether all of them came. */
  get whole(): boolean {
    return this.receivedBytes === this.#bytes
  }

  /** `bytes[start..end)` came. @returns what is wrong with the bytes */
  push(bytes: Buffer, start: number, end: number): string | undefined {
    const before = this.receivedBytes
    const received = before + end - start
    this.receivedBytes = received
    if (received > this.#bytes) return `${received} bytes came instead of ${this.#bytes}`
    const pattern = this.#pattern
    let offset = before % this.#length
    for (let at = start; at < end; ) {
      const count = Math.min(end - at, pattern.length - offset)
      if (pattern.compare(bytes, at, at + count, offset, offset + count) !== 0) {
        return wrongByte(bytes, start, end, before, this.#length)
      }
      at += count
      offset = (offset + count) % this.#length
    }
    return undefined
  }

  /** Says what is wrong at the end of the direction. */
  end(): string | undefined {
    return this.whole ? undefined : `${this.receivedBytes} bytes came instead of ${this.#bytes}`
  }
}

/**
 * Says where `bytes[start..end)` is not what it must be.
 * @param before bytes of the same direction that came before them
 * @param length of each message
 */
export function wrongByte(bytes: Buffer, start: number, end: number, before: number, length: number): string {
  const message = messageOf(length)
  for (let at = start; at < end; at++) {
    const position = before + at - start
    const offset = position % length
    if (bytes[at] === message[offset]) continue
    const part = offset < PREFIX_BYTES ? 'the prefix' : 'the payload'
    const number = Math.floor(position / length) + 1
    return `${part} of message ${number} has ${bytes[at]} at byte ${offset} instead of ${message[offset]}`
  }
  throw new RangeError('all of these bytes are right')
}
