/**
 * A copy of a call at a second backend, which nobody waits for. It gets what the backend of the call gets, marked. Its answer
 * is read and dropped; how it ended is compared with how the call ended, and told to an observer.
 *
 * It slows nothing: what it has not taken is kept up to a bound, and beyond that the copy is given up. All copies at one
 * backend are one client there, and one holder of memory: they take no client's part of either, and calls go before them.
 */
import type { Backend, Lease, Unavailable, Waiter } from '../backend/backend.ts'
import { SHEDDABLE } from '../backend/call-priority.ts'
import { Client, type ClientShare, type Ticket } from '../backend/client-share.ts'
import { editRequest, field } from '../grpc/metadata.ts'
import { statusOf } from '../grpc/status.ts'
import { CALL_BYTES, type MemoryHolder } from '../transport/call-memory.ts'
import { WheelTimer } from '../transport/timer-wheel.ts'
import type { HeaderBlock, StreamEnd } from '../transport/transport.ts'
import { ErrorCode } from '../wire/errors.ts'
import { listBytesOf } from '../wire/hpack/header-field.ts'
import { Pieces } from '../wire/pieces.ts'
import { Attempt, type AttemptOwner } from './attempt.ts'
import type { RelayContext } from './context.ts'
import type { MirrorDrop, MirrorRecord } from './observer.ts'
import { ofUpstream } from './stream-end.ts'

/** How much longer than its call a copy may take. */
const LATE_MS = 10_000
/** How many bytes more than its call a copy may answer: so much of a flood is read and dropped. */
const MOST_MORE_BYTES = 1_048_576

/** Tells a backend that nobody waits for its answer. */
const MARK = field('x-grpc-verbatim-mirrored', '1')

/** What all copies at one backend have together. */
class Copies implements MemoryHolder {
  heldBytes = 0
  readonly client = new Client('mirror')
}

const copies = new WeakMap<Backend, Copies>()

function copiesAt(backend: Backend): Copies {
  const known = copies.get(backend)
  if (known !== undefined) return known
  const all = new Copies()
  copies.set(backend, all)
  return all
}

export type CopyContext = Pick<RelayContext, 'clock' | 'wheel' | 'memory' | 'replayBytes' | 'observer' | 'onFault'>

/** The call. */
export interface Copied {
  readonly path: string
  readonly backend: string
  /** Bytes of its response so far. */
  readonly responseBytes: number
}

/** How the call ended. */
interface CallEnd {
  readonly status: number
  readonly durationMs: number
}

export class Copy implements Waiter, AttemptOwner {
  readonly share: ClientShare
  ticket: Ticket | undefined
  arriving = false
  readonly hash: number
  readonly priority = SHEDDABLE
  /** Bytes of the request that it was given. */
  receivedBytes = 0
  readonly #backend: Backend
  readonly #call: Copied
  readonly #context: CopyContext
  readonly #holder: Copies
  /** Its headers: undefined before they came, and once they were sent. */
  #block: HeaderBlock | undefined
  #more: HeaderBlock | undefined
  #attempt: Attempt | undefined
  #waits = false
  /** Data that came before it had a stream. */
  #held: Pieces | undefined
  #heldBytes = 0
  /** Counted in the memory of calls: for itself, and for data that its backend has not taken. */
  #ownBytes = 0
  #dataBytes = 0
  #requestEnded = false
  #responseBytes = 0
  #callStartMs = 0
  #startMs = 0
  #callEnd: CallEnd | undefined
  #callMs = 0
  #end: CallEnd | undefined
  #told = false
  #late: WheelTimer | undefined

  constructor(backend: Backend, call: Copied, context: CopyContext) {
    this.#backend = backend
    this.#call = call
    this.#context = context
    this.#holder = copiesAt(backend)
    this.share = this.#holder.client.shareOf(backend)
    this.hash = backend.hash?.anywhere() ?? 0
  }

  /** Its call goes to an endpoint. Only the first time counts. */
  begin(block: HeaderBlock, endStream: boolean, more: HeaderBlock | undefined): void {
    if (this.#callStartMs > 0) return
    this.#callStartMs = this.#context.clock.now()
    this.#block = block
    this.#more = more
    this.#requestEnded = endStream
    const bytes = CALL_BYTES + listBytesOf(block)
    if (!this.#context.memory.take(this.#holder, bytes)) return this.#drop('memory')
    this.#ownBytes = bytes
    this.#waits = true
    this.#backend.acquire(this)
  }

  /** Data of the request, none of it twice. */
  data(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.#isOver || this.#requestEnded) return
    this.receivedBytes += end - start
    this.#requestEnded = endStream
    if (this.#attempt === undefined) this.#hold(bytes, start, end)
    else {
      this.#attempt.stream.sendData(bytes, start, end, endStream)
      this.#count(this.#attempt.stream.queuedBytes)
    }
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    if (end === start || !this.#count(this.#heldBytes + end - start)) return
    this.#held ??= new Pieces()
    this.#held.push(bytes, start, end)
    this.#heldBytes += end - start
  }

  /** So much of its request waits. @returns false: that is too much, and it has been given up */
  #count(bytes: number): boolean {
    const { memory, replayBytes } = this.#context
    const more = bytes - this.#dataBytes
    if (more > 0 && (bytes > replayBytes || !memory.take(this.#holder, more))) {
      this.#drop('behind')
      return false
    }
    if (more < 0) memory.give(this.#holder, -more)
    this.#dataBytes = bytes
    return true
  }

  onUnavailable(why: Unavailable, _detail: string): void {
    this.#waits = false
    this.#drop(why === 'closed' ? 'unreachable' : why)
  }

  onLease(lease: Lease): void {
    this.#waits = false
    this.#startMs = this.#context.clock.now()
    const attempt = new Attempt(lease, this.share, this)
    this.#attempt = attempt
    const scheme = lease.address.tls === undefined ? 'http' : 'https'
    const block = editRequest(this.#block!, { scheme, authority: undefined, timeout: undefined, added: [MARK] })
    this.#block = undefined
    try {
      attempt.stream.sendHeaders(block, this.#requestEnded && this.#heldBytes === 0, this.#more)
    } catch {
      // The call's own attempt says what is wrong with them.
      return this.#drop('unsendable')
    }
    this.#more = undefined
    this.#held?.each((bytes, start, end, last) => {
      attempt.stream.sendData(bytes, start, end, this.#requestEnded && last)
    })
    this.#held = undefined
    this.#count(attempt.stream.queuedBytes)
  }

  onRequestWritable(): void {
    if (!this.#isOver) this.#count(this.#attempt!.stream.queuedBytes)
  }

  onResponseHeaders(block: HeaderBlock, endStream: boolean): void {
    if (endStream) this.#answered(statusOf(block))
  }

  onResponseData(_bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#attempt!.stream.release(end - start)
    this.#responseBytes += end - start
    if (endStream) this.#answered(-1)
    else if (this.#responseBytes > this.#call.responseBytes + MOST_MORE_BYTES) this.#drop('answers-more')
  }

  onResponseTrailers(block: HeaderBlock): void {
    this.#answered(statusOf(block))
  }

  readonly responseWaitingBytes = 0

  onResponseOverdue(): void {
    this.#drop('late')
  }

  onAttemptClosed(end: StreamEnd): void {
    if (!this.#isOver) this.#answered(ofUpstream(end).status)
  }

  /** The client has its whole response. */
  callAnswered(): void {
    this.#callMs = this.#context.clock.now() - this.#callStartMs
  }

  /** @param status as the backend of the call gave it; undefined: the client or the proxy ended it */
  callOver(status: number | undefined): void {
    if (this.#told || this.#callStartMs === 0) return
    if (status === undefined) return this.#drop('call-ended')
    this.#callEnd = { status, durationMs: this.#callMs }
    if (this.#end !== undefined) return this.#compare(this.#callEnd, this.#end)
    if (!this.#requestEnded) return this.#drop('call-ended')
    const { wheel, clock } = this.#context
    this.#late = new WheelTimer(() => this.#drop('late'))
    wheel.arm(this.#late, clock.now() + LATE_MS)
  }

  /** Nobody wants to know any more. */
  cancel(): void {
    if (!this.#told && this.#callStartMs > 0) this.#drop('call-ended')
  }

  get #isOver(): boolean {
    return this.#told || this.#end !== undefined
  }

  #answered(status: number): void {
    if (this.#isOver) return
    this.#end = { status, durationMs: this.#context.clock.now() - this.#startMs }
    this.#giveBack()
    this.#attempt!.linger(this.#context)
    if (this.#callEnd !== undefined) this.#compare(this.#callEnd, this.#end)
  }

  #drop(reason: MirrorDrop): void {
    if (this.#told) return
    if (this.#waits) this.#backend.cancel(this)
    if (this.#end === undefined) this.#attempt?.abandon(ErrorCode.CANCEL)
    this.#giveBack()
    this.#tell({ outcome: 'dropped', reason })
  }

  #compare(call: CallEnd, copy: CallEnd): void {
    this.#tell({
      outcome: call.status === copy.status ? 'same' : 'different',
      status: call.status,
      mirroredStatus: copy.status,
      durationMs: call.durationMs,
      mirroredDurationMs: copy.durationMs,
    })
  }

  #tell(record: Partial<MirrorRecord> & Pick<MirrorRecord, 'outcome'>): void {
    this.#told = true
    if (this.#late !== undefined) this.#context.wheel.disarm(this.#late)
    const { path, backend } = this.#call
    const { observer, onFault } = this.#context
    try {
      observer?.onMirrored?.({ path, backend, mirror: this.#backend.name, ...record })
    } catch (error) {
      onFault('an observer of mirrored calls failed', path, error)
    }
  }

  #giveBack(): void {
    this.#context.memory.give(this.#holder, this.#ownBytes + this.#dataBytes)
    this.#ownBytes = this.#dataBytes = 0
    this.#block = this.#more = this.#held = undefined
  }
}
