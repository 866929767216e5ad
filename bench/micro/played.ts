/**
 * Streams of a call without connections: the client's half takes what the proxy sends and counts what ended well; the
 * backend's half has its headers encoded as those of a session, and waits until a case answers.
 */
import type {
  ClientSession,
  ClientSessionOwner,
  ClientTransport,
  HeaderBlock,
  Stream,
  StreamOwner,
} from '../../src/transport/transport.ts'
import { HpackEncoder, maxEncodedBytes } from '../../src/wire/index.ts'

class PlayedStream implements Stream {
  readonly queuedBytes = 0
  sendHeaders(_block: HeaderBlock, _endStream: boolean, _more?: HeaderBlock): void {}
  sendData(): boolean {
    return true
  }
  sendTrailers(_block: HeaderBlock): void {}
  reset(): void {}
  resetWhenSent(): void {}
  release(): void {}
  mute(): void {}
}

/** Calls that got a response and its trailers. */
export class Answered {
  count = 0
}

export class PlayedClient extends PlayedStream {
  readonly #answered: Answered

  constructor(answered: Answered) {
    super()
    this.#answered = answered
  }

  override sendTrailers(): void {
    this.#answered.count++
  }
}

export class PlayedBackend extends PlayedStream {
  readonly owner: StreamOwner
  readonly #session: PlayedSession

  constructor(owner: StreamOwner, session: PlayedSession) {
    super()
    this.owner = owner
    this.#session = session
  }

  override sendHeaders(block: HeaderBlock, _endStream: boolean, more?: HeaderBlock): void {
    this.#session.encode(block, more)
  }
}

/** So many streams at a time, which is more than a case opens. */
const MAX_STREAMS = 1_000

class PlayedSession implements ClientSession {
  readonly received = 0
  readonly opened: PlayedBackend[] = []
  answered = true
  streams = 0
  readonly #encoder = new HpackEncoder()
  #output = Buffer.alloc(16_384)

  get free(): number {
    return MAX_STREAMS - this.streams
  }

  open(owner: StreamOwner): PlayedBackend {
    this.streams++
    const stream = new PlayedBackend(owner, this)
    this.opened.push(stream)
    return stream
  }

  encode(block: HeaderBlock, more: HeaderBlock | undefined): void {
    const bytes = maxEncodedBytes(block) + (more === undefined ? 0 : maxEncodedBytes(more))
    if (bytes > this.#output.length) this.#output = Buffer.alloc(bytes)
    const at = this.#encoder.encode(block, this.#output, 0)
    if (more !== undefined) this.#encoder.goOn(more, this.#output, at)
  }

  /** Answers all streams that are open, and ends them. */
  answer(headers: HeaderBlock, message: Buffer, trailers: HeaderBlock): void {
    for (const { owner } of this.opened) {
      owner.onHeaders(headers, false)
      owner.onData(message, 0, message.length, false)
      owner.onTrailers(trailers)
      this.streams--
      owner.onClosed({ kind: 'clean' })
    }
    this.opened.length = 0
  }

  ping(): void {}
  retire(): void {}
  destroy(): void {}
}

export class PlayedTransport implements ClientTransport {
  readonly name = 'frames'
  readonly session = new PlayedSession()
  #owner: ClientSessionOwner | undefined

  connect(_address: unknown, owner: ClientSessionOwner): ClientSession {
    this.#owner = owner
    return this.session
  }

  /** The session is ready, once a backend has asked for it. */
  ready(): void {
    this.#owner!.onReady(this.session)
  }
}
