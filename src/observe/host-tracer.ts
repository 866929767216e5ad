/**
 * Makes spans of calls by the OpenTelemetry of the program that the proxy is part of: its sampler decides, its propagators
 * read and write header fields, and its exporters have the spans. A mistake there costs no call.
 */

import type { EndedBy } from '../call/failure.ts'
import type { CallObserver } from '../call/observer.ts'
import type { CallRecord } from '../call/record.ts'
import type { CallTrace } from '../call/trace.ts'
import type { Field, Replacement, RequestHead } from '../grpc/metadata.ts'
import { SAMPLED } from '../grpc/trace-context.ts'
import type { Clock } from '../transport/clock.ts'
import type { DialAddress, HeaderBlock } from '../transport/transport.ts'
import {
  endAttempts,
  errorOfAttempt,
  errorOfCall,
  namedBy,
  ofAttempt,
  ofCall,
  type TracedAttempt,
} from './call-spans.ts'
import type { HostContext, HostSpan, HostTelemetry, HostTracer as Made } from './host-telemetry.ts'
import type { KnownMethods } from './known-methods.ts'
import type { Attributes } from './span.ts'
import type { WallClock } from './wall-clock.ts'

/** `SpanKind` and `SpanStatusCode` of the API, whose numbers are not those of OTLP. */
const SERVER = 1
const CLIENT = 2
const ERROR = 2

/** Where the API keeps the span of a context: its keys are symbols of the whole process, too. */
const SPAN = Symbol.for('OpenTelemetry Context Key SPAN')

/** What tells of a trace. The client's own must not go on beside others. */
const TRACE_FIELDS: ReadonlySet<string> = new Set([
  ...[
    'traceparent',
    'tracestate',
    'b3',
    'x-b3-traceid',
    'x-b3-spanid',
    'x-b3-parentspanid',
    'x-b3-sampled',
    'x-b3-flags',
  ],
])

const GETTER = {
  keys: (block: unknown) => (block as HeaderBlock).map(({ name }) => name),
  get(block: unknown, key: string) {
    const values = (block as HeaderBlock).filter(({ name }) => name === key).map(({ value }) => value)
    return values.length < 2 ? values[0] : values
  },
}

/** What HTTP/2 can carry (RFC 9113 §8.2.1). */
const NAME = /^[a-z0-9!#$%&'*+\-.^_`|~]+$/
const VALUE = /^[!-~](?:[\t -~]*[!-~])?$/

const SETTER = {
  set(fields: unknown, key: string, value: string) {
    const name = key.toLowerCase()
    if (NAME.test(name) && VALUE.test(value)) (fields as Field[]).push({ name, value, neverIndexed: false })
  },
}

/** The context of nobody, where the host has no manager of contexts. */
class OwnContext implements HostContext {
  readonly #values: ReadonlyMap<symbol, unknown>

  constructor(values: ReadonlyMap<symbol, unknown> = new Map()) {
    this.#values = values
  }

  getValue(key: symbol): unknown {
    return this.#values.get(key)
  }

  setValue(key: symbol, value: unknown): HostContext {
    return new OwnContext(new Map([...this.#values, [key, value]]))
  }

  deleteValue(key: symbol): HostContext {
    return new OwnContext(new Map([...this.#values].filter(([known]) => known !== key)))
  }
}

const NO_CONTEXT = new OwnContext()

export interface HostTracerOptions {
  readonly methods: KnownMethods
  readonly clock: Clock
  readonly wallClock: WallClock
  readonly onFault: (error: unknown) => void
}

export class HostTracer implements CallObserver {
  readonly onlyTraced = true
  readonly #host: HostTelemetry
  readonly #tracer: Made
  readonly #options: HostTracerOptions

  /** @throws what the host's code throws */
  constructor(host: HostTelemetry, options: HostTracerOptions) {
    this.#host = host
    this.#tracer = host.trace!.getTracer('grpc-verbatim')
    this.#options = options
  }

  readonly trace = (head: RequestHead, block: HeaderBlock, startMs: number): CallTrace | undefined => {
    try {
      return new HostCall(this.#host, this.#tracer, this.#options, this.#parentOf(block), head.path, startMs)
    } catch (error) {
      this.#options.onFault(error)
      return undefined
    }
  }

  /**
   * The span that the host's code is in, or what the request brings. A context goes with everything that begins in it, also
   * with a server that listens: a span that is over is not the one that a call belongs to.
   */
  #parentOf(block: HeaderBlock): HostContext {
    const active = this.#host.context?.active() ?? NO_CONTEXT
    const span = active.getValue(SPAN) as HostSpan | undefined
    if (span?.isRecording()) return active
    return this.#host.propagation?.extract(active.deleteValue(SPAN), block, GETTER) ?? active
  }

  onEnd(record: CallRecord): void {
    this.#options.methods.learn(record)
    if (record.trace instanceof HostCall) record.trace.end(record)
  }
}

class HostCall implements CallTrace {
  readonly traceId: string
  /** Its span must end. */
  readonly mayBeKept = true
  readonly kept: boolean
  readonly #host: HostTelemetry
  readonly #tracer: Made
  readonly #options: HostTracerOptions
  readonly #path: string
  readonly #span: HostSpan
  readonly #context: HostContext
  /** Their spans end with the call: then it is known whether its method is there. */
  readonly #attempts: { readonly span: HostSpan; readonly told: TracedAttempt }[] = []

  constructor(
    host: HostTelemetry,
    tracer: Made,
    options: HostTracerOptions,
    parent: HostContext,
    path: string,
    startMs: number,
  ) {
    this.#host = host
    this.#tracer = tracer
    this.#options = options
    this.#path = path
    this.#span = this.#start(SERVER, startMs, parent)
    this.#context = parent.setValue(SPAN, this.#span)
    const { traceId, traceFlags } = this.#span.spanContext()
    this.traceId = traceId
    this.kept = (traceFlags & SAMPLED) !== 0
  }

  attempt(address: DialAddress): Replacement | undefined {
    const startMs = this.#options.clock.now()
    try {
      const span = this.#start(CLIENT, startMs, this.#context)
      const { spanId } = span.spanContext()
      this.#attempts.push({ span, told: { spanId, address, startMs, endMs: -1, status: -1, by: 'proxy', reason: '' } })
      const fields: Field[] = []
      this.#host.propagation?.inject(this.#context.setValue(SPAN, span), fields, SETTER)
      // Without a propagator nothing is known of what the client sent.
      if (fields.length === 0) return undefined
      return { names: new Set([...TRACE_FIELDS, ...fields.map(field => field.name)]), replaces: true, fields }
    } catch (error) {
      this.#options.onFault(error)
      return undefined
    }
  }

  /** What a sampler wants to know is there from the start. */
  #start(kind: number, startMs: number, parent: HostContext): HostSpan {
    const { methods, wallClock } = this.#options
    const isKnown = methods.has(this.#path)
    const { name, attributes: named } = namedBy(this.#path, isKnown)
    // What is known of it later replaces attributes, but takes none away.
    const attributes = isKnown ? named : { 'rpc.system.name': named['rpc.system.name'] }
    return this.#tracer.startSpan(name, { kind, attributes, startTime: wallClock.epochMs + startMs }, parent)
  }

  attemptEnded(by: EndedBy, status: number, reason: string, place?: number): void {
    const all = this.#attempts.map(({ told }) => told)
    endAttempts(all, place, { endMs: this.#options.clock.now(), by, status, reason })
  }

  /** @throws what the host's code throws */
  end(record: CallRecord): void {
    const { methods, wallClock } = this.#options
    const named = namedBy(record.path, methods.has(record.path))
    const { epochMs } = wallClock
    const endSpan = (span: HostSpan, attributes: Attributes, error: string | undefined, endMs: number): void => {
      span.updateName(named.name)
      span.setAttributes({ ...named.attributes, ...attributes })
      if (error !== undefined) span.setStatus({ code: ERROR, ...(error !== '' && { message: error }) })
      span.end(epochMs + endMs)
    }
    this.#attempts.forEach(({ span, told }, i) => {
      endSpan(span, ofAttempt(told, i + 1, record.backend), errorOfAttempt(told), told.endMs)
    })
    endSpan(this.#span, ofCall(record), errorOfCall(record), record.startMs + record.durationMs)
  }
}
