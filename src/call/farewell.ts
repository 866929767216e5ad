/**
 * How the proxy itself ends a call: by an answer, where the response has not begun. A response whose headers are out it
 * ends by trailers where that is between two messages: with the status and marked as ours they say more than a reset
 * does. In the middle of a message it is a reset. Never an end that looks whole.
 */
import { answerContentType, type Field, field, isGrpcContentType } from '../grpc/metadata.ts'
import type { Clock } from '../transport/clock.ts'
import { type TimerWheel, WheelTimer } from '../transport/timer-wheel.ts'
import type { HeaderBlock, Stream, StreamEnd } from '../transport/transport.ts'
import { ErrorCode } from '../wire/errors.ts'
import { type Failure, messageOf } from './failure.ts'
import type { CallRequest } from './request.ts'

/**
 * Before there are response headers. A client whose call nobody has processed is told that it may try again. RFC 9113 §8.7:
 * REFUSED_STREAM says "prior to any processing having occurred", which an attempt before the last may have had.
 */
export function answer(down: Stream, failure: Failure, request: CallRequest): void {
  const unprocessed = failure.token === 'upstream-refused' && request.previousAttempts === 0
  if (unprocessed && down.knowsResets !== false) return down.reset(ErrorCode.REFUSED_STREAM)
  const own = answerTo(failure, request.head.contentType)
  const { fields } = failure
  const whole = request.responseOf(fields === undefined ? own : [...own, ...fields], true)
  // Without what routes and services add it may be no longer than its client takes.
  if (!sends(down, whole) && !sends(down, own)) return down.reset(ErrorCode.INTERNAL_ERROR)
  if (!request.ended) down.reset(ErrorCode.NO_ERROR)
}

/** @returns false: the client takes no header list as large as this */
function sends(down: Stream, fields: HeaderBlock): boolean {
  try {
    down.sendHeaders(fields, true)
    return true
  } catch {
    return false
  }
}

/**
 * Trailers-Only (PROTOCOL-HTTP2.md, "Responses"), marked as the proxy's own with the reason; a plain HTTP status for a
 * request that is not gRPC.
 * @param contentType of the request; the answer has the same
 */
function answerTo(failure: Failure, contentType: string): Field[] {
  const mark = field('x-grpc-verbatim-error', failure.token)
  if (failure.http !== undefined) return [field(':status', String(failure.http)), field('content-length', '0'), mark]
  return [field(':status', '200'), field('content-type', answerContentType(contentType)), ...ownTrailers(failure)]
}

/** gRFC A6: a signed number of 32 bits. Clients take a larger one for none, and do not try again. */
const MAX_PUSHBACK_MS = 2 ** 31 - 1

/** The end of a response that has begun, marked as the proxy's own. */
function ownTrailers(failure: Failure): Field[] {
  const fields = [
    field('grpc-status', String(failure.status)),
    field('grpc-message', messageOf(failure)),
    field('x-grpc-verbatim-error', failure.token),
  ]
  const { retryAfterMs } = failure
  if (retryAfterMs !== undefined) {
    const pushbackMs = Math.min(Math.ceil(retryAfterMs), MAX_PUSHBACK_MS)
    fields.push(field('grpc-retry-pushback-ms', String(pushbackMs)))
  }
  return fields
}

/** A response that trailers of ours may end: one of gRPC that does not say how long it is. */
export function endsByTrailers(response: HeaderBlock): boolean {
  let grpc = false
  for (const { name, value } of response) {
    if ((name === ':status' && value !== '200') || name === 'content-length') return false
    if (name === 'content-type') grpc = isGrpcContentType(value)
  }
  return grpc
}

/**
 * The response is complete and the backend wants no more of the request. RFC 9113 §8.1: it "MAY request that the client
 * abort transmission of a request without error by sending a RST_STREAM with an error code of NO_ERROR after sending a
 * complete response".
 */
export function closeEarly(down: Stream, end: StreamEnd, requestEnded: boolean): void {
  if (requestEnded && end.kind === 'clean') return
  // However slowly it is read: "Clients MUST NOT discard responses as a result of receiving such a RST_STREAM".
  down.resetWhenSent(end.kind === 'reset' ? end.code : ErrorCode.NO_ERROR)
}

/** A client that takes less than a 16th of what waits for it in this time does not get the rest of it. */
const PATIENCE_MS = 5_000

export class Farewell {
  readonly #down: Stream
  readonly #failure: Failure
  readonly #request: CallRequest
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #timer: WheelTimer = new WheelTimer(() => this.#look())
  #queuedBytes = 0
  /** Nothing was sent: the end of the client's session says it. */
  #left = false

  constructor(
    down: Stream,
    failure: Failure,
    request: CallRequest,
    context: { readonly clock: Clock; readonly wheel: TimerWheel },
  ) {
    this.#down = down
    this.#failure = failure
    this.#request = request
    this.#clock = context.clock
    this.#wheel = context.wheel
  }

  /**
   * @param whole nothing of a message is missing, and trailers may end the response
   * @param requestEnded the client has sent all of its request
   * @returns whether the client gets what is queued for it, and may take its time
   */
  say(whole: boolean, requestEnded: boolean): boolean {
    this.#queuedBytes = this.#down.queuedBytes
    if (!whole || (this.#queuedBytes > 0 && !this.#waits) || !this.#sendTrailers()) {
      this.#cut()
      return false
    }
    if (!requestEnded) this.#down.reset(ErrorCode.NO_ERROR)
    if (this.#queuedBytes === 0) return false
    this.#wheel.arm(this.#timer, this.#clock.now() + PATIENCE_MS)
    return true
  }

  #sendTrailers(): boolean {
    try {
      this.#down.sendTrailers(this.#request.trailersOf(ownTrailers(this.#failure)))
      return true
    } catch {
      // The client takes no header list as large as this one.
      return false
    }
  }

  /** Whether it waits for what is queued: not where the time is over, the room is needed, or the connection ends. */
  get #waits(): boolean {
    const { token } = this.#failure
    return token !== 'deadline' && token !== 'slow-reader' && token !== 'shutting-down'
  }

  /** No reset code means UNAVAILABLE. Where the connection ends with the call, its end means that. */
  #cut(): void {
    if (this.#failure.token === 'shutting-down') this.#left = true
    else this.#down.reset(this.#failure.code)
  }

  #look(): void {
    const { queuedBytes } = this.#down
    if (queuedBytes > (this.#queuedBytes * 15) / 16) return this.#down.reset(this.#failure.code)
    this.#queuedBytes = queuedBytes
    this.#wheel.arm(this.#timer, this.#clock.now() + PATIENCE_MS)
  }

  /** The client's session did not end with the call: it belongs to somebody else's server. */
  abort(): void {
    if (this.#left) this.#down.reset(this.#failure.code)
  }

  disarm(): void {
    this.#wheel.disarm(this.#timer)
  }
}
