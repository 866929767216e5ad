/**
 * A client's stream on a listener that takes gRPC-Web. If its request is gRPC-Web, the call behind it sees gRPC: the
 * content type, base64 and the trailers are translated here, and no message is looked at. Any other request goes on as
 * it came, with the client's stream itself to answer on.
 */
import { type ConnectType, connectTypeOf } from '../grpc/connect.ts'
import { field, firstValue, readHead } from '../grpc/metadata.ts'
import { Base64Reader, toBase64, trailersFrame } from '../grpc/web-frame.ts'
import { answersInText, grpcType, type WebType, webTypeFor, webTypeOf } from '../grpc/web-type.ts'
import type { CallMemory } from '../transport/call-memory.ts'
import { PassedStream } from '../transport/passed-stream.ts'
import {
  type HeaderBlock,
  type HeaderField,
  HeadersRefused,
  type ServerSession,
  type Stream,
  type StreamEnd,
  type StreamOwner,
} from '../transport/transport.ts'
import { ErrorCode } from '../wire/errors.ts'
import { unsendable } from '../wire/message-rules.ts'
import { NO_BYTES } from '../wire/no-bytes.ts'
import { ConnectCall } from './connect-call.ts'
import { type Allowed, type Cors, exposing, isPreflight } from './cors.ts'
import { FileAnswer, type FileContext } from './file-answer.ts'
import { notGrpc, notWeb, plainAnswer } from './not-web.ts'
import { isProbe, type ProbeRules, probeHead, probeText } from './probe.ts'
import type { WebCall } from './web-call.ts'

/** What such streams of a listener share. */
export interface WebContext {
  /** Undefined: gRPC-Web is not taken. */
  readonly cors: Cors | undefined
  /** Undefined: probes are not answered. */
  readonly probes: ProbeRules | undefined
  /** Undefined: no files are given out. */
  readonly files: FileContext | undefined
  readonly isReady: () => boolean
  /** For responses that wait here. */
  readonly memory: CallMemory
  readonly open: (stream: Stream, session: ServerSession) => WebCall
  /** HTTP/1.1 that is not gRPC-Web; it was answered. */
  readonly onNotWeb: (session: ServerSession, detail: string) => void
}

export class WebStream extends PassedStream implements StreamOwner {
  readonly #context: WebContext
  readonly #session: ServerSession
  /** None for what is answered here. */
  #call: WebCall | undefined
  /** Of a request that is gRPC-Web. */
  #type: WebType | undefined
  #text = false
  #reader: Base64Reader | undefined
  /** Bytes that were released before the call got them. */
  #ahead = 0
  #allowed: Allowed | undefined
  /** The response is gRPC, so its trailers go into the body. */
  #framed = false
  /** The request could not be read: what still comes of it is dropped. */
  #unfit = false

  constructor(context: WebContext, down: Stream, session: ServerSession) {
    super(down)
    this.#context = context
    this.#session = session
  }

  // ---- what the client sends

  onHeaders(block: HeaderBlock, endStream: boolean): void {
    this.#begin(block, endStream, false)
  }

  onOversized(block: HeaderBlock, endStream: boolean): void {
    if (this.#call === undefined) this.#begin(block, endStream, true)
    else this.#call.onOversized(block, endStream)
  }

  #begin(block: HeaderBlock, endStream: boolean, oversized: boolean): void {
    const { cors, probes, files, open } = this.#context
    const { method, contentType, authority, path } = readHead(block)
    if (method === 'GET' || method === 'HEAD') {
      if (probes !== undefined && isProbe(probes, path)) return this.#answerProbe(method, endStream)
      if (files !== undefined) {
        this.#call = new FileAnswer(files, this.below, this.#session)
        return oversized ? this.#call.onOversized(block, endStream) : this.#call.onHeaders(block, endStream)
      }
    }
    if (cors !== undefined && isPreflight(method, block))
      return this.#answer(cors.preflight(block, authority), endStream)
    if (cors !== undefined && method === 'POST') {
      const connect = connectTypeOf(contentType, firstValue(block, 'connect-protocol-version'))
      if (connect !== undefined) return this.#beginConnect(connect, cors, block, endStream, oversized)
    }
    const type = method === 'POST' ? webTypeOf(contentType) : undefined
    if (cors === undefined || type === undefined) {
      if (this.#session.http1) return this.#answerNotWeb(method, contentType, endStream)
      this.#call = open(this.below, this.#session)
      return oversized ? this.#call.onOversized(block, endStream) : this.#call.onHeaders(block, endStream)
    }
    this.#type = type
    this.#text = answersInText(type, firstValue(block, 'accept') ?? '')
    this.#allowed = cors.allows(firstValue(block, 'origin'), authority)
    if (type.text) this.#reader = new Base64Reader()
    this.#call = open(this, this.#session)
    const request = requestOf(block, type)
    if (oversized) this.#call.onOversized(request, endStream)
    else this.#call.onHeaders(request, endStream, this.#allowed === undefined ? 'web-origin' : undefined)
  }

  #beginConnect(type: ConnectType, cors: Cors, block: HeaderBlock, endStream: boolean, oversized: boolean): void {
    const { open, memory } = this.#context
    const allowed = cors.allows(firstValue(block, 'origin'), readHead(block).authority)
    const fields = allowed?.fields ?? []
    const corsOf = (response: HeaderBlock) => (fields.length === 0 ? [] : [...fields, ...exposing(response)])
    this.#call = new ConnectCall({ open, memory, cors: corsOf }, type, this.below, this.#session)
    if (oversized) this.#call.onOversized(block, endStream)
    else this.#call.onHeaders(block, endStream, allowed === undefined ? 'web-origin' : undefined)
  }

  #answerProbe(method: 'GET' | 'HEAD', requestEnded: boolean): void {
    const isReady = this.#context.isReady()
    this.#answer(probeHead(isReady), requestEnded, method === 'GET' ? probeText(isReady) : '')
  }

  #answerNotWeb(method: string, contentType: string, requestEnded: boolean): void {
    const { cors, files, onNotWeb } = this.#context
    const { status, sentence } = cors === undefined ? notGrpc(method) : notWeb(method, contentType)
    onNotWeb(this.#session, `HTTP ${status}: ${sentence}`)
    const answer = plainAnswer(status, sentence, files === undefined ? CALLS : `GET, HEAD, ${CALLS}`)
    this.#answer(answer, requestEnded, method === 'HEAD' ? '' : sentence)
  }

  /** Without a call. */
  #answer(block: HeaderBlock, requestEnded: boolean, body = ''): void {
    const bytes = Buffer.from(body, 'latin1')
    this.below.sendHeaders(block, bytes.length === 0)
    if (bytes.length > 0) this.below.sendData(bytes, 0, bytes.length, true)
    if (!requestEnded) this.below.reset(ErrorCode.NO_ERROR)
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const call = this.#call
    if (call === undefined || this.#unfit) return this.below.release(end - start)
    if (this.#reader === undefined) return call.onData(bytes, start, end, endStream)
    this.#decode(call, this.#reader, bytes, start, end, endStream)
  }

  #decode(call: WebCall, reader: Base64Reader, bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const came = end - start
    const decoded = reader.read(bytes, start, end)
    if (decoded === undefined || (endStream && reader.pending > 0)) {
      this.#unfit = true
      this.release(came)
      return call.onUnfit('web-body')
    }
    // What the call gets it releases itself. Base64 is longer by what is released here, and by the beginning of a group
    // that waits for the rest of it: a transport that is not given everything back may read nothing more.
    if (came >= decoded.length) this.release(came - decoded.length)
    else this.#ahead += decoded.length - came
    if (decoded.length > 0 || endStream) call.onData(decoded, 0, decoded.length, endStream)
  }

  onTrailers(block: HeaderBlock): void {
    if (this.#reader !== undefined && this.#reader.pending > 0) this.onData(NO_BYTES, 0, 0, true)
    else this.#call?.onTrailers(block)
  }

  onWritable(): void {
    this.#call?.onWritable()
  }

  onClosed(end: StreamEnd): void {
    this.#call?.onClosed(end)
  }

  // ---- what the call answers

  override sendHeaders(block: HeaderBlock, endStream: boolean): void {
    const type = webTypeFor(firstValue(block, 'content-type') ?? '', this.#type!, this.#text)
    this.#framed = type !== undefined && !endStream
    this.below.sendHeaders(this.#responseOf(block, type), endStream)
  }

  #responseOf(block: HeaderBlock, type: string | undefined): HeaderBlock {
    const response: HeaderField[] = []
    for (const one of block) {
      if (one.name.startsWith('access-control-')) continue
      if (type === undefined) response.push(one)
      else if (one.name === 'content-type') response.push(field('content-type', type))
      // The body becomes longer; and there are no trailers that the other could announce.
      else if (one.name !== 'content-length' && one.name !== 'trailer') response.push(one)
    }
    const cors = this.#allowed?.fields ?? []
    return cors.length === 0 ? response : [...response, ...cors, ...exposing(response)]
  }

  override sendData(bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    if (!this.#framed || !this.#text) return this.below.sendData(bytes, start, end, endStream)
    // Each piece by itself, padded: two bytes that waited for a third would hold back the end of a message.
    const text = toBase64(bytes, start, end)
    return this.below.sendData(text, 0, text.length, endStream)
  }

  override sendTrailers(block: HeaderBlock): void {
    if (!this.#framed) return this.below.sendTrailers(block)
    // A line break in a value would make another trailer of its rest.
    const reason = unsendable(block)
    if (reason !== undefined) throw new HeadersRefused(reason)
    const frame = trailersFrame(block)
    this.sendData(frame, 0, frame.length, true)
  }

  override get queuedBytes(): number {
    const { queuedBytes } = this.below
    return this.#framed && this.#text ? Math.ceil((queuedBytes * 3) / 4) : queuedBytes
  }

  override release(bytes: number): void {
    const early = Math.min(bytes, this.#ahead)
    this.#ahead -= early
    this.below.release(bytes - early)
  }
}

/** The methods of calls, and of what browsers ask before them. */
const CALLS = 'POST, OPTIONS'

/** The same request as gRPC. */
function requestOf(block: HeaderBlock, type: WebType): HeaderBlock {
  const request: HeaderField[] = []
  for (const one of block) {
    if (one.name === 'content-type') request.push(field('content-type', grpcType(type)))
    else if (!DROPPED.has(one.name)) request.push(one)
  }
  request.push(field('te', 'trailers'))
  return request
}

/** `content-length` is of the text; a body with a content coding could not be continued by trailers. */
const DROPPED: ReadonlySet<string> = new Set(['te', 'content-length', 'accept-encoding'])
