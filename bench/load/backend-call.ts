/** One call at the suite's own backend: it checks the request, and answers as the call's plan says. */
import { fieldOf, type HeaderField, type WireStream, type WireStreamOwner } from '../../src/wire/index.ts'
import type { CallPlan } from './call-plan.ts'
import { MessageCheck } from './message-check.ts'
import { MessageSender } from './message-sender.ts'

/** Values of `grpc-status`. */
const OK = '0'
const INVALID_ARGUMENT = '3'

/** These lists are the same each time, so a connection encodes them once. */
const HEADERS = [fieldOf(':status', '200'), fieldOf('content-type', 'application/grpc')]
const TRAILERS = [fieldOf('grpc-status', OK)]

export class BackendCall implements WireStreamOwner {
  readonly #stream: WireStream
  /** @throws RangeError that says what is wrong */
  readonly #planOf: (block: readonly HeaderField[]) => CallPlan
  #plan: CallPlan | undefined
  /** Checks the request. Undefined where the request may be anything. */
  #check: MessageCheck | undefined
  #sender: MessageSender | undefined
  #requestEnded = false

  constructor(stream: WireStream, planOf: (block: readonly HeaderField[]) => CallPlan) {
    this.#stream = stream
    this.#planOf = planOf
  }

  onHeaders(block: readonly HeaderField[], endStream: boolean): void {
    try {
      this.#plan = this.#planOf(block)
    } catch (error) {
      return this.#refuse((error as Error).message)
    }
    const { echo, request, response, answer } = this.#plan
    if (!echo) this.#check = new MessageCheck(request)
    if (answer === 'at-once') this.#answer(response.count)
    if (endStream) this.#endRequest()
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#stream.release(end - start)
    const plan = this.#plan
    if (plan === undefined) return
    const check = this.#check
    const problem = check?.push(bytes, start, end)
    if (problem !== undefined) return this.#refuse(problem)
    if (plan.answer === 'each' && check!.messages > 0) this.#answer(check!.messages)
    if (endStream) this.#endRequest()
  }

  onTrailers(): void {
    this.#endRequest()
  }

  onWritable(): void {
    this.#sender?.send()
    this.#endIfDone()
  }

  onClosed(): void {}

  #answer(count: number): void {
    if (this.#sender === undefined) {
      this.#stream.sendHeaders(HEADERS, false)
      this.#sender = new MessageSender(this.#stream, this.#plan!.response, false)
    }
    this.#sender.allow(count)
    this.#endIfDone()
  }

  #endRequest(): void {
    const plan = this.#plan
    if (plan === undefined) return
    const problem = this.#check?.end()
    if (problem !== undefined) return this.#refuse(problem)
    this.#requestEnded = true
    if (plan.answer === 'after') this.#answer(plan.response.count)
    else this.#endIfDone()
  }

  /** Trailers end the call for many proxies, so they wait for the request. */
  #endIfDone(): void {
    if (this.#requestEnded && this.#sender?.done) this.#stream.sendTrailers(TRAILERS)
  }

  #refuse(problem: string): void {
    this.#plan = undefined
    const status = [fieldOf('grpc-status', INVALID_ARGUMENT), fieldOf('grpc-message', encodeURI(`request: ${problem}`))]
    if (this.#sender === undefined) this.#stream.sendHeaders([...HEADERS, ...status], true)
    else this.#stream.sendTrailers(status)
  }
}
