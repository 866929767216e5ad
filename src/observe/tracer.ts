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
import { RANDOM, SAMPLED, spanIdOf, type TraceContext, traceIdOf } from '../grpc/trace-context.ts'
import type { Clock } from '../transport/clock.ts'
import type { DialAddress, HeaderBlock } from '../transport/transport.ts'
import { endAttempts, spansOfCall, type TracedAttempt, type TracedParts } from './call-spans.ts'
import type { KnownMethods } from './known-methods.ts'
import type { Incoming, Propagation } from './propagation.ts'
import { decidesLate, isKeptLate, isSampled, placeOf, type SampleRules } from './sampling.ts'
import { spanText } from './span.ts'
import { NewTraces, newSpanId } from './trace-ids.ts'
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
  readonly onlyTraced = true
  readonly #options: TracerOptions
  readonly #decidesLate: boolean
  readonly #newTraces: NewTraces

  constructor(options: TracerOptions) {
    this.#options = options
    this.#decidesLate = decidesLate(options.sample)
    this.#newTraces = new NewTraces(options.random)
  }

  readonly trace = (_head: RequestHead, block: HeaderBlock): CallTrace => {
    const incoming = this.#options.propagation.read(block)
    return incoming.context === undefined ? this.#begun(incoming) : this.#continued(incoming, incoming.context)
  }

  /** A trace begins here. */
  #begun(incoming: Incoming): CallTrace {
    const { place, traceparent } = this.#newTraces.next()
    const traceId = traceIdOf(traceparent)
    const sampled = isSampled(this.#options.sample, incoming, place)
    if (sampled || this.#decidesLate) {
      const flags = sampled ? RANDOM | SAMPLED : RANDOM
      return new KeptCall(this.#options, { traceId, parentSpanId: '', flags, state: '' }, incoming.came, traceparent)
    }
    return new PassedCall(traceId, this.#options.propagation.begin(traceparent, incoming.came))
  }

  #continued(incoming: Incoming, { traceId, spanId: parentSpanId, flags: given, state }: TraceContext): CallTrace {
    const { propagation, random, sample } = this.#options
    const sampled = isSampled(sample, incoming, placeOf(traceId))
    // "The random-trace-id flag […] MUST be propagated" with the id that it is about. "If a component deferred or delayed the
    // decision […], the sampled flag should be propagated unchanged": where there are rules for the end, it is not set.
    const flags = sampled ? (given & RANDOM) | SAMPLED : given & RANDOM
    if (sampled || this.#decidesLate) {
      return new KeptCall(this.#options, { traceId, parentSpanId, flags, state }, incoming.came, undefined)
    }
    // Nothing of what it says is changed by us.
    if (incoming.sound && incoming.sampled === false) return new PassedCall(traceId, undefined)
    // "The parent-id field MUST be set to a new value with the sampled flag update."
    const spanId = incoming.sampled === false ? parentSpanId : newSpanId(random)
    return new PassedCall(traceId, propagation.write(traceId, spanId, flags, state, incoming.came))
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
  readonly mayBeKept = false
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

/** A call that is kept, or may be. */
class KeptCall implements CallTrace, TracedParts {
  readonly traceId: string
  readonly parentSpanId: string
  readonly flags: number
  readonly state: string
  readonly mayBeKept = true
  kept = false
  /** A call is sent again a few times at most. */
  readonly attempts: TracedAttempt[] = []
  readonly #options: TracerOptions
  readonly #came: boolean
  /** For the first attempt, where the trace begins here. */
  readonly #traceparent: string | undefined
  #spanId = ''

  constructor(
    options: TracerOptions,
    { traceId, parentSpanId, flags, state }: Omit<TracedParts, 'spanId' | 'attempts'>,
    came: boolean,
    traceparent: string | undefined,
  ) {
    this.#options = options
    this.#came = came
    this.#traceparent = traceparent
    this.traceId = traceId
    this.parentSpanId = parentSpanId
    this.flags = flags
    this.state = state
  }

  get isSampled(): boolean {
    return (this.flags & SAMPLED) !== 0
  }

  /** Nobody needs it before the call is over. */
  get spanId(): string {
    if (this.#spanId === '') this.#spanId = newSpanId(this.#options.random)
    return this.#spanId
  }

  attempt(address: DialAddress): Replacement {
    const { clock, propagation, random } = this.#options
    const drawn = this.attempts.length === 0 ? this.#traceparent : undefined
    const spanId = drawn === undefined ? newSpanId(random) : spanIdOf(drawn)
    this.attempts.push({ spanId, address, startMs: clock.now(), endMs: -1, status: -1, by: 'proxy', reason: '' })
    if (drawn !== undefined && !this.isSampled) return propagation.begin(drawn, this.#came)
    return propagation.write(this.traceId, spanId, this.flags, this.state, this.#came)
  }

  attemptEnded(by: EndedBy, status: number, reason: string, place?: number): void {
    endAttempts(this.attempts, place, { endMs: this.#options.clock.now(), by, status, reason })
  }
}
