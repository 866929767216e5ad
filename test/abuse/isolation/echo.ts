/** A call whose answer is what was asked, byte by byte, and then status 0. */

import type { Peer } from '../../soak/faults/peer.ts'
import type { PeerStream, StreamOwner } from '../../soak/faults/peer-stream.ts'
import { Code } from '../../support/frames.ts'
import type { DecodedField, Field } from '../../support/hpack.ts'

const REQUEST: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'localhost'],
  [':path', '/victim.Calls/Echo'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
]

/** A gRPC message that no other call has. */
export function question(number: number): Buffer {
  const text = `question ${number} `.padEnd(100, String(number))
  const out = Buffer.alloc(5 + text.length)
  out.writeUInt32BE(text.length, 1)
  out.write(text, 5, 'latin1')
  return out
}

export interface EchoOwner {
  /** All of a question came back. */
  onAnswer(): void
  /** It is over. `problem`: and not as it should be. */
  onEnd(problem: string | undefined): void
}

export class Echo implements StreamOwner {
  readonly #owner: EchoOwner
  readonly #stream: PeerStream
  readonly #expected: Buffer[] = []
  #received: Buffer = Buffer.alloc(0)
  #status: string | undefined
  #problem: string | undefined
  #over = false

  constructor(peer: Peer, owner: EchoOwner) {
    this.#owner = owner
    this.#stream = peer.request(this, REQUEST, false)
  }

  ask(bytes: Buffer): void {
    this.#expected.push(bytes)
    this.#stream.write([bytes])
  }

  /** No more questions. */
  end(): void {
    this.#stream.end()
  }

  giveUp(why: string): void {
    this.#problem ??= why
    this.#stream.reset(Code.CANCEL)
    this.#finish()
  }

  onHeaders(fields: readonly DecodedField[], endStream: boolean): void {
    const value = (name: string) => fields.find(field => field.name === name)?.value
    if (endStream) this.#status = `${value('grpc-status')} ${value('grpc-message') ?? ''}`.trim()
    else if (value(':status') !== '200') this.#problem ??= `:status ${value(':status')}`
  }

  onData(bytes: Buffer, endStream: boolean): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
    while (this.#expected.length > 0 && this.#received.length >= this.#expected[0]!.length) {
      const expected = this.#expected.shift()!
      if (!this.#received.subarray(0, expected.length).equals(expected)) this.#problem ??= 'other bytes than were sent'
      this.#received = this.#received.subarray(expected.length)
      this.#owner.onAnswer()
    }
    if (endStream) this.#problem ??= 'no trailers'
  }

  onReset(code: number): void {
    if (this.#status === undefined) this.#problem ??= `RST_STREAM ${code}`
  }

  onLost(): void {
    this.#problem ??= 'the connection ended'
    this.#finish()
  }

  /** By a reset, which is told after. */
  onGone(): void {
    queueMicrotask(() => this.#finish())
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    if (this.#status !== undefined && this.#status !== '0') this.#problem = `grpc-status ${this.#status}`
    const missing = this.#expected.length
    if (missing > 0) this.#problem ??= `${missing} answers are missing`
    if (this.#received.length > 0) this.#problem ??= `${this.#received.length} bytes are too many`
    this.#owner.onEnd(this.#problem)
  }
}
