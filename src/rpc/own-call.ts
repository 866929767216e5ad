/**
 * A unary call that the proxy makes itself, on a session of any transport: one message there, one message back. It is
 * bounded in time and in bytes, and ends in one of five ways, told once:
 *
 * ```
 *   callOn ──► HEADERS, DATA(END_STREAM) ──► headers ──► data ──► trailers ──► answer | status | wrong
 *      │                  │                     └── too long, no gRPC ──────────────────────► wrong
 *      │                  └── reset, connection lost ──────────────────────────────────────► lost
 *      └── the time is over ───────────────────────────────────────────────────────────────► late
 * ```
 */
import { onlyMessage, prefixed } from '../grpc/message.ts'
import { field, firstValue } from '../grpc/metadata.ts'
import { decodeMessage, Status, statusOf } from '../grpc/status.ts'
import { formatTimeout } from '../grpc/timeout.ts'
import type { Clock } from '../transport/clock.ts'
import { copyOf } from '../transport/lent.ts'
import { type TimerWheel, WheelTimer } from '../transport/timer-wheel.ts'
import type { HeaderBlock, Stream, StreamEnd, StreamOwner } from '../transport/transport.ts'
import { wasUnprocessed } from '../transport/unprocessed.ts'
import { ErrorCode, errorCodeName } from '../wire/errors.ts'

export interface OwnRequest {
  /** `/pkg.Service/Method` */
  readonly path: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  /** One message, without its prefix. */
  readonly message: Uint8Array
  /** Most bytes of the response's body. One that is longer is given up. */
  readonly maxBytes: number
}

/** How long it may take, and whose time that is. */
export interface OwnTime {
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly timeoutMs: number
}

export type OwnOutcome =
  /** OK, and one message. The bytes are the receiver's. */
  | { readonly kind: 'answer'; readonly message: Buffer }
  /** The peer ended it with another status. The text is a stranger's, and not long. */
  | { readonly kind: 'status'; readonly status: number; readonly text: string }
  /** What came is no answer to this call. */
  | { readonly kind: 'wrong'; readonly why: string }
  /** The peer reset the stream, or the connection is gone. `unprocessed`: the peer promises not to have looked at it. */
  | { readonly kind: 'lost'; readonly unprocessed: boolean; readonly why: string }
  /** Nothing, or not all of it, came in time. */
  | { readonly kind: 'late'; readonly why: string }

/** A call's stream, as one who gives it up later knows it. */
export interface OwnStream {
  readonly stream: Stream
  /** The peer's program has answered something. */
  readonly seen: boolean
}

/** What a stream is opened on: a session, or somebody who counts the streams of one. */
export interface OwnStreams {
  /** Only while there is room for a stream. */
  open(owner: StreamOwner): Stream
  /** The call does not need its stream any more. By default it is reset at once. */
  giveUp?(what: OwnStream): void
  /** The stream of a call is over. */
  ended?(what: OwnStream): void
}

/** More of a peer's `grpc-message` is not kept: it stands in a line of the log. */
const MAX_TEXT_CHARACTERS = 200
const USER_AGENT = 'grpc-verbatim'

/**
 * A timer that fires so much too late was kept from it: this process stood still, and what came meanwhile has not been
 * read. It gets as long for that, once.
 */
export const STOOD_STILL_MS = 100

/**
 * Makes a call.
 * @param done called once, and never before this has returned; not after the call was cancelled
 * @returns cancels it
 */
export function callOn(
  session: OwnStreams,
  request: OwnRequest,
  time: OwnTime,
  done: (outcome: OwnOutcome) => void,
): () => void {
  const call = new OwnCall(session, request, time, done)
  call.send(request)
  return () => call.cancel()
}

class OwnCall implements StreamOwner, OwnStream {
  readonly stream: Stream
  seen = false
  readonly #session: OwnStreams
  readonly #maxBytes: number
  readonly #time: OwnTime
  readonly #timer: WheelTimer
  #done: ((outcome: OwnOutcome) => void) | undefined
  readonly #pieces: Buffer[] = []
  #bytes = 0
  #dueMs = 0
  #waitsLonger = false
  /** The stream is over, or was given up. */
  #left = false

  constructor(session: OwnStreams, { maxBytes }: OwnRequest, time: OwnTime, done: (outcome: OwnOutcome) => void) {
    this.#session = session
    this.#maxBytes = maxBytes
    this.#time = time
    this.#done = done
    this.#timer = new WheelTimer(() => this.#late())
    this.stream = session.open(this)
  }

  send({ path, scheme, authority, message }: OwnRequest): void {
    const { clock, wheel, timeoutMs } = this.#time
    this.#dueMs = clock.now() + timeoutMs
    wheel.arm(this.#timer, this.#dueMs)
    try {
      const head = requestBlock(path, scheme, authority, timeoutMs)
      this.stream.sendHeaders(head, false)
      const body = prefixed(message)
      this.stream.sendData(body, 0, body.length, true)
    } catch (error) {
      // The peer takes almost no headers, or an authority has what HTTP/2 does not allow.
      queueMicrotask(() => this.#wrong(`the request cannot be sent: ${(error as Error).message}`))
    }
  }

  cancel(): void {
    this.#done = undefined
    this.#giveUp()
  }

  onHeaders(block: HeaderBlock, endStream: boolean): void {
    this.seen = true
    const http = firstValue(block, ':status') ?? ''
    // Interim responses (RFC 9110 §15.2) say nothing yet.
    if (!endStream && http.startsWith('1')) return
    if (http !== '200') return this.#wrong(`HTTP status ${http}`)
    const type = firstValue(block, 'content-type') ?? ''
    if (!/^application\/grpc(?:[+;]|$)/.test(type)) return this.#wrong('a response that is not gRPC')
    if (endStream) this.#ended(block)
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.stream.release(end - start)
    if (this.#done === undefined) return
    this.#bytes += end - start
    if (this.#bytes > this.#maxBytes) return this.#wrong(`a response of more than ${this.#maxBytes} bytes`)
    if (end > start) this.#pieces.push(copyOf(bytes, start, end))
    if (endStream) this.#wrong('a response without a grpc-status')
  }

  onTrailers(block: HeaderBlock): void {
    this.#ended(block)
  }

  onOversized(): void {
    this.#wrong('a header list that is too large')
  }

  onWritable(): void {
    // All of the request was given at once.
  }

  onClosed(end: StreamEnd): void {
    this.#left = true
    this.#time.wheel.disarm(this.#timer)
    this.#session.ended?.(this)
    this.#tell({ kind: 'lost', unprocessed: wasUnprocessed(end), why: whyLost(end) })
  }

  /** The response is whole. */
  #ended(last: HeaderBlock): void {
    const status = statusOf(last)
    if (status < 0) return this.#wrong('a response without a grpc-status')
    if (status !== Status.OK) {
      const text = decodeMessage(firstValue(last, 'grpc-message') ?? '').slice(0, MAX_TEXT_CHARACTERS)
      return this.#tell({ kind: 'status', status, text })
    }
    const message = onlyMessage(Buffer.concat(this.#pieces))
    if (typeof message === 'string') this.#wrong(message)
    else this.#tell({ kind: 'answer', message })
  }

  #wrong(why: string): void {
    this.#tell({ kind: 'wrong', why })
    this.#giveUp()
  }

  #late(): void {
    const { clock, wheel } = this.#time
    const now = clock.now()
    if (now - this.#dueMs > STOOD_STILL_MS && !this.#waitsLonger) {
      this.#waitsLonger = true
      return wheel.arm(this.#timer, now + STOOD_STILL_MS)
    }
    const why = this.seen ? 'the answer was not whole' : 'no answer'
    this.#tell({ kind: 'late', why: `${why} within ${Math.round(this.#time.timeoutMs)} ms` })
    this.#giveUp()
  }

  /** After its answer too: a peer that does not take the rest of the request must not keep the stream. */
  #giveUp(): void {
    this.#pieces.length = 0
    if (this.#left) return
    this.#left = true
    this.#time.wheel.disarm(this.#timer)
    if (this.#session.giveUp === undefined) this.stream.reset(ErrorCode.CANCEL)
    else this.#session.giveUp(this)
  }

  #tell(outcome: OwnOutcome): void {
    const done = this.#done
    if (done === undefined) return
    this.#done = undefined
    done(outcome)
  }
}

function requestBlock(path: string, scheme: string, authority: string, timeoutMs: number): HeaderBlock {
  return [
    field(':method', 'POST'),
    field(':scheme', scheme),
    field(':path', path),
    field(':authority', authority),
    field('te', 'trailers'),
    field('content-type', 'application/grpc'),
    field('user-agent', USER_AGENT),
    field('grpc-timeout', formatTimeout(timeoutMs)),
  ]
}

function whyLost(end: StreamEnd): string {
  if (end.kind === 'lost') return end.reason
  if (end.kind === 'reset') return `the stream was reset: ${end.violation ?? errorCodeName(end.code)}`
  return 'the stream ended without a response'
}
