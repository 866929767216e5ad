/** Sends the messages of one direction of a call, as fast as windows and socket take them. */
import type { WireStream } from '../../src/wire/index.ts'
import { type Messages, messageOf, totalBytes } from './messages.ts'

/** What a stream is given in one piece, so that what it must copy when a window is used up stays small: a frame. */
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

  /** The stream was given everything. */
  get done(): boolean {
    return this.#sentBytes === this.#bytes
  }

  /** Lets so many messages in all go out, and sends them. */
  allow(count: number): void {
    this.#allowedBytes = Math.min(this.#bytes, count * this.#message.length)
    this.send()
  }

  /** Goes on: for `onWritable`. Each message begins a DATA frame, as with the usual libraries. */
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
