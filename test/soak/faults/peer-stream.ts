/** One stream of a `Peer`: what waits to be sent, and the windows both ways. */
import type { DecodedField, Field } from '../../support/hpack.ts'
import type { Peer } from './peer.ts'

export interface StreamOwner {
  onHeaders(fields: readonly DecodedField[], endStream: boolean): void
  onData(bytes: Buffer, endStream: boolean): void
  onReset(code: number): void
  /** The connection ended, whoever ended it. */
  onLost(): void
  /** The stream is closed, by whatever; what closed it may be told after. */
  onGone(): void
}

export class PeerStream {
  readonly id: number
  readonly peer: Peer
  owner: StreamOwner | undefined
  /** What we may send. */
  sendWindow: number
  /** What the other side may send, as far as it has acknowledged our settings. */
  receiveWindow: number
  /** The owner says when bytes are read: `release`. */
  manual = false
  headersReceived = false
  remoteEnded = false
  localEnded = false
  /** Read, and not given back yet: the peer withholds windows. */
  owed = 0
  readonly #queue: Buffer[] = []
  #ending: 'data' | readonly Field[] | undefined
  #resetAfter: number | undefined

  constructor(peer: Peer, id: number, sendWindow: number, receiveWindow: number) {
    this.peer = peer
    this.id = id
    this.sendWindow = sendWindow
    this.receiveWindow = receiveWindow
  }

  headers(fields: readonly Field[], endStream = false): void {
    if (this.localEnded) return
    this.peer.sendHeaders(this, fields, endStream)
    if (endStream) this.#endLocal()
  }

  write(pieces: readonly Buffer[]): void {
    if (this.localEnded || this.#ending !== undefined) return
    for (const piece of pieces) if (piece.length > 0) this.#queue.push(piece)
    this.pump()
  }

  /** END_STREAM on the last DATA, or on trailers. @param resetAfter RST_STREAM right after it */
  end(trailers?: readonly Field[], resetAfter?: number): void {
    if (this.localEnded || this.#ending !== undefined) return
    this.#ending = trailers ?? 'data'
    this.#resetAfter = resetAfter
    this.pump()
  }

  /** RST_STREAM now; the owner hears nothing more. */
  reset(code: number): void {
    this.peer.resetStream(this, code)
  }

  /** With `manual`: these bytes are read. */
  release(bytes: number): void {
    this.peer.giveBack(this, bytes)
  }

  get waiting(): boolean {
    return this.#queue.length > 0 || this.#ending !== undefined
  }

  /** Sends what the windows and the socket let through. */
  pump(): void {
    const { peer } = this
    while (this.#queue.length > 0) {
      const head = this.#queue[0]!
      const size = Math.min(head.length, peer.dataRoom(this))
      if (size <= 0) return
      const last = size === head.length && this.#queue.length === 1 && this.#ending === 'data'
      peer.sendData(this, head.subarray(0, size), last)
      if (size === head.length) this.#queue.shift()
      else this.#queue[0] = head.subarray(size)
      if (last) return this.#ended()
    }
    if (this.#ending === undefined) return
    if (this.#ending === 'data') peer.sendData(this, Buffer.alloc(0), true)
    else peer.sendHeaders(this, this.#ending, true)
    this.#ended()
  }

  #ended(): void {
    this.#ending = undefined
    this.#endLocal()
    if (this.#resetAfter !== undefined && !this.remoteEnded) this.reset(this.#resetAfter)
  }

  #endLocal(): void {
    this.localEnded = true
    this.peer.settle(this)
  }

  /** Nothing more goes out. */
  discard(): void {
    this.localEnded = true
    this.#ending = undefined
    this.#queue.length = 0
  }
}
