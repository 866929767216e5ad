/** A session to a service that is in this process: there is no connection, and no limit but that of the service. */
import type { ClientSession, ClientSessionOwner, Stream, StreamOwner } from '../transport/transport.ts'
import { type Answering, AnsweringStream } from './answering-stream.ts'

/** What is open is bounded by what calls may take in memory. */
const STREAMS_MAX = 2 ** 31 - 1

export class AnsweringSession implements ClientSession {
  readonly #service: Answering
  readonly #owner: ClientSessionOwner
  readonly #streams = new Set<AnsweringStream>()
  answered = false
  received = 0
  #ready = false
  #retired = false
  #closed = false

  constructor(service: Answering, owner: ClientSessionOwner) {
    this.#service = service
    this.#owner = owner
    // Its pool has to know it before.
    queueMicrotask(() => {
      if (this.#closed) return
      this.#ready = true
      owner.onReady(this)
    })
  }

  get streams(): number {
    return this.#streams.size
  }

  get free(): number {
    return this.#ready && !this.#retired && !this.#closed ? STREAMS_MAX - this.#streams.size : 0
  }

  open(owner: StreamOwner): Stream {
    const stream = new AnsweringStream(this.#service, owner, () => this.#onStreamOver(stream))
    this.#streams.add(stream)
    return stream
  }

  #onStreamOver(stream: AnsweringStream): void {
    this.#streams.delete(stream)
    if (this.#retired && this.#streams.size === 0) this.destroy()
  }

  ping(): void {
    this.received++
  }

  retire(): void {
    this.#retired = true
    if (this.#streams.size === 0) this.destroy()
  }

  destroy(reason = 'closed'): void {
    if (this.#closed) return
    this.#closed = true
    queueMicrotask(() => {
      for (const stream of [...this.#streams]) stream.lose(reason)
      this.#owner.onSessionClosed(this, reason)
    })
  }
}
