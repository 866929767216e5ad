/**
 * Makes calls parts of traces, and spans of those that are kept.
 *
 * ```
 *   headers ─▶ sampled? ─ yes ─▶ each attempt has a span id ─▶ the call is over ─▶ spans, to where they go
 *                 │ no                                             │
 *                 ├─ a rule for the end of calls ─▶ the same, but  └─ no rule holds: nothing
 *                 │   the backend is told "not sampled"
 *                 └─ none: what the client sent goes on, or ids that nobody looks for
 * ```
 */

import type { EndedBy } from '../call/failure.ts'
import type { CallObserver } from '../call/observer.ts'
import type { CallRecord } from '../call/record.ts'
import type { CallTrace } from '../call/trace.ts'
import type { Replacement, RequestHead } from '../grpc/metadata.ts'
import { RANDOM, SAMPLED } from '../grpc/trace-context.ts'
import type { Clock } from '../transport/clock.ts'
import type { DialAddress, HeaderBlock } from '../transport/transport.ts'
import { spansOfCall, type TracedAttempt, type TracedParts } from './call-spans.ts'
import type { KnownMethods } from './known-methods.ts'
import type { Propagation } from './propagation.ts'
import { decidesLate, isKeptLate, isSampled, type SampleRules } from './sampling.ts'
import { spanText } from './span.ts'
import { newSpanId, newTraceId } from './trace-ids.ts'
import type { WallClock } from './wall-clock.ts'

/** Takes the spans of one call, as texts. */
export type SpanSink = (spans: readonly string[]) => void

export interface TracerOptions {
  readonly propagation: Propagation
  readonly sample: SampleRules
  readonly clock: Clock
  readonly wallClock: WallClock
  readonly random: () => number
  readonly methods: KnownMethods
  readonly sink: SpanSink
}

export class Tracer implements CallObserver {
  readonly #options: TracerOptions
  readonly #decidesLate: boolean

  constructor(options: TracerOptions) {
    this.#options = options
    this.#decidesLate = decidesLate(options.sample)
  }

  readonly trace = (_head: RequestHead, block: HeaderBlock): CallTrace => {
    const { propagation, sample, random, clock } = this.#options
    const incoming = propagation.read(block)
    const { context } = incoming
    const traceId = context?.traceId ?? newTraceId(random)
    const sampled = isSampled(sample, incoming, traceId)
    // "The random-trace-id flag […] MUST be propagated" with the id that it is about.
    const randomFlag = context === undefined ? RANDOM : context.flags & RANDOM
    if (sampled || this.#decidesLate) {
      // "If a component deferred or delayed the decision […], the sampled flag should be propagated unchanged. It should be
      // set to 0 as the default option when the trace is initiated by this component."
      return new KeptCall(propagation, clock, random, {
        traceId,
        parentSpanId: context?.spanId ?? '',
        flags: randomFlag | (sampled ? SAMPLED : 0),
        state: context?.state ?? '',
        isSampled: sampled,
      })
    }
    if (context === undefined)
      return new PassedCall(traceId, propagation.write(traceId, newSpanId(random), randomFlag, ''))
    // Nothing of what it says is changed by us.
    if (incoming.sound && incoming.sampled === false) return new PassedCall(traceId, undefined)
    const spanId = incoming.sampled === false ? context.spanId : newSpanId(random)
    return new PassedCall(traceId, propagation.write(traceId, spanId, randomFlag, context.state))
  }

  onEnd(record: CallRecord): void {
    const { methods, sample, wallClock, sink } = this.#options
    methods.learn(record)
    const { trace } = record
    if (!(trace instanceof KeptCall)) return
    if (!trace.isSampled && !isKeptLate(sample, record)) return
    trace.kept = true
    sink(spansOfCall(trace, record, methods.has(record.path), wallClock.epochMs).map(spanText))
  }
}

/** A call of which nothing is kept. */
class PassedCall implements CallTrace {
  readonly traceId: string
  readonly kept = false
  readonly #replaced: Replacement | undefined

  constructor(traceId: string, replaced: Replacement | undefined) {
    this.traceId = traceId
    this.#replaced = replaced
  }

  attempt(): Replacement | undefined {
    return this.#replaced
  }

  attemptEnded(): void {
    // Nobody asks.
  }
}

interface Origin extends Omit<TracedParts, 'spanId' | 'attempts'> {
  readonly isSampled: boolean
}

/** A call that is kept, or may be. */
class KeptCall implements CallTrace, TracedParts {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly flags: number
  readonly state: string
  readonly isSampled: boolean
  kept = false
  /** A call is sent again a few times at most. */
  readonly attempts: TracedAttempt[] = []
  readonly #propagation: Propagation
  readonly #clock: Clock
  readonly #random: () => number

  constructor(propagation: Propagation, clock: Clock, random: () => number, origin: Origin) {
    this.#propagation = propagation
    this.#clock = clock
    this.#random = random
    this.traceId = origin.traceId
    this.spanId = newSpanId(random)
    this.parentSpanId = origin.parentSpanId
    this.flags = origin.flags
    this.state = origin.state
    this.isSampled = origin.isSampled
  }

  attempt(address: DialAddress): Replacement {
    const spanId = newSpanId(this.#random)
    this.attempts.push({ spanId, address, startMs: this.#clock.now(), endMs: -1, status: -1, by: 'proxy', reason: '' })
    return this.#propagation.write(this.traceId, spanId, this.flags, this.state)
  }

  attemptEnded(by: EndedBy, status: number, reason: string): void {
    const attempt = this.attempts.at(-1)
    if (attempt === undefined || attempt.endMs !== -1) return
    attempt.endMs = this.#clock.now()
    attempt.status = status
    attempt.by = by
    attempt.reason = reason
  }
}
