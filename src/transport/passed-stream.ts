/** A stream made of another one: all passes on to it as it is, but for what a subclass does otherwise. */
import type { ErrorCode } from '../wire/errors.ts'
import type { HeaderBlock, SendBlock, Stream } from './transport.ts'

export class PassedStream implements Stream {
  protected readonly below: Stream

  constructor(below: Stream) {
    this.below = below
  }

  sendHeaders(block: HeaderBlock, endStream: boolean, more?: HeaderBlock): void {
    this.below.sendHeaders(block, endStream, more)
  }

  sendData(bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    return this.below.sendData(bytes, start, end, endStream)
  }

  sendTrailers(block: HeaderBlock): void {
    this.below.sendTrailers(block)
  }

  get queuedBytes(): number {
    return this.below.queuedBytes
  }

  get heldBackBy(): SendBlock | undefined {
    return this.below.heldBackBy
  }

  get knowsResets(): boolean | undefined {
    return this.below.knowsResets
  }

  reset(code: ErrorCode): void {
    this.below.reset(code)
  }

  resetWhenSent(code: ErrorCode): void {
    this.below.resetWhenSent(code)
  }

  release(bytes: number): void {
    this.below.release(bytes)
  }

  mute(): void {
    this.below.mute()
  }
}
