/** Whether a hedged call gets one more attempt, and when (gRFC A6): what `Retry` is for calls that are tried again. */
import type { ClientShare } from '../backend/client-share.ts'
import type { RetryDenial, RetryReason } from '../backend/measures.ts'
import type { RetryBudget } from '../backend/retry-budget.ts'
import { Status } from '../grpc/status.ts'
import type { HedgeRules } from '../routing/hedge-policy.ts'
import { WheelTimer } from '../transport/timer-wheel.ts'
import type { HeaderBlock } from '../transport/transport.ts'
import type { ProxyEnd } from './attempt.ts'
import type { CallParts } from './call-state.ts'
import type { RelayContext } from './context.ts'
import { MAX_PUSHBACK_MS, pushbackOf } from './pushback.ts'
import type { CallRequest } from './request.ts'

/** A client's time ends before the proxy's, which began when the headers came and is told by a wheel of 5 ms. */
const CLIENT_EARLY_MS = 50

/** The call. */
interface Scheduled {
  readonly share: ClientShare
  readonly parts: CallParts
}

/** Who makes the attempts. */
interface Beginner {
  /** @returns what sends it; undefined: there is no room for it, which was counted */
  begin(reason: RetryReason): (() => void) | undefined
  /** What `begin` gave back last is not called. */
  drop(): void
}

export class HedgeSchedule {
  readonly #rules: HedgeRules
  readonly #call: Scheduled
  readonly #request: CallRequest
  readonly #context: Pick<RelayContext, 'clock' | 'wheel'>
  readonly #beginner: Beginner
  readonly #timer = new WheelTimer(() => this.#onTime())
  /** What sends an attempt that its backend has asked to wait; undefined: the timer counts the delay. */
  #send: (() => void) | undefined
  /** With the first. */
  #begun = 1
  #frozen = false
  /** When the first attempt was sent, or more of the request after it: since then the backend is waited for. */
  #movedMs: number | undefined
  #measured = false

  constructor(
    rules: HedgeRules,
    call: Scheduled,
    request: CallRequest,
    context: Pick<RelayContext, 'clock' | 'wheel'>,
    beginner: Beginner,
  ) {
    this.#rules = rules
    this.#call = call
    this.#request = request
    this.#context = context
    this.#beginner = beginner
  }

  get budget(): RetryBudget {
    return this.#call.share.budgetOf(this.#rules.budget)
  }

  /** The attempts that have begun are sent. The next one begins after the delay. */
  sent(): void {
    this.#movedMs ??= this.#context.clock.now()
    if (this.#timer.armed) return
    while (!this.#frozen && this.#begun < this.#rules.maxAttempts) {
      const delayMs = this.#delayMs
      if (delayMs > 0) return this.#arm(delayMs)
      this.#begin('hedged')
    }
  }

  /** More of the request has come. A backend that waits for its client is not slow. */
  moved(): void {
    this.#movedMs = this.#context.clock.now()
  }

  get #delayMs(): number {
    const { delayMs, percentile } = this.#rules
    if (percentile === undefined) return delayMs
    const known = this.#call.share.latencies.of(this.#request.head.path)
    return Math.min(delayMs, known?.percentileMs(percentile, this.#context.clock.now()) ?? delayMs)
  }

  /**
   * The first attempt has begun to answer, or nobody waits for it any more: then it would have taken longer still.
   * @param answered the call has an answer; without one it counts only if it took longer than usual, with its whole request
   */
  measured(answered: boolean): void {
    if (this.#rules.percentile === undefined || this.#movedMs === undefined || this.#measured) return
    this.#measured = true
    const nowMs = this.#context.clock.now()
    const ms = nowMs - this.#movedMs
    const counts = answered || (this.#request.ended && ms > this.#delayMs)
    if (counts) this.#call.share.latencies.add(this.#request.head.path, ms, nowMs)
  }

  /**
   * An attempt ended with a failure.
   * @param answer its headers, if they were all of its response
   * @returns whether that leaves the others their chance
   */
  failed(status: number, answer: HeaderBlock | undefined): boolean {
    const pushback = pushbackOf(answer)
    if (status === Status.OK) return false
    const nonFatal = this.#rules.nonFatal.has(status)
    // "or that receive a pushback response indicating not to retry"
    if (nonFatal || pushback === Infinity) this.budget.failed()
    if (pushback !== undefined && pushback > MAX_PUSHBACK_MS) this.#deny('pushback')
    return nonFatal
  }

  /** "Immediately send next scheduled hedged request, if any", or after the time that the backend says. */
  next(answer: HeaderBlock | undefined, reason: RetryReason): void {
    if (this.#frozen) return
    const pushback = pushbackOf(answer)
    const leftMs = this.#call.parts.deadline?.leftMs ?? Infinity
    if (pushback !== undefined && pushback >= leftMs) this.#deny('deadline')
    else this.#begin(reason, pushback)
  }

  /**
   * The time of the call is over, and all of its request has come. A client that leaves so near to the end of its own time
   * leaves for that.
   * @param failure how the proxy ends it; undefined: the client has left
   */
  isLate(failure: ProxyEnd | undefined): boolean {
    if (!this.#request.ended) return false
    if (failure !== undefined) return failure.status === Status.DEADLINE_EXCEEDED
    return (this.#call.parts.deadline?.leftMs ?? Infinity) <= CLIENT_EARLY_MS
  }

  /**
   * An attempt beside the first was not answered before the end of a late call. Only one that had as long as the first is a
   * failure: clients that give their calls little time must not spend what all have.
   */
  hung(openedMs: number): void {
    if (this.#context.clock.now() - openedMs >= this.#rules.delayMs) this.budget.failed()
  }

  /** The call has this status from its backend. @param judged it was told as a failure before */
  ended(status: number, judged: boolean): void {
    if (status === Status.OK) this.budget.succeeded()
    else if (!judged && this.#rules.nonFatal.has(status)) this.budget.failed()
  }

  /** The last attempt failed, and that is the end of the call. */
  exhausted(): void {
    if (this.#begun >= this.#rules.maxAttempts) this.#deny('attempts')
  }

  /** No attempt begins any more, also none that waits for its time. */
  freeze(): void {
    this.#frozen = true
    this.#context.wheel.disarm(this.#timer)
    if (this.#send === undefined) return
    this.#send = undefined
    this.#beginner.drop()
  }

  #arm(ms: number): void {
    const { clock, wheel } = this.#context
    wheel.arm(this.#timer, clock.now() + ms)
  }

  #onTime(): void {
    const send = this.#send
    this.#send = undefined
    if (send !== undefined) return send()
    const leftMs = this.#movedMs! + this.#delayMs - this.#context.clock.now()
    if (leftMs > 0) this.#arm(leftMs)
    else this.#begin('hedged')
  }

  /** @param afterMs undefined: at once */
  #begin(reason: RetryReason, afterMs?: number): void {
    // All that there may be are under way: that is no failure. One that waits is the next already.
    if (this.#begun >= this.#rules.maxAttempts || this.#send !== undefined) return
    this.#context.wheel.disarm(this.#timer)
    if (!this.#request.kept) return this.#deny('request-too-large')
    if (!this.budget.allows) return this.#deny('budget')
    const send = this.#beginner.begin(reason)
    if (send === undefined) return this.freeze()
    this.#begun++
    if (afterMs === undefined) return send()
    this.#send = send
    this.#arm(afterMs)
  }

  #deny(denial: RetryDenial): void {
    if (!this.#frozen) this.#call.share.notRetried(denial)
    this.freeze()
  }
}
