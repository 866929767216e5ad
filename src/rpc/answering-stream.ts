/** A call that is answered in this process: its one request message, and what a service sends. */
import { onlyMessage, PREFIX_BYTES } from '../grpc/message.ts'
import { answerContentType, field } from '../grpc/metadata.ts'
import { encodeMessage, Status, type StatusCode } from '../grpc/status.ts'
import type { HeaderBlock, HeaderField, Stream, StreamEnd, StreamOwner } from '../transport/transport.ts'
import { ErrorCode } from '../wire/errors.ts'
import { NO_BYTES } from '../wire/no-bytes.ts'

/** A name of a service has some 50 bytes. There may be fields that only later versions know. */
const REQUEST_MAX_BYTES = PREFIX_BYTES + 4_096

/** A service whose methods take one message. */
export interface Answering {
  has(path: string): boolean
  /** The request is complete. */
  onRequest(stream: AnsweringStream, path: string, message: Buffer): void
  onOver(stream: AnsweringStream): void
}

const OK: HeaderField = field(':status', '200')
const STATUS_OK: HeaderBlock = [field('grpc-status', '0')]

export class AnsweringStream implements Stream {
  readonly #service: Answering
  readonly #owner: StreamOwner
  readonly #onOver: () => void
  #path = ''
  #contentType = ''
  #body = NO_BYTES
  /** END_STREAM came. */
  #ended = false
  /** What came is enough to answer. */
  #asked = false
  /** The answer is complete, or nobody wants it. */
  #done = false
  #closed = false
  readonly queuedBytes = 0

  constructor(service: Answering, owner: StreamOwner, onOver: () => void) {
    this.#service = service
    this.#owner = owner
    this.#onOver = onOver
  }

  /** Whose call it is. */
  get client(): object {
    return this.#owner.consumer ?? this.#owner
  }

  /** What the client has not taken. */
  get unreadBytes(): number {
    return this.#owner.waitingBytes ?? 0
  }

  sendHeaders(block: HeaderBlock, endStream: boolean): void {
    for (const { name, value } of block) {
      if (name === ':path') this.#path = value
      else if (name === 'content-type') this.#contentType = value
    }
    if (endStream) this.#ended = true
    if (endStream || !this.#service.has(this.#path)) this.#ask()
  }

  sendData(bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    if (endStream) this.#ended = true
    if (!this.#asked && end > start) this.#body = Buffer.concat([this.#body, bytes.subarray(start, end)])
    if (endStream || this.#body.length > REQUEST_MAX_BYTES) this.#ask()
    return true
  }

  sendTrailers(): void {
    this.sendData(NO_BYTES, 0, 0, true)
  }

  /** Whoever sends the request is not told anything before that returns. */
  #ask(): void {
    if (this.#asked) return
    this.#asked = true
    queueMicrotask(() => {
      if (!this.#done) this.#answer()
    })
  }

  #answer(): void {
    const body = this.#body
    this.#body = NO_BYTES
    if (!this.#service.has(this.#path)) return this.fail(Status.UNIMPLEMENTED, 'unknown method')
    if (body.length > REQUEST_MAX_BYTES) return this.fail(Status.RESOURCE_EXHAUSTED, 'the request is too large')
    const message = onlyMessage(body)
    if (typeof message !== 'string') return this.#service.onRequest(this, this.#path, message)
    // Of statuscodes.md: another number of messages, and a compression that is not known, are UNIMPLEMENTED.
    const status = message === NOT_WHOLE ? Status.INTERNAL : Status.UNIMPLEMENTED
    this.fail(status, `the request has ${message}`)
  }

  /** The response's headers; its messages come next. */
  begin(): void {
    if (!this.#done) this.#owner.onHeaders([OK, this.#type], false)
  }

  /** @param message with its prefix */
  send(message: Buffer): void {
    if (!this.#done) this.#owner.onData(message, 0, message.length, false)
  }

  /** The end of a response that has begun. */
  end(status: StatusCode, message: string): void {
    if (this.#done) return
    this.#done = true
    this.#owner.onTrailers(status === Status.OK ? STATUS_OK : statusFields(status, message))
    // Else whoever does not read it must be found out: `giveUp` follows.
    if (status === Status.OK) this.#close(COMPLETE)
  }

  /** The whole response, without a message. */
  fail(status: StatusCode, message: string): void {
    if (this.#done) return
    this.#done = true
    this.#owner.onHeaders([OK, this.#type, ...statusFields(status, message)], true)
    // RFC 9113 §8.1: the rest of the request is not wanted.
    this.#close(this.#ended ? COMPLETE : { kind: 'reset', code: ErrorCode.NO_ERROR, by: 'peer' })
  }

  /** The time is over in which the client should have taken the end of the response. */
  giveUp(): void {
    if (this.#closed) return
    if (this.unreadBytes > 0) this.#owner.onOverdue?.()
    this.#close(COMPLETE)
  }

  get #type(): HeaderField {
    return field('content-type', answerContentType(this.#contentType))
  }

  reset(code: ErrorCode): void {
    if (this.#closed) return
    this.#done = true
    this.#over()
    queueMicrotask(() => this.#close({ kind: 'reset', code, by: 'self' }))
  }

  resetWhenSent(code: ErrorCode): void {
    this.reset(code)
  }

  /** The session ends. */
  lose(reason: string): void {
    this.#done = true
    this.#close({ kind: 'lost', by: 'self', unprocessed: false, reason })
  }

  #close(end: StreamEnd): void {
    if (this.#closed) return
    this.#closed = true
    this.#over()
    this.#onOver()
    this.#owner.onClosed(end)
  }

  #over(): void {
    this.#service.onOver(this)
  }

  release(): void {
    // What is sent is small, and is not sent again before it was taken.
  }

  mute(): void {
    // A response has an end, or `reset` follows.
  }
}

const NOT_WHOLE = 'a message that is not whole'
const COMPLETE: StreamEnd = { kind: 'clean' }

function statusFields(status: StatusCode, message: string): HeaderBlock {
  return [field('grpc-status', String(status)), field('grpc-message', encodeMessage(message))]
}
