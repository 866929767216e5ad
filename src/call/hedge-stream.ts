/** A request on its way to all attempts of a hedged call that are open. */
import type { HeaderBlock, SendBlock, Stream } from '../transport/transport.ts'
import type { ErrorCode } from '../wire/errors.ts'
import type { CallRequest } from './request.ts'

/** What the stream tells its hedge. */
interface FanOwner {
  /** All that has come is sent. */
  sent(): void
  /** More of the request has come. */
  moved(): void
  /** More of the request is there than is kept. */
  commitToFurthest(): void
}

export class FannedStream implements Stream {
  readonly #hedge: FanOwner
  readonly #request: CallRequest
  /** Once the call is committed there is one. */
  readonly streams: Stream[] = []
  /** Of what came before there was an attempt, what the first one has not been given yet. */
  #keptBytes = 0

  constructor(hedge: FanOwner, request: CallRequest) {
    this.#hedge = hedge
    this.#request = request
  }

  remove(stream: Stream): void {
    const at = this.streams.indexOf(stream)
    if (at !== -1) this.streams.splice(at, 1)
  }

  /** With what has come of its data it goes to the first attempt: the others get their own. */
  sendHeaders(block: HeaderBlock, endStream: boolean, more?: HeaderBlock): void {
    this.#keptBytes = this.#request.bytes
    this.streams[0]!.sendHeaders(block, endStream, more)
    if (this.#keptBytes === 0) this.#hedge.sent()
  }

  sendData(bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    if (this.#keptBytes === 0) return this.#sendToAll(bytes, start, end, endStream)
    const writable = this.streams[0]!.sendData(bytes, start, end, endStream)
    this.#keptBytes -= end - start
    if (this.#keptBytes === 0) this.#hedge.sent()
    return writable
  }

  /**
   * The client may go on as soon as one attempt takes more: one that hangs must not hold back the others. What it has not
   * taken is bounded by what is kept of a request, and counted as memory of the call.
   */
  #sendToAll(bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    if (!this.#request.kept) this.#hedge.commitToFurthest()
    this.#hedge.moved()
    let slow = 0
    for (const stream of this.streams) if (!stream.sendData(bytes, start, end, endStream)) slow++
    const writable = slow < this.streams.length
    // Where none takes more, the bytes of one of them have the window of the client as their bound.
    const copies = writable ? slow : slow - 1
    if (copies > 0) this.#request.charge(copies * (end - start))
    return writable
  }

  /** What no attempt has taken. */
  get queuedBytes(): number {
    let least = Infinity
    for (const { queuedBytes } of this.streams) least = Math.min(least, queuedBytes)
    return least === Infinity ? 0 : least
  }

  get heldBackBy(): SendBlock | undefined {
    return this.streams[0]?.heldBackBy
  }

  sendTrailers(block: HeaderBlock): void {
    this.streams[0]?.sendTrailers(block)
  }

  reset(code: ErrorCode): void {
    for (const stream of this.streams) stream.reset(code)
  }

  resetWhenSent(code: ErrorCode): void {
    for (const stream of this.streams) stream.resetWhenSent(code)
  }

  /** Of the response: there is one attempt. */
  release(bytes: number): void {
    this.streams[0]?.release(bytes)
  }

  mute(): void {
    this.streams[0]?.mute()
  }
}
