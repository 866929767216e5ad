/**
 * A call of the Connect protocol, between a client's stream and a call of gRPC. Of a stream only the end is translated. A unary
 * request gets the prefix that says its length; a unary response waits until its trailers are known, as they decide on the
 * status of HTTP and are headers there. No message is looked at.
 */
import { type ConnectEnd, type ConnectType, connectEnd, connectFields, endFrame, grpcRequest } from '../grpc/connect.ts'
import { PREFIX_BYTES } from '../grpc/message.ts'
import { field, firstValue, isGrpcContentType } from '../grpc/metadata.ts'
import type { CallMemory } from '../transport/call-memory.ts'
import { PassedStream } from '../transport/passed-stream.ts'
import type { HeaderBlock, HeaderField, ServerSession, Stream, StreamEnd } from '../transport/transport.ts'
import { ErrorCode } from '../wire/errors.ts'
import { NO_BYTES } from '../wire/no-bytes.ts'
import type { Unfit, WebCall } from './web-call.ts'

export interface ConnectContext {
  readonly open: (stream: Stream, session: ServerSession) => WebCall
  readonly memory: CallMemory
  /** Fields of CORS for a response with these. */
  readonly cors: (response: HeaderBlock) => HeaderBlock
}

/** A unary request without a length waits for its end; so much of it may, and is not given back to its sender meanwhile. */
const MAX_WAITING_BYTES = 32_768
/** A unary response waits for its trailers. gRPC's libraries take no longer message unless they are told to. */
const MAX_RESPONSE_BYTES = 4_194_304

export class ConnectCall extends PassedStream implements WebCall {
  readonly #context: ConnectContext
  readonly #type: ConnectType
  readonly #session: ServerSession
  readonly #call: WebCall
  /** Bytes that the call gets and that its client has not sent: those of the prefix. */
  #added = 0
  #compressed = false
  /** What the request says to have; undefined: nothing. */
  #lengthLeft: number | undefined
  /** Of a request that does not say its length. */
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #requestEnded = false
  #unfit = false
  /** Of a unary response. */
  #head: HeaderBlock | undefined
  #body: Buffer[] = []
  /** Counted in the client's memory. */
  #bodyBytes = 0
  /** It is gRPC. */
  #framed = false
  #over = false

  constructor(context: ConnectContext, type: ConnectType, down: Stream, session: ServerSession) {
    super(down)
    this.#context = context
    this.#type = type
    this.#session = session
    this.#call = context.open(this, session)
  }

  // ---- what the client sends

  onHeaders(block: HeaderBlock, endStream: boolean, unfit?: Unfit): void {
    const request = grpcRequest(block, this.#type)
    if (this.#type.streams || unfit !== undefined) return this.#call.onHeaders(request, endStream, unfit)
    const encoding = firstValue(block, 'content-encoding')
    this.#compressed = encoding !== undefined && encoding !== 'identity'
    const length = firstValue(block, 'content-length')
    this.#lengthLeft = endStream ? 0 : length === undefined ? undefined : Number(length)
    this.#call.onHeaders(request, false)
    if (this.#lengthLeft === undefined) return
    if (!Number.isInteger(this.#lengthLeft) || this.#lengthLeft > MOST_OF_GRPC) return this.#refuse()
    this.#sendPrefix(this.#lengthLeft, endStream)
  }

  onOversized(block: HeaderBlock, endStream: boolean): void {
    this.#call.onOversized(grpcRequest(block, this.#type), endStream)
  }

  #sendPrefix(length: number, endStream: boolean): void {
    const prefix = Buffer.alloc(PREFIX_BYTES)
    prefix[0] = this.#compressed && length > 0 ? 1 : 0
    prefix.writeUInt32BE(length, 1)
    this.#added += PREFIX_BYTES
    this.#requestEnded = endStream
    this.#call.onData(prefix, 0, PREFIX_BYTES, endStream)
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.#unfit) return this.below.release(end - start)
    if (this.#type.streams) return this.#call.onData(bytes, start, end, endStream)
    if (this.#requestEnded) return this.below.release(end - start)
    if (this.#lengthLeft === undefined) return this.#wait(bytes, start, end, endStream)
    this.#lengthLeft -= end - start
    if (this.#lengthLeft < 0 || (endStream && this.#lengthLeft > 0)) {
      this.below.release(end - start)
      return this.#refuse()
    }
    this.#requestEnded = endStream
    this.#call.onData(bytes, start, end, endStream)
  }

  #wait(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#waitingBytes += end - start
    if (this.#waitingBytes > MAX_WAITING_BYTES) {
      this.below.release(this.#waitingBytes)
      this.#waiting = []
      return this.#refuse()
    }
    if (end > start) this.#waiting.push(Buffer.from(bytes.subarray(start, end)))
    if (!endStream) return
    const all = Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#sendPrefix(all.length, all.length === 0)
    this.#requestEnded = true
    if (all.length > 0) this.#call.onData(all, 0, all.length, true)
  }

  #refuse(): void {
    this.#unfit = true
    this.#call.onUnfit('web-body')
  }

  onUnfit(why: Unfit): void {
    this.#call.onUnfit(why)
  }

  onTrailers(block: HeaderBlock): void {
    if (this.#type.streams) this.#call.onTrailers(block)
    else this.onData(NO_BYTES, 0, 0, true)
  }

  onWritable(): void {
    this.#call.onWritable()
  }

  onClosed(end: StreamEnd): void {
    if (this.#over) return
    this.#end()
    this.#call.onClosed(end)
  }

  #end(): void {
    this.#over = true
    this.#dropBody()
  }

  #dropBody(): void {
    this.#context.memory.give(this.#session, this.#bodyBytes)
    this.#body = []
    this.#bodyBytes = 0
  }

  // ---- what the call answers

  override sendHeaders(block: HeaderBlock, endStream: boolean): void {
    this.#framed = isGrpcContentType(firstValue(block, 'content-type') ?? '') && block[0]?.value === '200'
    if (!this.#framed) return this.below.sendHeaders(this.#withCors(block), endStream)
    const { streams, codec } = this.#type
    if (!streams) {
      this.#head = block
      // Of an answer that is headers alone all are trailers.
      if (endStream) this.#answer([], connectEnd(block))
      return
    }
    const status = field(':status', '200')
    const type = field('content-type', `application/connect+${codec}`)
    this.below.sendHeaders(
      this.#withCors([status, type, ...(endStream ? [] : connectFields(block, this.#type))]),
      false,
    )
    if (endStream) this.#sendEnd(block)
  }

  #withCors(block: HeaderField[] | HeaderBlock): HeaderBlock {
    return [...block, ...this.#context.cors(block)]
  }

  override sendData(bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    if (!this.#framed || this.#type.streams) return this.below.sendData(bytes, start, end, endStream)
    if (this.#over) return true
    const length = end - start
    if (
      this.#bodyBytes + length > MAX_RESPONSE_BYTES + PREFIX_BYTES ||
      !this.#context.memory.take(this.#session, length)
    )
      this.#giveUp()
    else {
      this.#bodyBytes += length
      this.#body.push(Buffer.from(bytes.subarray(start, end)))
      // A response that ends without trailers has no status.
      if (endStream) this.#answer(this.#head ?? [], connectEnd([]))
    }
    return true
  }

  /** The response is too long to wait for its end: the client gets that instead, and for the call it has left. */
  #giveUp(): void {
    this.#dropBody()
    this.#answer([], connectEnd([field('grpc-status', '8'), field('grpc-message', TOO_LONG)]))
    this.#end()
    // What still comes of the request is nobody's.
    if (!this.#requestEnded) this.below.reset(ErrorCode.NO_ERROR)
    setImmediate(() => this.#call.onClosed({ kind: 'reset', code: ErrorCode.CANCEL, by: 'peer' }))
  }

  override sendTrailers(block: HeaderBlock): void {
    if (!this.#framed) return this.below.sendTrailers(block)
    if (this.#over) return
    if (this.#type.streams) return this.#sendEnd(block)
    this.#answer(this.#head ?? [], connectEnd(block))
  }

  #sendEnd(block: HeaderBlock): void {
    const trailers = block.filter(({ name }) => !name.startsWith(':') && name !== 'content-type')
    const frame = endFrame(connectEnd(trailers))
    this.below.sendData(frame, 0, frame.length, true)
  }

  #answer(head: HeaderBlock, end: ConnectEnd): void {
    const all = Buffer.concat(this.#body)
    // It counts until the client has taken it.
    this.#body = []
    const isWhole = all.length >= PREFIX_BYTES && all.readUInt32BE(1) === all.length - PREFIX_BYTES
    if (end.error === undefined && !isWhole)
      return this.#answer(head, connectEnd([field('grpc-status', '12'), field('grpc-message', NOT_ONE)]))
    const { error, httpStatus, metadata } = end
    const body = error === undefined ? all.subarray(PREFIX_BYTES) : Buffer.from(JSON.stringify(error))
    const isCompressed = error === undefined && all[0] === 1
    const type = error === undefined ? `application/${this.#type.codec}` : 'application/json'
    const fields = connectFields(head, this.#type).filter(({ name }) => isCompressed || name !== 'content-encoding')
    const trailers = connectFields(metadata, this.#type).map(({ name, value }) => field(`trailer-${name}`, value))
    const response = [
      ...[field(':status', String(httpStatus)), field('content-type', type)],
      ...[field('content-length', String(body.length)), ...fields, ...trailers],
    ]
    this.below.sendHeaders(this.#withCors(response), body.length === 0)
    if (body.length > 0) this.below.sendData(body, 0, body.length, true)
  }

  override release(bytes: number): void {
    const own = Math.min(bytes, this.#added)
    this.#added -= own
    if (bytes > own) this.below.release(bytes - own)
  }
}

/** What the four bytes of a length can say. */
const MOST_OF_GRPC = 2 ** 32 - 1
const TOO_LONG = 'the response is too long for a unary call of Connect'
const NOT_ONE = 'the response is not one message, as a unary call has'
