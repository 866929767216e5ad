/** A user of `grpc-verbatim/wire`: an HTTP/2 client that knows nothing of gRPC. */
import type { Socket } from 'node:net'
import { fieldOf, type HeaderField, type StreamEnd, type WireStream, type WireStreamOwner } from 'grpc-verbatim/wire'
import { Loop } from './loop.ts'

const PIECE_BYTES = 16_384

/** One exchange: sends `body` as far as windows let it, gathers the answer. */
class Exchange implements WireStreamOwner {
  readonly headers: Record<string, string> = {}
  readonly trailers: Record<string, string> = {}
  readonly chunks: Buffer[] = []
  stream!: WireStream
  /** How often it had to wait for a window. */
  waits = 0
  #sent = 0
  readonly #body: Buffer
  readonly #done: (end: StreamEnd) => void

  constructor(body: Buffer, done: (end: StreamEnd) => void) {
    this.#body = body
    this.#done = done
  }

  /** The next pieces, until one did not fit. */
  onWritable(): void {
    for (let writable = true; writable && this.#sent < this.#body.length; ) {
      const to = Math.min(this.#body.length, this.#sent + PIECE_BYTES)
      writable = this.stream.sendData(this.#body, this.#sent, to, to === this.#body.length)
      this.#sent = to
      if (!writable) this.waits++
    }
  }

  onHeaders(block: readonly HeaderField[]): void {
    for (const { name, value } of block) this.headers[name] = value
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.chunks.push(Buffer.from(bytes.subarray(start, end)))
    this.stream.release(end - start)
  }

  onTrailers(block: readonly HeaderField[]): void {
    for (const { name, value } of block) this.trailers[name] = value
  }

  onClosed(end: StreamEnd): void {
    this.#done(end)
  }
}

export interface Answer {
  readonly headers: Readonly<Record<string, string>>
  readonly trailers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly end: StreamEnd
  readonly waits: number
}

export class Client extends Loop {
  /** Requests for which no stream was free. */
  readonly #waiting: (() => void)[] = []

  constructor(socket: Socket) {
    super(socket, 'client')
  }

  override onReady(): void {
    this.onFree()
  }

  override onFree(): void {
    while (this.connection.free > 0 && this.#waiting.length > 0) this.#waiting.shift()!()
  }

  request(fields: Readonly<Record<string, string>>, body: Buffer = Buffer.alloc(0)): Promise<Answer> {
    return new Promise(resolve => {
      const exchange: Exchange = new Exchange(body, end => {
        const { headers, trailers, chunks, waits } = exchange
        resolve({ headers, trailers, body: Buffer.concat(chunks), end, waits })
      })
      this.#waiting.push(() => {
        exchange.stream = this.connection.openStream(exchange)
        const block = Object.entries(fields).map(([name, value]) => fieldOf(name, value))
        exchange.stream.sendHeaders(block, body.length === 0)
        exchange.onWritable()
      })
      this.onFree()
    })
  }
}
