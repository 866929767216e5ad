/**
 * The relay: one call's life, from its headers to its end. It joins the client's stream with the
 * attempt that serves it, knows not how either is carried, and ends exactly once.
 *
 *   headers ──► routing ──► waiting ──► forwarding ──► responding ──► answered ──► over
 *      │           │           │  ▲          │ refused, replayable        │          ▲
 *      │           │           │  └──────────┘                            │          │
 *      └───────────┴───────────┴── answered by the proxy itself ──────────┘          │
 *                     client gone, from any phase ───────────────────────────────────┘
 */
import type { Backend, Lease, Unavailable, Waiter } from '../backend/backend.ts'
import type { Client, ClientShare, Ticket } from '../backend/client-share.ts'
import { BORDER, placeAfter } from '../grpc/message.ts'
import { editRequest, type Field, type RequestHead, readHead } from '../grpc/metadata.ts'
import { Status } from '../grpc/status.ts'
import { CALL_BYTES } from '../transport/call-memory.ts'
import type { WheelTimer } from '../transport/timer-wheel.ts'
import {
  type HeaderBlock,
  HeadersRefused,
  type Peer,
  type Stream,
  type StreamEnd,
  type StreamOwner,
} from '../transport/transport.ts'
import { ErrorCode } from '../wire/errors.ts'
import { listBytesOf } from '../wire/hpack/header-field.ts'
import { Attempt, type AttemptOwner } from './attempt.ts'
import { RoutedCall } from './call-info.ts'
import type { CallSession, RelayContext } from './context.ts'
import { Deadline } from './deadline.ts'
import type { Failure } from './failure.ts'
import * as failures from './failure.ts'
import { answer, Farewell } from './farewell.ts'
import { checkHead } from './head-check.ts'
import type { LiveCall } from './live-calls.ts'
import { type Asker, askDirector } from './question.ts'
import { CallRecorder, type EndedBy } from './record.ts'
import { Replay } from './replay.ts'

type Phase = 'headers' | 'routing' | 'waiting' | 'forwarding' | 'responding' | 'answered' | 'over'

/** One more try for a request that the backend refused (gRFC A6: "the second time … committed"). */
const MAX_REFUSALS = 1
/** How long a backend may take for what is left of a request whose response is complete. */
const LINGER_MS = 5_000

const NO_HEAD = readHead([])
const NOTHING = Buffer.alloc(0)

export class Relay implements StreamOwner, AttemptOwner, Asker, Waiter, LiveCall {
  previousLive: LiveCall | undefined
  nextLive: LiveCall | undefined
  ticket: Ticket | undefined
  arriving = false
  /** Of the backend, once that is known. */
  share!: ClientShare
  readonly #client: Client
  readonly #context: RelayContext
  readonly #down: Stream
  readonly #session: CallSession
  readonly #peer: Peer
  #phase: Phase = 'headers'
  #block: HeaderBlock = []
  #head: RequestHead = NO_HEAD
  #call: RoutedCall | undefined
  #authority: string | undefined
  #added: readonly Field[] = []
  #backend: Backend | undefined
  #attempt: Attempt | undefined
  /** Undefined once the call is committed: it cannot be sent again. */
  #replay: Replay | undefined = new Replay()
  /** The response's headers, and where in its messages it is; without a record nobody counts them. */
  #response: HeaderBlock = []
  #place = BORDER
  #requestEnded = false
  /** What is counted for the call in `CallMemory`, and besides for what is kept of its request. */
  #memoryBytes = 0
  #replayBytes = 0
  #refusals = 0
  /** Received, and not yet taken by the other side: their windows stay closed. */
  #heldRequest = 0
  #heldResponse = 0
  #startMs = 0
  #deadline: Deadline | undefined
  #farewell: Farewell | undefined
  readonly #recorder: CallRecorder | undefined
  readonly #onOver: () => void

  constructor(context: RelayContext, down: Stream, session: CallSession, client: Client, onOver: () => void) {
    this.#context = context
    this.#down = down
    this.#client = client
    this.#session = session
    this.#peer = session.peer
    this.#onOver = onOver
    this.#recorder = context.record === undefined ? undefined : new CallRecorder()
    context.live.add(this)
  }

  onOversized(block: HeaderBlock, endStream: boolean): void {
    if (this.#phase === 'headers') this.onHeaders(block, endStream, true)
    else this.onTrailers()
  }

  onHeaders(block: HeaderBlock, endStream: boolean, oversized = false): void {
    this.#block = block
    this.#head = readHead(block)
    // A call without a deadline and without a record needs no clock.
    if (this.#recorder !== undefined || this.#head.timeout !== undefined) this.#startMs = this.#context.clock.now()
    this.#requestEnded = this.#replay!.ended = endStream
    this.#phase = 'routing'
    const memoryBytes = CALL_BYTES + this.#head.listBytes
    if (!this.#context.memory.take(this.#session, memoryBytes)) return this.#fail(failures.memoryShare())
    this.#memoryBytes = memoryBytes
    const { acceptNonGrpc } = this.#context
    const wrong = oversized ? failures.oversized() : checkHead(this.#head, this.#peer.encrypted, acceptNonGrpc)
    if (wrong !== undefined) return this.#fail(wrong)
    if (this.#head.timeout !== undefined && !this.#startDeadline(this.#head.timeout)) return
    this.#route()
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (endStream) this.#requestEnded = true
    this.#recorder?.request.push(bytes, start, end)
    const length = end - start
    const attempt = this.#attempt
    const open = attempt !== undefined && !attempt.closed
    if (!open) {
      // An answered call goes on where the backend still reads; a failed one has no attempt any more.
      if (this.#phase === 'answered' || this.#phase === 'over') return this.#down.release(length)
      this.#heldRequest += length
      this.#remember(bytes, start, end, endStream)
      return
    }
    if (this.#replay !== undefined) this.#remember(bytes, start, end, endStream)
    if (attempt.stream.sendData(bytes, start, end, endStream)) this.#down.release(length)
    else this.#heldRequest += length
  }

  /** gRPC requests have none, and grpc-go ends a connection over them: they end the request (RFC 9110 §6.5.1). */
  onTrailers(): void {
    this.#context.onOddity('request-trailers')
    this.onData(NOTHING, 0, 0, true)
  }

  #unsendable(error: unknown): void {
    // Anything else is a mistake of ours, which is to cost this call and no other.
    const refused = error instanceof HeadersRefused
    if (!refused) this.#context.onFault('a mistake of the proxy cost a call', this.#head.path, error)
    this.#fail(failures.unsendable(refused ? error : { message: 'a mistake of the proxy', tooLarge: false }))
  }

  onWritable(): void {
    const bytes = this.#heldResponse
    this.#heldResponse = 0
    if (bytes === 0) return
    this.share.held(-bytes)
    this.#attempt?.stream.release(bytes)
  }

  onClosed(end: StreamEnd): void {
    if (this.#phase === 'over') return
    if (this.#phase !== 'answered') this.#recorder?.ended('client', Status.CANCELLED, failures.clientGone(end))
    const attempt = this.#attempt
    if (this.#phase === 'waiting') this.#backend?.cancel(this)
    if (attempt !== undefined && !attempt.closed) {
      const { wheel, clock } = this.#context
      const arm = (timer: WheelTimer) => wheel.arm(timer, clock.now() + LINGER_MS)
      if (end.kind === 'clean') attempt.linger(arm, timer => wheel.disarm(timer))
      else attempt.abandon(ErrorCode.CANCEL)
    }
    this.#finish()
  }

  #remember(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const replay = this.#replay!
    replay.push(bytes, start, end)
    if (endStream) replay.ended = true
    // While no attempt takes it the client's window is the bound: nothing is released.
    const needed = this.#phase !== 'forwarding'
    if (!needed && replay.bytes > this.#context.replayBytes) return this.#commit()
    const { memory } = this.#context
    if (needed) memory.hold(this.#session, end - start)
    else if (!memory.take(this.#session, end - start)) return this.#commit()
    this.#replayBytes += end - start
  }

  /** The call is not sent again. */
  #commit(): void {
    this.#replay = undefined
    const bytes = this.#replayBytes
    if (bytes === 0) return
    this.#replayBytes = 0
    this.#context.memory.give(this.#session, bytes)
  }

  /** @returns false when the call is over with it */
  #startDeadline(text: string): boolean {
    const started = Deadline.start(text, this.#startMs, this.#context, failure => this.#fail(failure))
    const armed = started instanceof Deadline
    if (armed) this.#deadline = started
    else this.#fail(started)
    return armed
  }

  #route(): void {
    this.#call = new RoutedCall(this.#head, this.#block, this.#peer)
    askDirector(this.#context, this.#call, this.#head, this)
  }

  get waitsForRoute(): boolean {
    return this.#phase === 'routing'
  }

  onNoRoute(failure: Failure): void {
    this.#fail(failure)
  }

  onRoute(backend: Backend, authority: string | undefined, added: readonly Field[]): void {
    this.#backend = backend
    this.#authority = authority
    this.#added = added
    this.#connect()
  }

  #connect(): void {
    this.#phase = 'waiting'
    this.share = this.#client.shareOf(this.#backend!)
    this.#backend!.acquire(this)
  }

  onUnavailable(why: Unavailable, detail: string): void {
    this.#fail(failures.unavailable(why, detail))
  }

  onLease(lease: Lease): void {
    const timeout = this.#deadline?.left()
    if (this.#deadline !== undefined && timeout === undefined) return this.#fail(failures.deadlinePassed())
    this.#phase = 'forwarding'
    if (this.#recorder !== undefined) this.#recorder.endpoint = lease.address.name
    const replay = this.#replay!
    const attempt = new Attempt(lease, this.share, this)
    this.#attempt = attempt
    try {
      attempt.stream.sendHeaders(this.#upstreamBlock(lease, timeout), replay.headersOnly)
      if (replay.headersOnly) return
      if (replay.sendTo(attempt.stream)) this.onRequestWritable()
    } catch (error) {
      return this.#unsendable(error)
    }
    if (replay.bytes > this.#context.replayBytes) this.#commit()
  }

  #upstreamBlock(lease: Lease, timeout: string | undefined): HeaderBlock {
    return editRequest(this.#block, {
      scheme: lease.address.tls === undefined ? 'http' : 'https',
      authority: this.#authority,
      timeout,
      added: this.#added,
    })
  }

  onRequestWritable(): void {
    const bytes = this.#heldRequest
    this.#heldRequest = 0
    if (bytes > 0) this.#down.release(bytes)
  }

  onResponseHeaders(block: HeaderBlock, endStream: boolean): void {
    if (failures.hasNoStatus(block)) return this.#fail(failures.noStatus(block))
    this.#phase = 'responding'
    this.#commit()
    this.#response = block
    try {
      this.#down.sendHeaders(block, endStream)
    } catch (error) {
      this.#phase = 'forwarding'
      return this.#unsendable(error)
    }
    if (endStream) this.#answered(block)
  }

  onResponseData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.#recorder !== undefined) this.#recorder.response.push(bytes, start, end)
    else this.#place = placeAfter(this.#place, bytes, start, end)
    const length = end - start
    const writable = this.#down.sendData(bytes, start, end, endStream)
    if (endStream) this.#answered(undefined)
    if (writable) this.#attempt!.stream.release(length)
    else {
      this.#heldResponse += length
      this.share.held(length)
    }
  }

  get responseWaitingBytes(): number {
    return this.#down.queuedBytes
  }

  onResponseOverdue(): void {
    if (this.#phase === 'responding') this.#fail(failures.slowReader())
    else if (this.#phase === 'answered') this.#down.reset(ErrorCode.ENHANCE_YOUR_CALM)
  }

  onResponseTrailers(block: HeaderBlock): void {
    try {
      this.#down.sendTrailers(block)
    } catch (error) {
      return this.#unsendable(error)
    }
    if (this.#down.queuedBytes > 0) this.#keeps(block)
    this.#answered(block)
  }

  /** Trailers wait behind DATA that the client does not take. */
  #keeps(block: HeaderBlock): void {
    const bytes = listBytesOf(block)
    this.#memoryBytes += bytes
    this.#context.memory.hold(this.#session, bytes)
  }

  onAttemptClosed(end: StreamEnd): void {
    if (this.#phase === 'over') return
    if (this.#phase === 'answered') return this.#closeEarly(end)
    const refused = this.#phase === 'forwarding' && failures.wasRefused(end)
    if (refused && this.#refusals < MAX_REFUSALS && this.#replay !== undefined) {
      this.#refusals++
      return this.#connect()
    }
    const endedBy = end.kind === 'reset' && end.by === 'peer' ? 'backend' : 'proxy'
    this.#fail(refused ? failures.ofRefusal(end) : failures.ofUpstream(end), endedBy)
  }

  /**
   * The response is complete and the backend wants no more of the request. RFC 9113 §8.1: it "MAY
   * request that the client abort transmission of a request without error by sending a RST_STREAM
   * with an error code of NO_ERROR after sending a complete response".
   */
  #closeEarly(end: StreamEnd): void {
    if (this.#requestEnded && end.kind === 'clean') return
    // However slowly it is read: "Clients MUST NOT discard responses as a result of receiving such a RST_STREAM".
    this.#down.resetWhenSent(end.kind === 'reset' ? end.code : ErrorCode.NO_ERROR)
  }

  /** The backend's response went out whole. */
  #answered(last: HeaderBlock | undefined): void {
    this.#phase = 'answered'
    this.#deadline?.disarm()
    this.#recorder?.answered(last)
  }

  #fail(failure: Failure, endedBy: EndedBy = 'proxy'): void {
    if (this.#phase === 'answered' || this.#phase === 'over') return
    this.#recorder?.failed(endedBy, failure)
    const responding = this.#phase === 'responding'
    this.#leave()
    if (responding) this.#break(failure)
    else answer(this.#down, failure, this.#head.contentType, this.#requestEnded)
  }

  #break(failure: Failure): void {
    const within = this.#recorder === undefined ? this.#place !== BORDER : this.#recorder.response.within
    this.#farewell = new Farewell(this.#down, failure, this.#context)
    // What the client takes yet counts as held until it did.
    if (!this.#farewell.say(!within && failures.endsByTrailers(this.#response), this.#requestEnded)) this.onWritable()
  }

  #leave(): void {
    if (this.#phase === 'waiting') this.#backend?.cancel(this)
    this.#phase = 'answered'
    this.#attempt?.abandon(ErrorCode.CANCEL)
    this.#call?.abort()
    this.#commit()
    this.#deadline?.disarm()
  }

  /** The grace period of a drain is over. */
  abort(): void {
    if (this.#farewell !== undefined) this.#farewell.abort()
    else this.#fail(failures.shuttingDown())
  }

  #finish(): void {
    this.#phase = 'over'
    this.onWritable()
    this.onRequestWritable()
    this.#call?.abort()
    this.#replay = undefined
    this.#context.memory.give(this.#session, this.#memoryBytes + this.#replayBytes)
    this.#deadline?.disarm()
    this.#farewell?.disarm()
    this.#context.live.remove(this)
    if (this.#recorder !== undefined) {
      const { clock, record } = this.#context
      record!(this.#recorder.finish(this.#head, this.#peer, this.#backend, this.#refusals, this.#startMs, clock.now()))
    }
    this.#onOver()
  }
}
