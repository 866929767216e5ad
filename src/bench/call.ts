/** One call of the load: what is sent for it, and how it ended. Only the prefixes of response messages are read. */
import { MessageCounter } from '../grpc/message.ts'
import { firstValue } from '../grpc/metadata.ts'
import { decodeMessage, Status, type StatusCode, statusName, statusOfReset } from '../grpc/status.ts'
import { wasUnprocessed } from '../transport/unprocessed.ts'
import {
  ErrorCode,
  type HeaderFieldLike,
  type StreamEnd,
  type WireStream,
  type WireStreamOwner,
} from '../wire/index.ts'
import { DETAIL_SHOWN_MAX, METADATA_BYTES_MAX } from './bounds.ts'

/** The one that hears from a call. */
export interface CallOwner {
  /** It comes once, and last. */
  ended(call: Call): void
  /** The peer refused it without processing it, so it may be sent again, as gRPC's clients do. False: it ends here. */
  again(call: Call): boolean
}

/** What carries a call. It counts the responses that came. */
export interface Carrier {
  answered: number
}

/**
 * The longest detail that is kept of a failure. It is longer than what is shown, so that a secret is not cut in two and
 * missed.
 */
const DETAIL_CHARACTERS_MAX = DETAIL_SHOWN_MAX + METADATA_BYTES_MAX

/** "HTTP to gRPC Status Code Mapping" (grpc/grpc doc/http-grpc-status-mapping.md); all others are UNKNOWN. */
const STATUS_OF_HTTP: Readonly<Record<string, StatusCode>> = {
  400: Status.INTERNAL,
  401: Status.UNAUTHENTICATED,
  403: Status.PERMISSION_DENIED,
  404: Status.UNIMPLEMENTED,
  429: Status.UNAVAILABLE,
  502: Status.UNAVAILABLE,
  503: Status.UNAVAILABLE,
  504: Status.UNAVAILABLE,
}

export class Call implements WireStreamOwner {
  /** When it should begin, of `performance.now()`: latency counts from here. */
  readonly intendedMs: number
  /** When it really began. The difference is the lateness of the load itself. */
  readonly begunMs: number
  endedMs = 0
  /** Undefined until it ended, or its end is known. */
  status: number | undefined
  /**
   * The server's `grpc-message`, or what happened instead, without control characters. It is empty where the call is
   * OK.
   */
  detail = ''
  retried = false
  /** Undefined while it waits for a connection. */
  stream: WireStream | undefined
  carrier: Carrier | undefined
  readonly #owner: CallOwner
  readonly #counter = new MessageCounter()

  constructor(owner: CallOwner, intendedMs: number, begunMs: number) {
    this.#owner = owner
    this.intendedMs = intendedMs
    this.begunMs = begunMs
  }

  /** The number of response messages. */
  get responses(): number {
    return this.#counter.messages
  }

  /** Ends it with this status, whatever comes later, and resets its stream if there is one. */
  fail(status: StatusCode, detail: string): void {
    if (this.status !== undefined) return
    this.#settle(status, detail)
    if (this.stream === undefined) this.#owner.ended(this)
    else this.stream.reset(ErrorCode.CANCEL)
  }

  onHeaders(block: readonly HeaderFieldLike[], endStream: boolean): void {
    const http = firstValue(block, ':status') ?? ''
    if (http.startsWith('1')) return
    if (this.carrier !== undefined) this.carrier.answered++
    if (http !== '200') this.fail(STATUS_OF_HTTP[http] ?? Status.UNKNOWN, `HTTP status ${http}`)
    else if (endStream) this.#trailers(block)
    else if (!firstValue(block, 'content-type')?.startsWith('application/grpc')) {
      this.fail(Status.UNKNOWN, 'the response is not gRPC: its content-type is another')
    }
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#counter.push(bytes, start, end)
    this.stream?.release(end - start)
    if (endStream) this.#settle(Status.UNKNOWN, 'the response ended without trailers')
  }

  onTrailers(block: readonly HeaderFieldLike[]): void {
    this.#trailers(block)
  }

  onWritable(): void {}

  onClosed(end: StreamEnd): void {
    if (this.status === undefined) {
      if (wasUnprocessed(end) && this.#owner.again(this)) return
      if (end.kind === 'reset') this.#settle(statusOfReset(end.code), `the stream was reset, code ${end.code}`)
      else if (end.kind === 'lost') this.#settle(Status.UNAVAILABLE, `the connection was lost: ${end.reason}`)
      else this.#settle(Status.UNKNOWN, 'the response ended without a status')
    }
    this.#owner.ended(this)
  }

  #trailers(block: readonly HeaderFieldLike[]): void {
    const status = firstValue(block, 'grpc-status')
    if (status === undefined || !/^\d{1,9}$/.test(status)) {
      this.#settle(Status.UNKNOWN, 'the response has no grpc-status')
    } else if (Number(status) !== Status.OK) {
      this.#settle(Number(status), decodeMessage(firstValue(block, 'grpc-message') ?? ''))
    } else if (this.#counter.within)
      this.#settle(Status.INTERNAL, 'the response ended within a message, with status OK')
    else this.#settle(Status.OK, '')
    // A server may answer before it has the whole request. Then the rest need not be sent.
    this.stream?.reset(ErrorCode.CANCEL)
  }

  #settle(status: number, detail: string): void {
    if (this.status !== undefined) return
    this.endedMs = performance.now()
    this.status = status
    this.detail = plainText(detail)
  }
}

/** What a peer said, for a terminal: without control characters, and not too long. */
export function plainText(said: string): string {
  return said.replace(/\p{C}+/gu, ' ').slice(0, DETAIL_CHARACTERS_MAX)
}

/** `12 UNIMPLEMENTED: unknown method`. */
export function describeEnd({ status = Status.UNKNOWN, detail }: Pick<Call, 'status' | 'detail'>): string {
  return `${status} ${statusName(status)}${detail === '' ? '' : `: ${detail}`}`
}
