/** An upstream whose request goes to a copy, too. The call hears of that alone. */
import { PassedStream } from '../transport/passed-stream.ts'
import type { HeaderBlock, Stream } from '../transport/transport.ts'
import type { ErrorCode } from '../wire/errors.ts'
import { NO_BYTES } from '../wire/no-bytes.ts'
import type { Upstream } from './attempt.ts'
import type { Copy } from './copy.ts'
import type { Failure } from './failure.ts'

/** An `Upstream` (`upstream.ts`). */
export class Mirrored {
  readonly stream: Stream
  readonly #attempt: Upstream
  readonly #copy: Copy

  /** @param stream by default that of the attempt, with the copy */
  constructor(attempt: Upstream, copy: Copy, stream: Stream = new MirroredStream(attempt.stream, copy)) {
    this.#attempt = attempt
    this.#copy = copy
    this.stream = stream
  }

  get lease(): Upstream['lease'] {
    return this.#attempt.lease
  }

  get closed(): boolean {
    return this.#attempt.closed
  }

  /** What its backend has ended is still compared. */
  abandon(code: ErrorCode, failure?: Failure): void {
    if (!this.#attempt.closed) this.#copy.cancel()
    this.#attempt.abandon(code, failure)
  }

  /** The copy goes on: the next attempt brings what it has. */
  replaced(...by: Parameters<Upstream['replaced']>): void {
    this.#attempt.replaced(...by)
  }

  linger(context: Parameters<Upstream['linger']>[0]): void {
    this.#attempt.linger(context)
  }
}

/** A request that goes to a copy, too. Of several attempts that get the same the copy gets it once. */
export class MirroredStream extends PassedStream {
  readonly #copy: Copy
  /** Bytes that this attempt got. A later one gets again what the copy has. */
  #sentBytes = 0

  constructor(stream: Stream, copy: Copy) {
    super(stream)
    this.#copy = copy
  }

  override sendHeaders(block: HeaderBlock, endStream: boolean, more?: HeaderBlock): void {
    super.sendHeaders(block, endStream, more)
    this.#copy.begin(block, endStream, more)
    // One that began with an earlier attempt has not heard of the end.
    if (endStream) this.#copy.data(NO_BYTES, 0, 0, true)
  }

  /** The attempt is first: a frame that is in hand goes on in place, and the copy gets a copy. */
  override sendData(bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    const writable = super.sendData(bytes, start, end, endStream)
    const known = Math.min(Math.max(this.#copy.receivedBytes - this.#sentBytes, 0), end - start)
    this.#sentBytes += end - start
    if (known < end - start || endStream) this.#copy.data(bytes, start + known, end, endStream)
    return writable
  }
}
