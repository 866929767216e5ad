/** The messages of one direction of an http2 stream, both ways, with back-pressure. */
import type { Http2Stream } from 'node:http2'
import { frameMessage, MessageDecoder } from './framing.ts'
import { cancelled, type Deferred, deferred } from './pace.ts'
import type { Codec } from './proto.ts'

/**
 * Messages as they arrive. It reads on only when all that arrived was taken, so a slow consumer slows
 * the sender. Leaving the loop early leaves the stream as it is; `discard` drops the rest.
 * @throws CallError when the stream is cut off, or its bytes are not messages
 */
export class MessageReader {
  readonly #stream: Http2Stream
  readonly #codec: Codec
  readonly #decoder = new MessageDecoder()
  readonly #ready: Buffer[] = []
  #over = false
  #failure: Error | undefined
  #waiting: Deferred<void> | undefined

  constructor(stream: Http2Stream, codec: Codec) {
    this.#stream = stream
    this.#codec = codec
    stream.on('data', (chunk: Buffer) => this.#attempt(() => this.#ready.push(...this.#decoder.push(chunk))))
    stream.on('end', () =>
      this.#attempt(() => {
        // Node ends the readable side of a stream that was reset just as that of a finished one.
        if (stream.aborted || (stream.rstCode ?? 0) !== 0) throw cancelled()
        this.#decoder.end()
        this.#over = true
      }),
    )
    // After 'end' this changes nothing, because the first outcome stays.
    stream.on('close', () => this.fail(cancelled()))
    stream.pause()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<never, void, undefined> {
    for (;;) {
      const bytes = this.#ready.shift()
      // The codec's method says what type the messages have; the reader does not know.
      if (bytes !== undefined) yield this.#codec.decode(bytes) as never
      else if (this.#failure !== undefined) throw this.#failure
      else if (this.#over) return
      else await this.#more()
    }
  }

  /** Makes a waiting consumer, or the next one, fail with this; the first one counts. */
  fail(failure: Error): void {
    if (this.#over) return
    this.#over = true
    this.#failure = failure
    this.#waiting?.resolve()
  }

  /** Lets the rest arrive and forgets it: an unread stream would never close. */
  discard(): void {
    this.#ready.length = 0
    this.#stream.removeAllListeners('data')
    this.#stream.resume()
  }

  async #more(): Promise<void> {
    this.#waiting = deferred()
    this.#stream.resume()
    await this.#waiting.promise
    this.#waiting = undefined
  }

  #attempt(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.fail(error as Error)
    }
    if (this.#ready.length > 0) this.#stream.pause()
    if (this.#ready.length > 0 || this.#over) this.#waiting?.resolve()
  }
}

/** Sends a message; resolves when the stream has room for another. @throws CallError CANCELLED */
export async function writeMessage(stream: Http2Stream, bytes: Buffer, signal: AbortSignal): Promise<void> {
  if (signal.aborted || stream.destroyed) throw cancelled()
  if (stream.write(frameMessage(bytes))) return
  await new Promise<void>(resolve => {
    const settle = (): void => {
      stream.off('drain', settle)
      stream.off('close', settle)
      signal.removeEventListener('abort', settle)
      resolve()
    }
    stream.on('drain', settle)
    stream.on('close', settle)
    signal.addEventListener('abort', settle)
  })
  if (signal.aborted || stream.destroyed) throw cancelled()
}
