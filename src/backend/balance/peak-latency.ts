/**
 * How long an endpoint takes to answer, and how often it fails, as a balancer sees it that must not send calls to one
 * that is slow: linkerd's peak EWMA.
 *
 * ```
 *   latency  ▲ an answer that is slower counts at once
 *            │╲
 *            │ ╲_  faster ones, and time without any, draw it down: in `decayMs` to 37 %
 *            │   ╲______
 *            └──────────────▶ time
 * ```
 *
 * - What counts is the time until the headers of a response: how long a stream goes on is its clients' choice.
 * - A call that ends without an answer took at least that long. So an endpoint that hangs is slow, not idle.
 * - One that fails fast must not look fast. A failed attempt draws nothing down, and the latency is divided by the part of
 *   attempts that succeed: that is what a success costs at an endpoint that is asked until it gives one.
 */
import { Status } from '../../grpc/status.ts'
import type { Outcome, OutcomeListener } from '../outcome.ts'

/** What one answer is of the judgement: after eight failures in a row a success is thought to take ten attempts. */
const ANSWER_PART = 1 / 4

/** A smaller part of successes counts as this one, so that the cost stays a number. */
const LEAST_SUCCESS = 1 / 1000

/** What was not used for long counts as this fast: below it, calls in flight must decide. */
const LEAST_MS = 0.01

/** What says that the endpoint, and not the call, is at fault. Other errors count neither way. */
const FAULTS: ReadonlySet<number> = new Set([
  Status.UNKNOWN,
  Status.DEADLINE_EXCEEDED,
  Status.RESOURCE_EXHAUSTED,
  Status.INTERNAL,
  Status.UNAVAILABLE,
  Status.DATA_LOSS,
])

export class PeakLatency implements OutcomeListener {
  readonly #decayMs: number
  #latencyMs: number
  /** The part of attempts that fail, from 0 up to 1. */
  #failures = 0
  /** The time for which both hold. */
  #atMs: number
  /** It has answered; before, the latency is a guess. */
  #known = false
  /** An attempt has ended, in whatever way. */
  tried = false

  /** @param guessMs counts until the first answer */
  constructor(decayMs: number, guessMs: number, nowMs: number) {
    this.#decayMs = decayMs
    this.#latencyMs = guessMs
    this.#atMs = nowMs
  }

  /** Milliseconds that a success takes here. */
  costMs(nowMs: number): number {
    const left = this.#leftAt(nowMs)
    return Math.max(this.#latencyMs * left, LEAST_MS) / Math.max(1 - this.#failures * left, LEAST_SUCCESS)
  }

  /** The part that is left by now of what was known then. */
  #leftAt(nowMs: number): number {
    const age = (nowMs - this.#atMs) / this.#decayMs
    // The first terms of the series: right to eight digits, and a call needs it four times.
    return age < 0.001 ? 1 - age + (age * age) / 2 : Math.exp(-age)
  }

  /** What is slow counts before its call is over. */
  onHeaders(latencyMs: number, _share: object, _whole: boolean, nowMs: number): void {
    this.#atLeast(latencyMs, nowMs)
  }

  onEnd({ by, status, refused, headersMs, latencyMs, endMs }: Outcome): void {
    this.tried = true
    if (refused) return
    if (headersMs === -1) return this.#unanswered(by === 'backend', latencyMs, endMs)
    if (by === 'backend' && status !== Status.OK) {
      if (FAULTS.has(status)) this.#failed(endMs)
      return
    }
    // A stream that began long ago tells nothing about now.
    if (latencyMs - headersMs < this.#decayMs) this.#answered(Math.min(headersMs, this.#decayMs), endMs)
    if (by === 'backend') this.#failures *= 1 - ANSWER_PART
  }

  #unanswered(failed: boolean, latencyMs: number, nowMs: number): void {
    this.#atLeast(latencyMs, nowMs)
    if (failed) this.#failed(nowMs)
  }

  /** Nothing counts as slower than what is forgotten in that time: a call may wait for its answer for days. */
  #atLeast(latencyMs: number, nowMs: number): void {
    const left = this.#leftAt(nowMs)
    const slow = Math.min(latencyMs, this.#decayMs)
    if (slow > this.#latencyMs * left) this.#set(slow, this.#failures * left, nowMs)
  }

  #answered(latencyMs: number, nowMs: number): void {
    const left = this.#leftAt(nowMs)
    const before = this.#known ? this.#latencyMs * left : Number.POSITIVE_INFINITY
    // That it was slower has counted when its headers came.
    if (latencyMs >= before) return
    this.#set(this.#known ? before + latencyMs * (1 - left) : latencyMs, this.#failures * left, nowMs)
    this.#known = true
  }

  /** The latency is as it was: time in which an endpoint only fails does not make it faster. */
  #failed(nowMs: number): void {
    const failures = this.#failures * this.#leftAt(nowMs)
    this.#set(this.#latencyMs, failures + (1 - failures) * ANSWER_PART, nowMs)
  }

  #set(latencyMs: number, failures: number, nowMs: number): void {
    this.#latencyMs = latencyMs
    this.#failures = failures
    this.#atMs = nowMs
  }
}
