/** One try of a call, on one upstream stream. Once it is closed or given up, its relay hears no more of it. */
import type { Lease } from '../backend/backend.ts'
import type { ClientShare } from '../backend/client-share.ts'
import type { ObservedAttempt } from '../backend/outcome.ts'
import { Status, statusOf } from '../grpc/status.ts'
import type { Clock } from '../transport/clock.ts'
import { type TimerWheel, WheelTimer } from '../transport/timer-wheel.ts'
import type { HeaderBlock, Stream, StreamEnd, StreamOwner } from '../transport/transport.ts'
import { wasUnprocessed } from '../transport/unprocessed.ts'
import { ErrorCode } from '../wire/errors.ts'
import { ofUpstream } from './stream-end.ts'

/** How long a backend may take for what is left of a request whose response is complete. */
const LINGER_MS = 5_000

/** What `statusOf` says of a response without one. */
const NO_STATUS = -1

/** Why the proxy gave it up. */
export interface ProxyEnd {
  readonly status: number
}

/** What an attempt tells its relay. */
export interface AttemptOwner {
  onResponseHeaders(block: HeaderBlock, endStream: boolean): void
  onResponseData(bytes: Buffer, start: number, end: number, endStream: boolean): void
  onResponseTrailers(block: HeaderBlock): void
  /** Bytes of the response that the client has not taken. */
  readonly responseWaitingBytes: number
  /** The client takes almost nothing of the response, and other calls of the same session wait for that. */
  onResponseOverdue(): void
  /** The upstream stream takes request data again. */
  onRequestWritable(): void
  onAttemptClosed(end: StreamEnd): void
}

export class Attempt implements StreamOwner {
  readonly lease: Lease
  readonly stream: Stream
  #owner: AttemptOwner | undefined
  readonly #holder: AttemptOwner
  readonly #share: ClientShare
  #closed = false
  /** Its place among the streams of the lease, in the order in which they were opened. */
  readonly #number: number
  #lingering: WheelTimer | undefined
  /** For those who listen to the outcomes at the endpoint, if there are any. */
  readonly #observed: ObservedAttempt | undefined

  /** @param share of the client whose call it is */
  constructor(lease: Lease, share: ClientShare, owner: AttemptOwner) {
    this.lease = lease
    this.#share = share
    this.#owner = this.#holder = owner
    this.stream = lease.open(this)
    this.#number = lease.opened
    share.streamOpened(lease)
    this.#observed = lease.outcomes?.begin(share)
  }

  get closed(): boolean {
    return this.#closed
  }

  onHeaders(block: HeaderBlock, endStream: boolean): void {
    if (this.lease.seen < this.#number) this.lease.seen = this.#number
    this.lease.heard()
    // Interim responses (RFC 9110 §15.2) are for this hop alone; gRPC does not use them.
    if (!endStream && isInterim(block)) return
    this.lease.session.answered = true
    if (this.#observed !== undefined) {
      this.#observed.onHeaders(endStream)
      if (endStream) this.#observed.answered(statusOf(block), block)
    }
    this.#owner?.onResponseHeaders(block, endStream)
  }

  /** The backend's program has seen it: it was answered, or a later one was. */
  get seen(): boolean {
    return this.#number <= this.lease.seen
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (endStream) this.#observed?.answered(NO_STATUS, undefined)
    if (this.#owner === undefined) this.stream.release(end - start)
    else this.#owner.onResponseData(bytes, start, end, endStream)
  }

  onTrailers(block: HeaderBlock): void {
    this.#observed?.answered(statusOf(block), block)
    this.#owner?.onResponseTrailers(block)
  }

  onWritable(): void {
    this.#owner?.onRequestWritable()
  }

  /** Also after it is closed: what came of it may still wait for the client. */
  onOverdue(): void {
    this.#holder.onResponseOverdue()
  }

  /** All calls of a client to this backend are judged together by what it takes. */
  get consumer(): object {
    return this.#share
  }

  get waitingBytes(): number {
    return this.#holder.responseWaitingBytes
  }

  onClosed(end: StreamEnd): void {
    this.#closed = true
    if (this.#observed?.over === false) this.#observed.ended('backend', ofUpstream(end).status, wasUnprocessed(end))
    if (this.#owner !== undefined && end.kind !== 'clean') this.lease.broke()
    this.#share.streamEnded(this.lease)
    this.lease.ended(this)
    if (end.kind === 'reset' && end.violation !== undefined) this.#share.resetCaused()
    this.#lingering?.fire()
    const owner = this.#owner
    this.#owner = undefined
    owner?.onAttemptClosed(end)
  }

  /**
   * The call has ended in another way: the stream is reset, and the relay hears no more of it.
   * @param failure why the proxy has ended it; undefined: the client has left
   */
  abandon(code: ErrorCode, failure?: ProxyEnd): void {
    this.#owner = undefined
    if (failure === undefined) this.#observed?.ended('client', Status.CANCELLED)
    else this.#observed?.ended('proxy', failure.status)
    if (!this.#closed) this.#reset(code)
  }

  /**
   * Another attempt takes its place.
   * @param requestEnded all of the request has come
   * @param failure why the proxy gave it up; undefined: its answer is whole
   */
  replaced(
    requestEnded: boolean,
    context: { readonly clock: Clock; readonly wheel: TimerWheel },
    failure?: ProxyEnd,
  ): void {
    // Both sides have said all: the stream ends by itself.
    if (failure === undefined && requestEnded && this.stream.queuedBytes === 0) this.linger(context)
    else this.abandon(ErrorCode.CANCEL, failure)
  }

  #reset(code: ErrorCode): void {
    this.#share.resetCaused()
    this.lease.reset(this, code)
  }

  /**
   * The response is complete, and the client has sent all of its request. The rest of that goes on to the backend. A
   * backend that takes none of it must not keep the stream.
   */
  linger({ clock, wheel }: { readonly clock: Clock; readonly wheel: TimerWheel }): void {
    if (this.#closed || this.#owner === undefined) return
    this.#owner = undefined
    const timer = new WheelTimer(() => {
      wheel.disarm(timer)
      if (!this.#closed) this.#reset(ErrorCode.CANCEL)
    })
    this.#lingering = timer
    wheel.arm(timer, clock.now() + LINGER_MS)
  }
}

function isInterim(block: HeaderBlock): boolean {
  const status = block[0]
  return status !== undefined && status.name === ':status' && status.value.charCodeAt(0) === 0x31 /* 1 */
}

/** What of it a relay drives, which may also be several, or one with a copy (`upstream.ts`). */
export type Upstream = Pick<Attempt, 'lease' | 'stream' | 'closed' | 'abandon' | 'replaced' | 'linger'>
