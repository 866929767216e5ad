/** Checks the messages of one direction of a call: as many as there should be, each of the right length. */
import { type Messages, messageOf, PREFIX_BYTES, totalBytes } from './messages.ts'

export class MessageCheck {
  receivedBytes = 0
  /** Messages that came whole. */
  messages = 0
  readonly #message: Buffer
  readonly #bytes: number
  /** Of the message that is coming. */
  #offset = 0

  constructor(messages: Messages) {
    this.#message = messageOf(messages.bytes)
    this.#bytes = totalBytes(messages)
  }

  /** All of them came. */
  get whole(): boolean {
    return this.receivedBytes === this.#bytes
  }

  /** `bytes[start..end)` came. @returns what is wrong with it */
  push(bytes: Buffer, start: number, end: number): string | undefined {
    this.receivedBytes += end - start
    if (this.receivedBytes > this.#bytes) return `${this.receivedBytes} bytes came instead of ${this.#bytes}`
    const message = this.#message
    let offset = this.#offset
    for (let at = start; at < end; ) {
      if (offset < PREFIX_BYTES) {
        if (bytes[at] !== message[offset]) return this.#wrongPrefix(offset, bytes[at]!)
        at++
        offset++
      } else {
        const rest = Math.min(message.length - offset, end - at)
        at += rest
        offset += rest
      }
      if (offset < message.length) continue
      offset = 0
      this.messages++
    }
    this.#offset = offset
    return undefined
  }

  /** What is wrong at the end of the direction. */
  end(): string | undefined {
    return this.whole ? undefined : `${this.receivedBytes} bytes came instead of ${this.#bytes}`
  }

  #wrongPrefix(offset: number, byte: number): string {
    const expected = this.#message[offset]
    return `the prefix of message ${this.messages + 1} has ${byte} at byte ${offset} instead of ${expected}`
  }
}
