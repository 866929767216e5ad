/**
 * A call that is sent once more while its backend has not answered, until one of its attempts has (gRFC A6, "Hedging
 * Policy"). It owns the attempts, and to its relay it is one:
 *
 *   relay ── request ──► hedge ──► each attempt          relay ◄── response ── hedge ◄── the one that answered
 *
 * An answer commits the call to its attempt, and the others are reset: the first headers of a response, unless they are all
 * of it and have a status that is not fatal. A request that grows beyond what is kept commits it, too.
 */
import type { Backend, Lease, Unavailable } from '../backend/backend.ts'
import type { HedgeOutcome, RetryReason } from '../backend/measures.ts'
import { Status, statusOfAnswer } from '../grpc/status.ts'
import type { HedgeRules } from '../routing/hedge-policy.ts'
import type { DialAddress, HeaderBlock, StreamEnd } from '../transport/transport.ts'
import { wasUnprocessed } from '../transport/unprocessed.ts'
import { ErrorCode } from '../wire/errors.ts'
import type { Attempt } from './attempt.ts'
import type { RelayContext } from './context.ts'
import type { Copy } from './copy.ts'
import type { Failure } from './failure.ts'
import { unsendable } from './head-check.ts'
import { furthestOf, goOn, type Hedged, type Left, processedBeside, Runner } from './hedge-runner.ts'
import { HedgeSchedule } from './hedge-schedule.ts'
import { FannedStream } from './hedge-stream.ts'
import type { CallRequest } from './request.ts'
import { mostRetries, ofRefusal, ofUpstream } from './stream-end.ts'

export type HedgeContext = Pick<RelayContext, 'clock' | 'wheel' | 'replayBytes' | 'onFault'>

/** Why an attempt is reset that nobody waits for any more. It says nothing of its endpoint. */
const HEDGED = { status: Status.CANCELLED, token: 'hedged' } as const

/** An `Upstream` (`upstream.ts`). */
export class Hedge {
  readonly #call: Hedged
  readonly #request: CallRequest
  readonly #context: HedgeContext
  readonly #copy: Copy | undefined
  readonly stream: FannedStream
  readonly #schedule: HedgeSchedule
  #backend!: Backend
  /** Of the attempt that answered, or of the first. */
  lease!: Lease
  readonly #runners: Runner[] = []
  /** Where it was sent. */
  readonly tried: DialAddress[] = []
  #winner: Runner | undefined
  #left: Left | undefined

  /** @param copy undefined: it has none */
  constructor(rules: HedgeRules, call: Hedged, request: CallRequest, context: HedgeContext, copy: Copy | undefined) {
    this.#call = call
    this.#request = request
    this.#context = context
    this.#copy = copy
    this.stream = new FannedStream(this, request)
    this.#schedule = new HedgeSchedule(rules, call, request, context, this)
  }

  /** The call has a session, where its relay sends the request. */
  open(lease: Lease, backend: Backend): this {
    this.#backend = backend
    this.lease = lease
    const first = new Runner(this, this.#call, 0)
    this.#runners.push(first)
    this.#open(first, lease)
    return this
  }

  // ---- as its relay has it

  /** None of its attempts takes anything. What the client sends meanwhile is kept for the next. */
  get closed(): boolean {
    return this.#winner === undefined ? this.stream.streams.length === 0 : this.#winner.attempt!.closed
  }

  abandon(code: ErrorCode, failure?: Failure): void {
    if (this.#winner !== undefined) return this.#winner.attempt!.abandon(code, failure)
    if (this.#runners[0]!.state === 'open') this.#schedule.measured(false)
    const late = this.#schedule.isLate(failure)
    for (const runner of this.#runners) {
      if (runner.state !== 'open') continue
      // The first would have been there in any case.
      if (late && runner.number > 0) this.#schedule.hung(runner.openedMs)
      runner.attempt!.abandon(code, failure)
      this.#leave(runner, 'given-up')
    }
  }

  /** Only calls that are tried again have it; a hedged one goes on by itself. */
  replaced(...by: Parameters<Attempt['replaced']>): void {
    this.#winner?.attempt?.replaced(...by)
  }

  linger(context: Parameters<Attempt['linger']>[0]): void {
    this.#winner?.attempt?.linger(context)
  }

  // ---- as the treatment of its call has it

  /** The call has this status from its backend. */
  ended(status: number): void {
    this.#schedule.ended(status, this.#winner?.judged ?? true)
  }

  /** The call is answered or over. What is open is reset by `abandon`. */
  end(): void {
    this.#schedule.freeze()
    for (const runner of this.#runners) {
      if (runner.state === 'open') runner.giveBack('given-up')
      // What came of the one that answers may still wait for the client.
      else if (runner !== this.#winner) this.#cancel(runner)
    }
  }

  // ---- as its stream has it

  /** More of the request is there than is kept: "choose one attempt to continue", the one that has most of it. */
  commitToFurthest(): void {
    if (this.#winner !== undefined) return
    const furthest = furthestOf(this.#runners)
    if (furthest !== undefined) this.#commit(furthest)
  }

  moved(): void {
    this.#schedule.moved()
  }

  /** What has come of the request is sent. */
  sent(): void {
    if (this.#runners.every(({ state }) => state === 'open' || state === 'over')) this.#schedule.sent()
  }

  // ---- as its attempts have it

  onLease(runner: Runner, lease: Lease): void {
    const { deadline } = this.#call.parts
    const timeout = deadline?.left()
    if (!this.#request.kept || (deadline !== undefined && timeout === undefined)) return this.#lost(runner)
    const attempt = this.#open(runner, lease)
    this.#request.retries++
    this.#call.share.retried(runner.reason!)
    try {
      const previous = processedBeside(runner, this.#runners)
      const writable = this.#request.sendTo(runner.stream!, lease.address, timeout, previous)
      if (writable) this.#call.onRequestWritable()
    } catch (error) {
      const failure = unsendable(error, this.#context, this.#request.head.path)
      attempt.abandon(ErrorCode.CANCEL, failure)
      return this.#lost(runner, () => this.#call.fail(failure))
    }
    if (this.#request.bytes > this.#context.replayBytes) {
      this.#request.commit()
      this.commitToFurthest()
    }
    this.sent()
  }

  #open(runner: Runner, lease: Lease): Attempt {
    this.tried.push(lease.address)
    const attempt = runner.open(lease, this.tried.length - 1, this.#context.clock.now(), this.#copy)
    this.stream.streams.push(runner.stream!)
    return attempt
  }

  onUnavailable(runner: Runner, why: Unavailable, detail: string): void {
    this.#lost(runner, () => this.#call.onUnavailable(why, detail))
  }

  /** It was not sent. @param say how the call ends if that was its last chance, and no backend has said more */
  #lost(runner: Runner, say?: () => void): void {
    this.#leave(runner, 'unsent')
    if (goOn(this.#runners)) return this.sent()
    if (this.#left !== undefined) this.#tell(this.#left)
    else say?.()
  }

  onResponseHeaders(runner: Runner, block: HeaderBlock, endStream: boolean): void {
    if (this.#winner === undefined) {
      if (endStream && this.#failed(runner, statusOfAnswer(block), 'status', { by: runner, answer: block })) return
      // Refusals are quick, and say nothing of how long answers take.
      if (!endStream && this.#runners[0]!.state === 'open') this.#schedule.measured(true)
      this.#commit(runner)
    }
    this.#call.onResponseHeaders(block, endStream)
  }

  onAttemptClosed(runner: Runner, end: StreamEnd): void {
    if (this.#winner === undefined) {
      const refused = wasUnprocessed(end)
      runner.unprocessed = refused
      if (refused && this.#again(runner, end)) return
      const { status } = refused ? ofRefusal(end) : ofUpstream(end)
      if (this.#failed(runner, status, 'broken', { by: runner, end })) return
      this.#commit(runner)
    }
    this.#call.onAttemptClosed(end)
  }

  /** The backend did not process it: it is the same attempt once more, which counts nowhere (A6, "Transparent Retries"). */
  #again(runner: Runner, end: StreamEnd): boolean {
    if (!this.#request.kept || runner.refusals >= mostRetries(end) || !runner.mayRepeat()) return false
    runner.refusals++
    this.#told(runner, Status.UNAVAILABLE, 'upstream-refused')
    this.stream.remove(runner.stream!)
    runner.reason = end.kind === 'lost' ? 'session-gone' : 'stream-refused'
    this.#acquire(runner)
    return true
  }

  /** @returns whether the call goes on without it */
  #failed(runner: Runner, status: number, reason: 'status' | 'broken', left: Left): boolean {
    runner.judged = true
    if (!this.#schedule.failed(status, left.answer)) return false
    this.#schedule.next(left.answer, reason)
    if (!goOn(this.#runners, runner)) {
      this.#schedule.exhausted()
      return false
    }
    this.#left = left
    this.#told(runner, status, left.end === undefined ? '' : ofUpstream(left.end).token)
    runner.attempt!.replaced(this.#request.ended, this.#context)
    this.#leave(runner, 'failed')
    return true
  }

  // ---- what becomes of it

  /** One more attempt. @returns what sends it; undefined: there is no room for it, which was counted */
  begin(reason: RetryReason): (() => void) | undefined {
    const runner = new Runner(this, this.#call, this.#runners.length)
    if (!runner.mayBegin(this.#schedule.budget)) return undefined
    runner.reason = reason
    this.#runners.push(runner)
    return () => this.#acquire(runner)
  }

  /** One that waits for its time is not sent any more. */
  drop(): void {
    for (const runner of this.#runners) if (runner.state === 'begun') this.#leave(runner, 'unsent')
  }

  #acquire(runner: Runner): void {
    runner.state = 'waiting'
    this.#backend.acquire(runner)
  }

  #told({ place }: Runner, status: number, reason: string, by: 'backend' | 'proxy' = 'backend'): void {
    this.#request.trace?.attemptEnded(by, status, reason, place)
  }

  /** It answers, or it is all that is left. */
  #commit(winner: Runner): void {
    this.#winner = winner
    this.#schedule.freeze()
    this.#request.commit()
    for (const runner of this.#runners) {
      if (runner === winner) continue
      if (runner.state === 'open') {
        this.#told(runner, HEDGED.status, HEDGED.token, 'proxy')
        runner.attempt!.abandon(ErrorCode.CANCEL, HEDGED)
        this.#leave(runner, 'too-late')
      } else this.#cancel(runner)
    }
    winner.state = 'answers'
    winner.giveBack('answered')
    this.lease = winner.attempt!.lease
    this.#answeredBy(winner)
  }

  /** All attempts are over, and this was the last that said something. */
  #tell({ by, answer, end }: Left): void {
    this.#schedule.freeze()
    this.#request.commit()
    this.#answeredBy(by)
    if (answer === undefined) return this.#call.onAttemptClosed(end!)
    this.#call.onResponseHeaders(answer, true)
    // Its stream is gone, and nobody takes what the client may still send.
    if (!this.#request.ended) this.#call.onAttemptClosed({ kind: 'clean' })
  }

  #answeredBy(runner: Runner): void {
    this.#request.previousAttempts = processedBeside(runner, this.#runners)
    const { recorder } = this.#call.parts
    if (recorder !== undefined) recorder.endpoint = runner.attempt!.lease.address.name
  }

  /** It is not sent. */
  #cancel(runner: Runner): void {
    if (runner.state === 'waiting') this.#backend.cancel(runner)
    this.#leave(runner, 'unsent')
  }

  /** It has no part in the call any more. */
  #leave(runner: Runner, outcome: HedgeOutcome): void {
    if (runner.state === 'open') this.stream.remove(runner.stream!)
    runner.state = 'over'
    runner.giveBack(outcome)
  }
}
