/** A span as OTLP has it in JSON (opentelemetry-proto `trace.proto`): ids are hex, times are nanoseconds as text. */

export const SpanKind = { SERVER: 2, CLIENT: 3 } as const

/** `STATUS_CODE_ERROR`; without it a status is not set. */
const ERROR = 2
/** `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK` and `…_IS_REMOTE_MASK`: whether the parent is in another process. */
const KNOWS_REMOTE = 0x100
const IS_REMOTE = 0x200

export type AttributeValue = string | number
export type Attributes = Readonly<Record<string, AttributeValue | undefined>>

export interface Span {
  readonly traceId: string
  readonly spanId: string
  /** Empty where it has none. */
  readonly parentSpanId: string
  readonly isParentRemote: boolean
  readonly traceState: string
  /** Of the trace, as they went on in `traceparent`. */
  readonly flags: number
  readonly name: string
  readonly kind: (typeof SpanKind)[keyof typeof SpanKind]
  /** Milliseconds since 1970. */
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Attributes
  /** Undefined: it is no error. Empty: it is one, and there is no more to say. */
  readonly error: string | undefined
}

export function spanText(span: Span): string {
  const { traceId, spanId, parentSpanId, traceState, name, kind, startMs, endMs, attributes, error } = span
  return JSON.stringify({
    traceId,
    spanId,
    ...(traceState !== '' && { traceState }),
    ...(parentSpanId !== '' && { parentSpanId }),
    flags: span.flags | KNOWS_REMOTE | (span.isParentRemote ? IS_REMOTE : 0),
    name,
    kind,
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(endMs),
    attributes: keyValues(attributes),
    status: error === undefined ? {} : { code: ERROR, ...(error !== '' && { message: error.toWellFormed() }) },
  })
}

/** `KeyValue` of OTLP. Whole numbers are its `int64`, which JSON has as text. */
export function keyValues(attributes: Attributes): object[] {
  const all: object[] = []
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'number') all.push({ key, value: { intValue: String(value) } })
    // Half of a pair of surrogates is no UTF-8, for which a collector would refuse everything.
    else if (value !== undefined) all.push({ key, value: { stringValue: value.toWellFormed() } })
  }
  return all
}

/** A number of JavaScript holds them to the microsecond only, and so does the clock. */
export function nanoseconds(ms: number): string {
  const micros = Math.max(Math.round(ms * 1_000), 0)
  return `${micros}000`
}
