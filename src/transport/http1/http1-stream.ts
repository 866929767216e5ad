/**
 * A request of HTTP/1.1 and its response as a stream: the blocks are those of HTTP/2. There are no trailers, and a reset
 * is the end of the connection.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Field, field, firstValue } from '../../grpc/metadata.ts'
import { ErrorCode } from '../../wire/errors.ts'
import { NO_BYTES } from '../../wire/no-bytes.ts'
import { keep } from '../lent.ts'
import { type HeaderBlock, HeadersRefused, type Stream, type StreamEnd, type StreamOwner } from '../transport.ts'

/** What a stream needs of its connection. */
export interface Http1Connection {
  /** Why it is gone, and who ended it. */
  readonly lost: StreamEnd
  /** What is written in this turn leaves together. */
  corkTurn(): void
  /** Ends with what was written so far, so that a body that has not ended is seen to be cut. */
  cut(): void
  /** It was answered: the rest of the request has a moment to come. */
  linger(): void
  /** All of it has come. */
  streamOver(): void
}

/**
 * So many bytes of a request may wait for the backend. Requests of browsers are small, and Node reads up to 64 KiB beyond
 * it.
 */
const WINDOW_BYTES = 65_536

/**
 * Fields about the connection (RFC 9110 §7.6.1), which HTTP/2 does not have. `expect` was answered by Node; `te` and
 * `trailer` are about this connection's coding of the body.
 */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
  'te',
  'trailer',
  'proxy-authenticate',
  'proxy-authorization',
])

const BODYLESS: ReadonlySet<string> = new Set(['204', '304'])

export class Http1Stream implements Stream {
  readonly knowsResets = false
  readonly #connection: Http1Connection
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  #owner!: StreamOwner
  /** What came and was not released. */
  #heldBytes = 0
  #muted = false
  #requestEnded = false
  /** All of the response was given; all of it went to the system. */
  #ended = false
  #sent = false
  /** Waits for that. */
  #resetCode: ErrorCode | undefined
  /** Its owner was told the end, or is about to be. */
  #over = false

  constructor(connection: Http1Connection, request: IncomingMessage, response: ServerResponse) {
    this.#connection = connection
    this.#request = request
    this.#response = response
  }

  start(owner: StreamOwner, block: HeaderBlock): void {
    const [request, response] = [this.#request, this.#response]
    this.#owner = owner
    response.sendDate = false
    response.on('drain', () => this.#onDrain())
    response.on('finish', () => this.#onSent())
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers
    const empty = coding === undefined && (length === undefined || Number(length) === 0)
    this.#requestEnded = empty
    owner.onHeaders(block, empty)
    request.on('data', (chunk: Buffer) => this.#onData(chunk))
    request.on('end', () => this.#onRequestEnd())
    request.on('error', () => {
      // The end of the connection says the same.
    })
  }

  // ---- what the client sends

  #onData(chunk: Buffer): void {
    if (this.#over) return
    this.#heldBytes += chunk.length
    if (this.#heldBytes > WINDOW_BYTES) this.#request.pause()
    this.#owner.onData(chunk, 0, chunk.length, false)
  }

  #onRequestEnd(): void {
    // A body that is cut has an 'end' too in some cases; then `complete` is false.
    if (this.#over || this.#requestEnded || !this.#request.complete) return
    this.#requestEnded = true
    this.#owner.onData(NO_BYTES, 0, 0, true)
    this.#settle()
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes
    if (this.#heldBytes <= WINDOW_BYTES / 2 && !this.#muted && !this.#over) this.#request.resume()
  }

  mute(): void {
    this.#muted = true
    this.#request.pause()
  }

  // ---- what it gets

  sendHeaders(block: HeaderBlock, endStream: boolean): void {
    if (this.#over || this.#ended) return
    const raw: string[] = []
    for (const { name, value } of block) {
      if (!name.startsWith(':') && !HOP_BY_HOP.has(name)) raw.push(name, value)
    }
    const status = block[0]?.value ?? ''
    // Else Node would begin a chunked body.
    if (endStream && !BODYLESS.has(status) && firstValue(block, 'content-length') === undefined)
      raw.push('content-length', '0')
    this.#connection.corkTurn()
    try {
      this.#response.writeHead(Number(status), raw)
    } catch (error) {
      throw new HeadersRefused((error as Error).message, false, { cause: error })
    }
    if (endStream) this.#end()
    else this.#response.flushHeaders()
  }

  sendData(bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    if (this.#over || this.#ended) return true
    this.#connection.corkTurn()
    const writable = start === end || this.#response.write(keep(bytes, start, end))
    if (endStream) this.#end()
    return writable
  }

  /** HTTP/1.1 has them, and browsers do not show them. RFC 9110 §6.5.1 lets a proxy drop them. */
  sendTrailers(): void {
    if (!this.#over && !this.#ended) this.#end()
  }

  #end(): void {
    this.#ended = true
    this.#response.end()
  }

  get queuedBytes(): number {
    return this.#over ? 0 : this.#response.writableLength
  }

  #onDrain(): void {
    if (!this.#over) this.#owner.onWritable()
  }

  #onSent(): void {
    this.#sent = true
    if (this.#resetCode !== undefined) this.#finish({ kind: 'reset', code: this.#resetCode, by: 'self' })
    else this.#settle()
  }

  // ---- the end

  reset(code: ErrorCode): void {
    if (code === ErrorCode.NO_ERROR) this.resetWhenSent(code)
    else this.#reset(code)
  }

  resetWhenSent(code: ErrorCode): void {
    if (this.#over) return
    if (this.#ended && !this.#sent) this.#resetCode = code
    else this.#reset(code)
  }

  #reset(code: ErrorCode): void {
    if (this.#over) return
    if (!this.#sent) this.#connection.cut()
    this.#finish({ kind: 'reset', code, by: 'self' })
  }

  #settle(): void {
    if (this.#sent && this.#requestEnded) this.#finish({ kind: 'clean' })
  }

  onConnectionLost(): void {
    this.#finish(this.#connection.lost)
  }

  /** The owner is told in a later turn. */
  #finish(end: StreamEnd): void {
    if (this.#over) return
    this.#over = true
    // What still comes of the request is nobody's.
    this.#request.resume()
    setImmediate(() => {
      this.#owner.onClosed(end)
      // A client whose connection were closed while it sends might never read the answer.
      if (this.#request.complete || end.kind === 'lost') return this.#connection.streamOver()
      this.#connection.linger()
      this.#request.once('end', () => this.#connection.streamOver())
    })
  }
}

/**
 * The head of a request as the block of HTTP/2 that says the same. The names that `connection` lists go too (RFC 9110
 * §7.6.1).
 * @returns undefined for one without exactly one host, or with a target that is none of a request for a resource
 */
export function blockOf(
  { method = '', url = '', rawHeaders }: IncomingMessage,
  encrypted: boolean,
): HeaderBlock | undefined {
  const fields: Field[] = []
  let listed = ''
  let host: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    const value = rawHeaders[i + 1]!
    if (name === 'host') {
      // RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any … request message that contains
      // more than one Host header field line".
      if (host !== undefined) return undefined
      host = value
    } else if (name === 'connection') listed += `,${value.toLowerCase()}`
    if (name !== 'host' && !HOP_BY_HOP.has(name)) fields.push(field(name, value))
  }
  const target = /^(?:https?:\/\/([^/?#]+))?(\/[^#]*)$/i.exec(url)
  // §3.2.2: of a target with an authority "the proxy MUST ignore the received Host header field".
  const authority = target?.[1] ?? host
  if (target === null || authority === undefined || authority === '') return undefined
  const named = new Set(listed.split(',').map(name => name.trim()))
  const pseudo = {
    ':method': method,
    ':scheme': encrypted ? 'https' : 'http',
    ':authority': authority,
    ':path': target[2]!,
  }
  return [
    ...Object.entries(pseudo).map(([name, value]) => field(name, value)),
    ...fields.filter(({ name }) => !named.has(name)),
  ]
}
