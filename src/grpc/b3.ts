/** B3, the headers of Zipkin: `b3`, or several that begin with `x-b3-`. Ids are told as W3C Trace Context has them. */
import { isId, SAMPLED, type TraceContext } from './trace-context.ts'

/** What B3 tells of a request. */
export interface B3 {
  /** Undefined: only the decision came. */
  readonly context: TraceContext | undefined
  /** Undefined: it is left to who gets the request. */
  readonly sampled: boolean | undefined
}

/** The fields of B3 in several headers, as far as they came. */
export interface B3Fields {
  readonly traceId: string | undefined
  readonly spanId: string | undefined
  readonly sampled: string | undefined
  readonly flags: string | undefined
}

/**
 * `b3: {TraceId}-{SpanId}-{SamplingState}-{ParentSpanId}`; the last two may be absent, and the state may be alone.
 * @returns undefined for what is no B3
 */
export function readB3(text: string): B3 | undefined {
  const parts = text.split('-', 5)
  if (parts.length === 1) {
    const sampled = decisionOf(parts[0])
    return sampled === undefined ? undefined : { context: undefined, sampled }
  }
  const [traceId, spanId, state, parentId] = parts
  if (parts.length > 4 || (parentId !== undefined && !isWholeId(parentId, 16))) return undefined
  const sampled = decisionOf(state)
  if (state !== undefined && sampled === undefined) return undefined
  const context = contextOf(traceId, spanId, sampled)
  return context && { context, sampled }
}

/** @returns undefined for what is no B3 */
export function readB3Fields({ traceId, spanId, sampled: state, flags }: B3Fields): B3 | undefined {
  // "Debug is encoded as X-B3-Flags: 1. […] Debug implies an accept decision".
  const sampled = flags === '1' ? true : decisionOf(state)
  if (state !== undefined && sampled === undefined) return undefined
  if (traceId === undefined && spanId === undefined) {
    return sampled === undefined ? undefined : { context: undefined, sampled }
  }
  const context = contextOf(traceId, spanId, sampled)
  return context && { context, sampled }
}

function contextOf(
  traceId: string | undefined,
  spanId: string | undefined,
  sampled: boolean | undefined,
): TraceContext | undefined {
  if (traceId === undefined || spanId === undefined || !isWholeId(spanId, 16)) return undefined
  if (!isWholeId(traceId, 32) && !isWholeId(traceId, 16)) return undefined
  return { traceId: traceId.padStart(32, '0'), spanId, flags: sampled === true ? SAMPLED : 0, state: '' }
}

function isWholeId(text: string, length: number): boolean {
  return text.length === length && isId(text, 0, length)
}

/** "d" is debug; older tracers say "true" and "false". */
function decisionOf(state: string | undefined): boolean | undefined {
  if (state === '1' || state === 'd' || state === 'true') return true
  return state === '0' || state === 'false' ? false : undefined
}
