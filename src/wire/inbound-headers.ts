/**
 * What a connection receives in HEADERS: requests, responses, trailers, each against the rules of messages and the
 * limits of header lists, and on to the owner of its stream. Whatever is wrong throws, as in inbound.ts.
 */
import { type Allowance, Flood } from './allowance.ts'
import type { HpackDecoder } from './hpack/decoder.ts'
import type { HeaderField } from './hpack/header-field.ts'
import { mended } from './mended.ts'
import {
  checkRequest,
  checkResponse,
  checkTrailers,
  contentLengthOf,
  type MessageFault,
  statusOf,
} from './message-rules.ts'
import { type StreamError, streamError } from './protocol-error.ts'
import { NO_OWNER, type StreamEnd, WireStream, type WireStreamOwner } from './stream.ts'
import { checkNewStream, StreamEvent, StreamState, transition } from './stream-state.ts'
import type { StreamTable } from './stream-table.ts'

const CLEAN: StreamEnd = { kind: 'clean' }
/** As what a block that comes again was checked (`CachedBlock.note`). */
const Checked = { REQUEST: 1, RESPONSE: 2, TRAILERS: 3 } as const

export interface InboundHeadersOwner {
  openedByPeer(stream: WireStream): WireStreamOwner
  streamFailed(error: StreamError): void
}

export class InboundHeaders {
  readonly #table: StreamTable
  readonly #floods: Allowance
  readonly #decoder: HpackDecoder
  readonly #owner: InboundHeadersOwner
  readonly #server: boolean
  readonly #maxConcurrentStreams: number

  constructor(
    table: StreamTable,
    floods: Allowance,
    decoder: HpackDecoder,
    owner: InboundHeadersOwner,
    maxConcurrentStreams: number,
  ) {
    this.#table = table
    this.#floods = floods
    this.#decoder = decoder
    this.#owner = owner
    this.#server = table.role === 'server'
    this.#maxConcurrentStreams = maxConcurrentStreams
  }

  /** For servers. A client has nothing to do with streams that it did not open. */
  onNew(id: number, block: readonly HeaderField[], endStream: boolean): void {
    const table = this.#table
    checkNewStream(id, table.highest, table.role)
    // §5.1.2: "An endpoint that receives a HEADERS frame that causes its advertised concurrent stream limit to be
    // exceeded MUST treat this as a stream error (Section 5.4.2) of type PROTOCOL_ERROR or REFUSED_STREAM."
    if (table.size >= this.#maxConcurrentStreams) throw streamError(id, 'stream-limit')
    const { tooLarge } = this.#decoder
    const known = this.#decoder.known
    if (known === undefined || known.note !== Checked.REQUEST) {
      const fault = checkRequest(block)
      // Of a list that was cut, the required fields may be missing.
      if (tooLarge && fault !== undefined && fault !== 'mendable') throw this.#tooLarge(id)
      if (fault !== undefined) block = this.#mend(id, block, fault, checkRequest)
      if (known !== undefined) known.note = Checked.REQUEST
    }
    const expected = contentLengthOf(block)
    if (endStream && expected > 0) throw streamError(id, 'content-length-mismatch', `0 of ${expected} bytes`)
    this.#floods.useful()
    table.highest = id
    const stream = new WireStream(table, NO_OWNER)
    stream.headersReceived = true
    stream.expectedBytes = expected
    table.begin(stream, id, endStream ? StreamState.HALF_CLOSED_REMOTE : StreamState.OPEN)
    stream.owner = this.#owner.openedByPeer(stream)
    if (tooLarge) this.#refuseList(stream, block, endStream)
    else stream.owner.onHeaders(block, endStream)
  }

  onOpen(stream: WireStream, block: readonly HeaderField[], endStream: boolean): void {
    const event = endStream ? StreamEvent.RECV_HEADERS_END : StreamEvent.RECV_HEADERS
    stream.state = transition(stream.state, event, stream.id)
    // Trailers that do not end the stream are the worse fault.
    if (this.#decoder.tooLarge && (endStream || !stream.headersReceived)) this.#refuseList(stream, block, endStream)
    else if (stream.headersReceived) this.#trailers(stream, block, endStream)
    else this.#response(stream, block, endStream)
    if (endStream && stream.state === StreamState.CLOSED) this.#table.endNow(stream, CLEAN)
  }

  /** An owner that can answer better than with a reset hears of it. It still counts as caused by the peer. */
  #refuseList(stream: WireStream, block: readonly HeaderField[], endStream: boolean): void {
    const { owner } = stream
    const error = this.#tooLarge(stream.id)
    if (owner.onOversized === undefined) throw error
    this.#owner.streamFailed(error)
    if (this.#server) this.#floods.spend(Flood.RESETS)
    if (!stream.resetWaits) owner.onOversized(block, endStream)
  }

  #tooLarge(streamId: number): StreamError {
    return streamError(streamId, 'header-list-too-large', `${this.#decoder.listBytes} bytes`)
  }

  #trailers(stream: WireStream, block: readonly HeaderField[], endStream: boolean): void {
    // §8.1: "An endpoint that receives a HEADERS frame without the END_STREAM flag set after receiving the HEADERS
    // frame that opens a request or after receiving a final (non-informational) status code MUST treat the
    // corresponding request or response as malformed".
    if (!endStream) throw streamError(stream.id, 'trailers-without-end-stream')
    const known = this.#decoder.known
    if (known === undefined || known.note !== Checked.TRAILERS) {
      const fault = checkTrailers(block)
      if (fault !== undefined) block = this.#mend(stream.id, block, fault, checkTrailers)
      if (known !== undefined) known.note = Checked.TRAILERS
    }
    checkLength(stream, 0, true)
    this.#floods.useful()
    if (!stream.resetWaits) stream.owner.onTrailers(block)
  }

  #response(stream: WireStream, block: readonly HeaderField[], endStream: boolean): void {
    const known = this.#decoder.known
    if (known === undefined || known.note !== Checked.RESPONSE) {
      const fault = checkResponse(block)
      if (fault !== undefined) block = this.#mend(stream.id, block, fault, checkResponse)
      if (known !== undefined) known.note = Checked.RESPONSE
    }
    const status = statusOf(block)
    if (status < 200) {
      // §8.1: "A HEADERS frame with the END_STREAM flag set that carries an informational status code is malformed".
      if (endStream) throw streamError(stream.id, 'informational-end-stream')
      this.#floods.spend(Flood.INFORMATIONAL)
    } else {
      this.#floods.useful()
      stream.headersReceived = true
      // §8.1.1: "A response that is defined to have no content … MAY have a non-zero content-length header field".
      // nghttp2 ends the connection when content comes with it.
      const bodyless = stream.headRequest || status === 204 || status === 304
      stream.expectedBytes = bodyless ? 0 : contentLengthOf(block)
      if (endStream) checkLength(stream, 0, true)
    }
    if (!stream.resetWaits) stream.owner.onHeaders(block, endStream)
  }

  /** @returns the block as it can be handed on, if that corrects its fault; the next time it is found in that form */
  #mend(
    streamId: number,
    block: readonly HeaderField[],
    fault: MessageFault,
    check: (block: readonly HeaderField[]) => MessageFault | undefined,
  ): readonly HeaderField[] {
    if (fault !== 'mendable') throw streamError(streamId, fault)
    const whole = mended(block)
    const left = check(whole)
    if (left !== undefined) throw streamError(streamId, left === 'mendable' ? 'field-value' : left)
    if (this.#decoder.known !== undefined) this.#decoder.known.fields = whole
    return whole
  }
}

/** DATA, or the end, against what the message said. */
export function checkLength(stream: WireStream, bytes: number, endStream: boolean): void {
  // §8.1: a message is "one HEADERS frame … containing the header section", and only then DATA.
  if (!stream.headersReceived) throw streamError(stream.id, 'data-before-headers')
  stream.receivedBytes += bytes
  const expected = stream.expectedBytes
  if (expected < 0) return
  // §8.1.1: "A request or response is also malformed if the value of a content-length header field does not
  // equal the sum of the DATA frame payload lengths that form the content".
  if (stream.receivedBytes > expected || (endStream && stream.receivedBytes < expected))
    throw streamError(stream.id, 'content-length-mismatch', `${stream.receivedBytes} of ${expected} bytes`)
}
