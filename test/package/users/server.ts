/** A user of `grpc-verbatim/wire`: a server that sends back what it gets, no faster than it is read. */
import type { Socket } from 'node:net'
import {
  type ConnectionLimits,
  fieldOf,
  type HeaderField,
  type StreamEnd,
  type WireStream,
  type WireStreamOwner,
} from 'grpc-verbatim/wire'
import { Loop } from './loop.ts'

class Echo implements WireStreamOwner {
  /** Received bytes whose copy waits: the sender gets no window for them. */
  held = 0
  end: StreamEnd | undefined
  #bytes = 0
  readonly #stream: WireStream

  constructor(stream: WireStream) {
    this.#stream = stream
  }

  onHeaders(block: readonly HeaderField[], endStream: boolean): void {
    const path = block.find(field => field.name === ':path')!.value
    this.#stream.sendHeaders([fieldOf(':status', '200'), fieldOf('x-path', path)], false)
    if (endStream) this.#finish()
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#bytes += end - start
    if (this.#stream.sendData(bytes, start, end, false)) this.#stream.release(end - start)
    else this.held += end - start
    if (endStream) this.#finish()
  }

  onTrailers(): void {
    this.#finish()
  }

  onWritable(): void {
    this.#stream.release(this.held)
    this.held = 0
  }

  onClosed(end: StreamEnd): void {
    this.end = end
  }

  #finish(): void {
    this.#stream.sendTrailers([fieldOf('x-bytes', `${this.#bytes}`)])
  }
}

export class EchoServer extends Loop {
  readonly echoes: Echo[] = []

  constructor(socket: Socket, limits?: ConnectionLimits) {
    super(socket, 'server', limits)
  }

  override onStream(stream: WireStream): Echo {
    const echo = new Echo(stream)
    this.echoes.push(echo)
    return echo
  }
}
