/**
 * The relay: one call's life, from its headers to its end. It joins the client's stream with the attempt that serves
 * the call, does not know how either is carried, and ends exactly once.
 *
 *   headers ──► routing ──► waiting ──► forwarding ──► responding ──► answered ──► over
 *      │           │           │  ▲          │ refused, request kept      │          ▲
 *      │           │           │  ├──────────┤                            │          │
 *      │           │           │  └─ backoff ◄── failed, its policy says so │          │
 *      └───────────┴───────────┴── answered by the proxy itself ──────────┘          │
 *                     client gone, from any phase ───────────────────────────────────┘
 */
import type { Backend, Lease, Unavailable, Waiter } from '../backend/backend.ts'
import { DEFAULT } from '../backend/call-priority.ts'
import type { Client, ClientShare, Ticket } from '../backend/client-share.ts'
import { BORDER, placeAfter } from '../grpc/message.ts'
import type { AddedField } from '../grpc/metadata.ts'
import { Status, statusOf, statusOfAnswer } from '../grpc/status.ts'
import type { DefinedPolicy } from '../routing/policy.ts'
import type { DialAddress, HeaderBlock, Peer, Stream, StreamEnd, StreamOwner } from '../transport/transport.ts'
import { wasUnprocessed } from '../transport/unprocessed.ts'
import { ErrorCode } from '../wire/errors.ts'
import { listBytesOf } from '../wire/hpack/header-field.ts'
import { NO_BYTES } from '../wire/no-bytes.ts'
import type { AttemptOwner } from './attempt.ts'
import { RoutedCall } from './call-info.ts'
import type { CallParts, Phase } from './call-state.ts'
import type { CallSession, RelayContext } from './context.ts'
import { Deadline } from './deadline.ts'
import { type EndedBy, type Failure, type FailureToken, failureOf } from './failure.ts'
import { answer, closeEarly, endsByTrailers, Farewell } from './farewell.ts'
import { checkHead, checkResponse, unsendable } from './head-check.ts'
import type { LiveCall } from './live-calls.ts'
import { type Asker, askDirector } from './question.ts'
import { CallRecorder, counting, traced } from './record.ts'
import { CallRequest } from './request.ts'
import { clientGone, enderOf, ofRefusal, ofUpstream } from './stream-end.ts'
import { type FailedAttempt, type Treated, Treatment } from './treatment.ts'
import { type Upstream, upstreamOf } from './upstream.ts'

export class Relay implements StreamOwner, AttemptOwner, Asker, Waiter, Treated, LiveCall {
  previousLive: LiveCall | undefined
  nextLive: LiveCall | undefined
  ticket: Ticket | undefined
  arriving = false
  hash = 0
  priority = DEFAULT
  tried: readonly DialAddress[] | undefined
  /** Of the backend, once that is known. */
  share!: ClientShare
  readonly #client: Client
  readonly #context: RelayContext
  readonly #down: Stream
  readonly #peer: Peer
  readonly #request: CallRequest
  #phase: Phase = 'headers'
  #call: RoutedCall | undefined
  #backend: Backend | undefined
  #attempt: Upstream | undefined
  /** The response's headers, and where in its messages it is; without a record nobody counts them. */
  #response: HeaderBlock = []
  #place = BORDER
  /** Bytes of the response that the client has not taken: their window stays closed. */
  #heldResponse = 0
  #startMs = 0
  #deadline: Deadline | undefined
  #treatment: Treatment | undefined
  #farewell: Farewell | undefined
  #recorder: CallRecorder | undefined

  constructor(context: RelayContext, down: Stream, session: CallSession, client: Client) {
    this.#context = context
    this.#down = down
    this.#client = client
    this.#peer = session.peer
    this.#request = new CallRequest(context.memory, session, context.requestIds)
    if (context.observer !== undefined && !context.observer.onlyTraced)
      this.#recorder = new CallRecorder(context.latency)
    context.live.add(this)
  }

  /** Every change of the phase, and what belongs to it whatever its reason is. */
  #enter(phase: Phase): void {
    if (this.#phase === 'waiting' && phase !== 'forwarding') this.#backend!.cancel(this)
    this.#phase = phase
    switch (phase) {
      case 'waiting':
        this.share = this.#client.shareOf(this.#backend!)
        return this.#backend!.acquire(this)
      case 'responding':
        this.#treatment?.responded()
        return this.#request.answered()
      case 'answered':
      case 'over':
        this.#request.answered()
        this.#treatment?.end()
        this.#deadline?.disarm()
        if (phase === 'over') this.#finish()
    }
  }

  onOversized(block: HeaderBlock, endStream: boolean): void {
    if (this.#phase === 'headers') this.onHeaders(block, endStream, 'headers-too-large')
    else this.onTrailers()
  }

  onHeaders(block: HeaderBlock, endStream: boolean, unfit?: FailureToken): void {
    const context = this.#context
    const unable = this.#request.begin(block, endStream) ? unfit : 'memory-share'
    const { head } = this.#request
    // A call without a deadline and without a record needs no clock.
    if (context.observer !== undefined || head.timeout !== undefined) this.#startMs = context.clock.now()
    if (context.observer?.trace) this.#recorder = traced(context, this.#request, this.#startMs, this.#recorder)
    this.#enter('routing')
    const wrong = unable ? failureOf(unable) : checkHead(head, this.#peer.encrypted, context.acceptNonGrpc)
    if (wrong !== undefined) return this.fail(wrong)
    if (head.timeout !== undefined) {
      this.#deadline = Deadline.start(head.timeout, this.#startMs, context, this)
      if (this.#deadline === undefined) return
    }
    this.#call = new RoutedCall(head, block, this.#peer, this.#request.id)
    askDirector(context, this.#call, head, this)
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const request = this.#request
    if (endStream) request.ended = true
    this.#recorder?.request.push(bytes, start, end)
    const attempt = this.#attempt
    if (attempt === undefined || attempt.closed) {
      // An answered call goes on where the backend still reads; a failed one has no attempt any more.
      if (this.#phase === 'answered' || this.#phase === 'over') this.#down.release(end - start)
      else request.hold(bytes, start, end)
      return
    }
    if (request.kept) request.keep(bytes, start, end, this.#context.replayBytes)
    if (attempt.stream.sendData(bytes, start, end, endStream)) this.#down.release(end - start)
    else request.wait(end - start)
  }

  /** gRPC requests have none, and grpc-go ends a connection for them. They end the request (RFC 9110 §6.5.1). */
  onTrailers(): void {
    this.#context.onOddity('request-trailers')
    this.onData(NO_BYTES, 0, 0, true)
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
    if (this.#phase !== 'answered') this.#recorder?.ended(enderOf(end, 'client'), Status.CANCELLED, clientGone(end))
    const attempt = this.#attempt
    if (attempt !== undefined && !attempt.closed) {
      if (end.kind === 'clean') attempt.linger(this.#context)
      else attempt.abandon(ErrorCode.CANCEL)
    }
    this.#enter('over')
  }

  onUnfit(why: FailureToken): void {
    this.fail(failureOf(why))
  }

  get waitsForRoute(): boolean {
    return this.#phase === 'routing'
  }

  onRoute(backend: Backend, authority: string | undefined, added: readonly AddedField[], policy?: DefinedPolicy): void {
    this.#backend = backend
    this.#request.routed(authority, added, this.#call!.edits)
    if (policy !== undefined) {
      this.#deadline = Deadline.under(policy, this.#deadline, this.#context, this)
      if (policy.counts) this.#recorder ??= counting()
      if (policy.treats) this.#treatment = new Treatment(policy, this, this.#request, this.#context)
    }
    this.#enter('waiting')
  }

  onAttemptOverdue(): void {
    const failure = failureOf('attempt-timeout')
    if (this.#phase === 'forwarding' && !this.#again(failure.status, 'attempt-timeout', failure)) this.fail(failure)
  }

  onBackoffOver(): void {
    this.#enter('waiting')
  }

  /** An attempt failed, and no headers of a response went on. @returns whether another follows */
  #again(status: number, reason: FailedAttempt['reason'], failure?: Failure, answer?: HeaderBlock): boolean {
    if (this.#treatment?.again({ status, reason, answer }, this.#attempt, failure) !== true) return false
    this.#attempt = undefined
    this.#enter('backoff')
    return true
  }

  onUnavailable(why: Unavailable, detail: string): void {
    const failure = failureOf(why === 'closed' ? 'shutting-down' : why, { cause: detail })
    if (why !== 'unreachable' || !this.#again(failure.status, why, failure)) this.fail(failure)
  }

  onLease(lease: Lease): void {
    const timeout = this.#deadline?.left()
    if (this.#deadline !== undefined && timeout === undefined) return this.fail(this.#deadline.failure)
    this.#enter('forwarding')
    this.#treatment?.forwarded()
    this.#recorder?.forwarded(lease.address.name, this.#startMs)
    const request = this.#request
    this.#attempt = upstreamOf(lease, this, this.#backend!, this.#treatment)
    try {
      if (request.sendTo(this.#attempt.stream, lease.address, timeout)) this.onRequestWritable()
    } catch (error) {
      return this.fail(unsendable(error, this.#context, this.#request.head.path))
    }
    if (request.bytes > this.#context.replayBytes) request.commit()
  }

  onRequestWritable(): void {
    const bytes = this.#request.taken()
    if (bytes > 0) this.#down.release(bytes)
  }

  onResponseHeaders(block: HeaderBlock, endStream: boolean): void {
    const wrong = checkResponse(block)
    if (wrong !== undefined) return this.fail(wrong)
    if (endStream && this.#again(statusOfAnswer(block), 'status', undefined, block)) return
    this.#response = block
    try {
      this.#down.sendHeaders(this.#request.responseOf(block, endStream), endStream)
    } catch (error) {
      return this.fail(unsendable(error, this.#context, this.#request.head.path))
    }
    this.#recorder?.responded()
    if (endStream) this.#answered(block)
    else this.#enter('responding')
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
    if (this.#phase === 'responding') this.fail(failureOf('slow-reader'))
    else if (this.#phase === 'answered') this.#down.reset(ErrorCode.ENHANCE_YOUR_CALM)
  }

  onResponseTrailers(block: HeaderBlock): void {
    const sent = this.#request.trailersOf(block)
    try {
      this.#down.sendTrailers(sent)
    } catch (error) {
      return this.fail(unsendable(error, this.#context, this.#request.head.path))
    }
    // They wait behind DATA that the client does not take.
    if (this.#down.queuedBytes > 0) this.#request.charge(listBytesOf(sent))
    this.#answered(block)
  }

  onAttemptClosed(end: StreamEnd): void {
    if (this.#phase === 'over') return
    if (this.#phase === 'answered') return closeEarly(this.#down, end, this.#request.ended)
    const refused = this.#phase === 'forwarding' && wasUnprocessed(end)
    if (refused && this.#request.again(end, this.share)) return this.#enter('waiting')
    const failure = refused ? ofRefusal(end) : ofUpstream(end)
    if (this.#phase === 'forwarding' && this.#again(failure.status, 'broken', failure)) return
    this.#treatment?.ended(failure.status)
    this.fail(failure, enderOf(end, 'backend'))
  }

  /** The backend's response went out whole. */
  #answered(last: HeaderBlock | undefined): void {
    this.#enter('answered')
    this.#treatment?.ended(last === undefined ? Status.UNKNOWN : statusOf(last))
    this.#recorder?.answered(last)
  }

  fail(failure: Failure, endedBy: EndedBy = 'proxy'): void {
    if (this.#phase === 'answered' || this.#phase === 'over') return
    this.#recorder?.failed(endedBy, failure)
    const responding = this.#phase === 'responding'
    this.#enter('answered')
    this.#attempt?.abandon(ErrorCode.CANCEL, failure)
    this.#call?.abort()
    if (!responding) return answer(this.#down, failure, this.#request)
    const within = this.#recorder === undefined ? this.#place !== BORDER : this.#recorder.response.within
    this.#farewell = new Farewell(this.#down, failure, this.#request, this.#context)
    // Until the client has taken what waits for it, that counts as held.
    if (!this.#farewell.say(!within && endsByTrailers(this.#response), this.#request.ended)) this.onWritable()
  }

  get parts(): CallParts {
    const [phase, peer, request, down, backend] = [this.#phase, this.#peer, this.#request, this.#down, this.#backend]
    const [attempt, recorder, deadline, startMs] = [this.#attempt, this.#recorder, this.#deadline, this.#startMs]
    return { phase, peer, request, down, backend, attempt, recorder, deadline, startMs }
  }

  /** The grace period of a drain is over. */
  abort(): void {
    if (this.#farewell !== undefined) this.#farewell.abort()
    else this.fail(failureOf('shutting-down'))
  }

  #finish(): void {
    this.onWritable()
    this.onRequestWritable()
    this.#call?.end(this.#context.onFault)
    this.#request.end()
    this.#farewell?.disarm()
    this.#context.live.remove(this)
    const fields = this.#call?.fields ?? []
    this.#recorder?.tell(this.#context, this.#request, fields, this.#peer, this.#backend, this.#startMs)
  }
}
