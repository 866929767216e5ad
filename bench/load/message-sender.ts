/** Sends the messages of one direction of a call, as fast as windows and socket take them. */
import type { WireStream } from '../../src/wire/index.ts'
import { type Messages, messageOf, totalBytes } from './messages.ts'

/** A stream is given one frame at a time, so that it must copy little when a window is used up. */
const PIECE_BYTES = 16_384

export class MessageSender {
  readonly #stream: WireStream
  readonly #message: Buffer
  readonly #bytes: number
  readonly #endStream: boolean
  #sentBytes = 0
  #allowedBytes = 0

  /** @param endStream the last message ends our side of the stream */
  constructor(stream: WireStream, messages: Messages, endStream: boolean) {
    this.#stream = stream
    this.#message = messageOf(messages.bytes)
    this.#bytes = totalBytes(messages)
    this.#endStream = endStream
  }

  /** Whether the stream was given everything. */
  get done(): boolean {
    return this.#sentBytes === this.#bytes
  }

  /** Allows this many messages in all, and sends them. */
  allow(count: number): void {
    this.#allowedBytes = Math.min(this.#bytes, count * this.#message.length)
    this.send()
  }

  /** Continues to send, for `onWritable`. Each message begins a DATA frame, as with the usual libraries. */
  send(): void {
    const message = this.#message
    while (this.#sentBytes < this.#allowedBytes) {
      const start = this.#sentBytes % message.length
      const end = Math.min(message.length, start + PIECE_BYTES)
      this.#sentBytes += end - start
      if (!this.#stream.sendData(message, start, end, this.#endStream && this.done)) return
    }
  }
}
