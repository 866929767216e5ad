/** One call of the node:http2 server: headers, messages, the end, in the order that gRPC wants. */
import type { OutgoingHttpHeaders, ServerHttp2Stream, ServerStreamResponseOptions } from 'node:http2'
import { encodeMessage, Status } from '../grpc/status.ts'
import { type Call, CallError, type Metadata } from './call.ts'
import { MessageReader, writeMessage } from './message-stream.ts'
import { cancelled } from './pace.ts'
import type { MethodType } from './proto.ts'
import { headersOf, metadataOf } from './wire-metadata.ts'

/** The largest delay that Node's timers take. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/** `sendDate` is missing in the types; without it node adds a `date` field. */
const NO_DATE = { sendDate: false } as ServerStreamResponseOptions

export class ServerCall implements Call<never, object> {
  readonly metadata: Metadata
  readonly requests: MessageReader
  readonly deadline: number | undefined
  readonly signal: AbortSignal
  readonly #stream: ServerHttp2Stream
  readonly #method: MethodType
  readonly #abort = new AbortController()
  readonly #trailers: (readonly [string, string | Buffer])[] = []
  readonly #timer: NodeJS.Timeout | undefined
  #finished = false

  /**
   * @param rawHeaders node's list `[name, value, …]`
   * @param timeoutMs from now; undefined: no deadline
   */
  constructor(stream: ServerHttp2Stream, rawHeaders: readonly string[], method: MethodType, timeoutMs?: number) {
    this.#stream = stream
    this.#method = method
    this.metadata = metadataOf(rawHeaders)
    this.requests = new MessageReader(stream, method.request)
    this.signal = this.#abort.signal
    // 'aborted' comes before a reader of the requests sees their end, 'close' after.
    stream.on('aborted', () => this.#cancel())
    stream.on('close', () => this.#cancel())
    if (timeoutMs !== undefined) {
      this.deadline = Date.now() + timeoutMs
      const expire = (): void => this.finish(new CallError(Status.DEADLINE_EXCEEDED, 'the deadline passed'))
      this.#timer = setTimeout(expire, Math.min(timeoutMs, MAX_TIMEOUT_MS))
    }
  }

  sendHeaders(metadata: Metadata): void {
    if (this.#isOver()) throw cancelled()
    const headers = { ...responseHeaders(), ...headersOf(metadata) }
    this.#stream.respond(headers, { ...NO_DATE, waitForTrailers: true })
  }

  async write(reply: object): Promise<void> {
    if (!this.#stream.headersSent) this.sendHeaders([])
    await writeMessage(this.#stream, this.#method.reply.encode(reply), this.signal)
  }

  addTrailers(metadata: Metadata): void {
    this.#trailers.push(...metadata)
  }

  /**
   * Ends the call: with OK, or with the status of a CallError, or with UNKNOWN for anything else
   * thrown. The first end counts; a method that runs on sees its signal aborted.
   */
  finish(error?: unknown): void {
    if (this.#isOver()) return
    this.#finished = true
    clearTimeout(this.#timer)
    const stream = this.#stream
    const trailers = { ...headersOf(this.#trailers), ...statusFields(error) }
    if (stream.headersSent) {
      stream.on('wantTrailers', () => {
        stream.sendTrailers(trailers)
        this.#endUnread()
      })
      stream.end()
    } else {
      stream.respond({ ...responseHeaders(), ...trailers }, { ...NO_DATE, endStream: true })
      this.#endUnread()
    }
    this.requests.discard()
    if (error instanceof CallError && error.code === Status.DEADLINE_EXCEEDED) this.#abort.abort()
  }

  /**
   * "a server MAY request that the client abort transmission of a request without error by sending
   * a RST_STREAM with an error code of NO_ERROR after sending a complete response" (RFC 9113 §8.1).
   * The reset goes out in a later turn: in the same turn it would overtake the trailers.
   */
  #endUnread(): void {
    setImmediate(() => {
      if (!this.#stream.readableEnded && !this.#stream.destroyed) this.#stream.close(0)
    })
  }

  #isOver(): boolean {
    return this.#finished || this.#stream.destroyed || this.#stream.closed
  }

  #cancel(): void {
    clearTimeout(this.#timer)
    if (!this.#finished) this.#abort.abort()
  }
}

/** Ends a stream that does not call a known method. */
export function refuse(stream: ServerHttp2Stream, error: CallError): void {
  stream.respond({ ...responseHeaders(), ...statusFields(error) }, { ...NO_DATE, endStream: true })
  stream.resume()
}

function responseHeaders(): OutgoingHttpHeaders {
  return {
    ':status': 200,
    'content-type': 'application/grpc+proto',
    'grpc-accept-encoding': 'identity',
  }
}

function statusFields(error: unknown): OutgoingHttpHeaders {
  if (error === undefined) return { 'grpc-status': '0' }
  const failure = error instanceof CallError ? error : new CallError(Status.UNKNOWN, String(error))
  const fields: OutgoingHttpHeaders = { 'grpc-status': String(failure.code) }
  if (failure.message !== '') fields['grpc-message'] = encodeMessage(failure.message)
  return {
    ...fields,
    ...headersOf(failure.details.length > 0 ? [['grpc-status-details-bin', failure.details]] : []),
  }
}
