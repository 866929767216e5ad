/**
 * The request as far as it has come, kept so that it can be sent once a session is there, and sent
 * again where the backend did not process it (gRFC A6).
 */
import { copyOf } from '../transport/lent.ts'
import type { HeaderBlock, Stream } from '../transport/transport.ts'

export class Replay {
  readonly #chunks: Buffer[] = []
  /** Payload bytes kept. */
  bytes = 0
  /** END_STREAM came. */
  ended = false
  trailers: HeaderBlock | undefined

  push(bytes: Buffer, start: number, end: number): void {
    if (end === start) return
    this.#chunks.push(copyOf(bytes, start, end))
    this.bytes += end - start
  }

  /** Nothing but headers so far, and nothing to come. */
  get headersOnly(): boolean {
    return this.ended && this.bytes === 0 && this.trailers === undefined
  }

  /** @returns what the last `sendData` said: false to wait for `onWritable` */
  sendTo(stream: Stream): boolean {
    let writable = true
    const last = this.#chunks.length - 1
    const endWithData = this.ended && this.trailers === undefined
    for (let i = 0; i <= last; i++) {
      const chunk = this.#chunks[i]!
      writable = stream.sendData(chunk, 0, chunk.length, endWithData && i === last)
    }
    if (endWithData && last < 0) stream.sendData(EMPTY, 0, 0, true)
    if (this.trailers !== undefined) stream.sendTrailers(this.trailers)
    return writable
  }
}

const EMPTY = Buffer.alloc(0)
