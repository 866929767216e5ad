/** One call of any shape on a stream of the wire layer: it sends what its plan says, and checks what comes. */
import { firstValue } from '../../src/grpc/metadata.ts'
import {
  ErrorCode,
  errorCodeName,
  type HeaderField,
  type StreamEnd,
  type WireStream,
  type WireStreamOwner,
} from '../../src/wire/index.ts'
import type { CallPlan } from './call-plan.ts'
import { MessageCheck } from './message-check.ts'
import { MessageSender } from './message-sender.ts'
import type { PacedReader, ReadingPace } from './reading-pace.ts'

export interface StreamCallOwner {
  /** @param problem why the call did not succeed */
  onCallEnd(call: StreamCall, problem: string | undefined): void
}

export class StreamCall implements WireStreamOwner, PacedReader {
  /** When it should have begun. */
  readonly intended: number
  heldBytes = 0
  paidMs = 0
  readonly #owner: StreamCallOwner
  readonly #plan: CallPlan
  readonly #pace: ReadingPace | undefined
  readonly #check: MessageCheck
  #stream!: WireStream
  #sender!: MessageSender
  #problem: string | undefined
  /** Whether the stream is over. */
  #closed = false

  /** @param pace the pace of its reader; undefined for a reader that takes everything at once */
  constructor(owner: StreamCallOwner, plan: CallPlan, intended: number, pace: ReadingPace | undefined) {
    this.#owner = owner
    this.#plan = plan
    this.intended = intended
    this.#pace = pace
    this.#check = new MessageCheck(plan.response)
  }

  get receivedBytes(): number {
    return this.#check.receivedBytes
  }

  /** @param stream new, of this owner */
  begin(stream: WireStream, fields: readonly HeaderField[]): void {
    const { request, answer } = this.#plan
    this.#stream = stream
    stream.sendHeaders(fields, false)
    this.#sender = new MessageSender(stream, request, true)
    this.#sender.allow(answer === 'each' ? 1 : request.count)
  }

  onHeaders(block: readonly HeaderField[], endStream: boolean): void {
    const status = firstValue(block, ':status')
    // A response of 1xx is not the final one.
    if (status?.startsWith('1')) return
    if (status !== '200') this.#fail(`:status ${status}`)
    else if (endStream) this.#ended(block)
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.#pace === undefined) this.#stream.release(end - start)
    else if (end > start) this.#pace.hold(this, end - start)
    const problem = this.#check.push(bytes, start, end)
    if (problem !== undefined) this.#fail(problem)
    else if (endStream) this.#fail('no trailers')
    else if (this.#plan.answer === 'each') this.#sender.allow(this.#check.messages + 1)
  }

  onTrailers(block: readonly HeaderField[]): void {
    this.#ended(block)
  }

  onWritable(): void {
    this.#sender.send()
  }

  onClosed(end: StreamEnd): void {
    this.#closed = true
    if (end.kind === 'reset') this.#problem ??= `RST_STREAM ${errorCodeName(end.code)} by ${end.by}`
    else if (end.kind === 'lost') this.#problem ??= end.reason
    if (this.#problem !== undefined || this.heldBytes === 0) this.#owner.onCallEnd(this, this.#problem)
  }

  /** `ReadingPace` calls it. A call is over when its reader has taken all of it. */
  take(bytes: number): void {
    this.#stream.release(bytes)
    if (this.#closed && this.#problem === undefined && this.heldBytes === 0) this.#owner.onCallEnd(this, undefined)
  }

  #ended(trailers: readonly HeaderField[]): void {
    const status = firstValue(trailers, 'grpc-status')
    if (status !== '0') this.#fail(`grpc-status ${status}: ${firstValue(trailers, 'grpc-message')}`)
    else this.#problem ??= this.#check.end()
  }

  #fail(problem: string): void {
    if (this.#problem !== undefined) return
    this.#problem = problem
    this.#stream.reset(ErrorCode.CANCEL)
  }
}
