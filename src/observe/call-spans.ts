/**
 * The spans of a call: one for the call as its client sees it, and one for each attempt. Their attributes are those of
 * OpenTelemetry's semantic conventions for gRPC, 1.45 (`rpc.system.name`, `rpc.method` in full,
 * `rpc.response.status_code` by name), and some of our own.
 */
import type { EndedBy } from '../call/failure.ts'
import type { CallRecord } from '../call/record.ts'
import { hostEndOf } from '../grpc/authority.ts'
import { decodeMessage, Status, statusName } from '../grpc/status.ts'
import type { DialAddress } from '../transport/transport.ts'
import { bounded, MAX_MESSAGE_CHARACTERS, shownAuthority, shownCause, shownPath, withoutQueryOf } from './log-fields.ts'
import { type Attributes, type Span, SpanKind } from './span.ts'

/** One attempt, as its span tells it. Times are those of the clock. */
export interface TracedAttempt {
  readonly spanId: string
  readonly address: DialAddress
  readonly startMs: number
  endMs: number
  status: number
  by: EndedBy
  reason: string
}

/** @param place of the one that ended; undefined: all that have not */
export function endAttempts(
  all: readonly TracedAttempt[],
  place: number | undefined,
  how: Pick<TracedAttempt, 'endMs' | 'by' | 'status' | 'reason'>,
): void {
  for (const [i, attempt] of all.entries()) {
    if (attempt.endMs === -1 && (place === undefined || i === place)) Object.assign(attempt, how)
  }
}

/** What of a call only its trace knows. */
export interface TracedParts {
  readonly traceId: string
  readonly spanId: string
  /** The span of the client; empty where the trace begins here. */
  readonly parentSpanId: string
  readonly flags: number
  readonly state: string
  readonly attempts: readonly TracedAttempt[]
}

/** "The following status codes SHOULD be considered errors": of a server, others are the client's own. */
const SERVER_ERRORS: ReadonlySet<number> = new Set([
  ...[Status.UNKNOWN, Status.DEADLINE_EXCEEDED, Status.UNIMPLEMENTED],
  ...[Status.INTERNAL, Status.UNAVAILABLE, Status.DATA_LOSS],
])
/** For a method that may be a client's invention. */
const OTHER = '_OTHER'
const SYSTEM = 'grpc'

/**
 * @param isKnown whether the method is there: else it is no name
 * @param epochMs what the clock's 0 is in milliseconds since 1970
 */
export function spansOfCall(parts: TracedParts, record: CallRecord, isKnown: boolean, epochMs: number): Span[] {
  const { name, attributes: named } = namedBy(record.path, isKnown)
  const { traceId, spanId, flags, state: traceState } = parts
  const server: Span = {
    ...{ traceId, spanId, flags, traceState, name },
    parentSpanId: parts.parentSpanId,
    isParentRemote: parts.parentSpanId !== '',
    kind: SpanKind.SERVER,
    startMs: epochMs + record.startMs,
    endMs: epochMs + record.startMs + record.durationMs,
    attributes: { ...named, ...ofCall(record) },
    error: errorOfCall(record),
  }
  const clients = parts.attempts.map(
    (attempt, i): Span => ({
      ...{ traceId, spanId: attempt.spanId, flags, traceState, name },
      parentSpanId: spanId,
      isParentRemote: false,
      kind: SpanKind.CLIENT,
      startMs: epochMs + attempt.startMs,
      endMs: epochMs + attempt.endMs,
      attributes: { ...named, ...ofAttempt(attempt, i + 1, record.backend) },
      error: errorOfAttempt(attempt),
    }),
  )
  return [server, ...clients]
}

/** @param isKnown whether the method is there */
export function namedBy(path: string, isKnown: boolean): { readonly name: string; readonly attributes: Attributes } {
  const method = shownPath(path).slice(1)
  // A name must not be what a client has invented: there would be any number of them.
  return {
    name: isKnown ? method : SYSTEM,
    attributes: {
      'rpc.system.name': SYSTEM,
      'rpc.method': isKnown ? method : OTHER,
      'rpc.method_original': isKnown ? undefined : method,
    },
  }
}

/** @returns undefined where it is no error of the server's side; empty where there is no more to say */
export function errorOfCall(record: CallRecord): string | undefined {
  return SERVER_ERRORS.has(certain(record.status)) ? messageOf(record) : undefined
}

/** "All status codes except OK SHOULD be considered errors." */
export function errorOfAttempt({ status, reason }: TracedAttempt): string | undefined {
  return status === Status.OK ? undefined : reason
}

export function ofCall(record: CallRecord): Attributes {
  const { status, reason, endedBy, backend } = record
  const failed = SERVER_ERRORS.has(certain(status))
  return {
    ...statusOf(status, reason, failed),
    ...placeOf('server', shownAuthority(record.authority)),
    ...placeOf('client', record.peer),
    ...placeOf('network.peer', record.peer),
    ...PROTOCOL,
    'network.transport': record.peer === 'unix' ? 'unix' : 'tcp',
    'grpc_verbatim.backend': backend === '' ? undefined : backend,
    'grpc_verbatim.ended_by': endedBy,
    'grpc_verbatim.reason': reason === '' ? undefined : reason,
    'grpc_verbatim.cause': shownCause(record.cause),
  }
}

const PROTOCOL: Attributes = { 'network.protocol.name': 'http', 'network.protocol.version': '2' }

/** @param number from 1 */
export function ofAttempt({ address, status, by, reason }: TracedAttempt, number: number, backend: string): Attributes {
  const { tcp, unix, name } = address
  return {
    ...statusOf(status, reason, status !== Status.OK),
    'server.address': tcp?.host ?? unix ?? name,
    'server.port': tcp?.port,
    // The name of a host may be one of many addresses.
    ...(tcp !== undefined && isIp(tcp.host) && { 'network.peer.address': tcp.host, 'network.peer.port': tcp.port }),
    ...PROTOCOL,
    'network.transport': unix === undefined ? 'tcp' : 'unix',
    'grpc_verbatim.backend': backend,
    'grpc_verbatim.attempt': number,
    'grpc_verbatim.ended_by': by,
    'grpc_verbatim.reason': reason === '' ? undefined : reason,
  }
}

function statusOf(status: number, reason: string, failed: boolean): Attributes {
  const name = statusName(certain(status))
  return {
    'rpc.response.status_code': name,
    // "component-specific, low cardinality error identifier" where no status came, else that.
    'error.type': failed ? (reason === '' ? name : reason) : undefined,
  }
}

/** What clients make of a response without a status (grpc's statuscodes.md). */
function certain(status: number): number {
  return status < 0 ? Status.UNKNOWN : status
}

function placeOf(name: 'server' | 'client' | 'network.peer', address: string): Attributes {
  const end = hostEndOf(address)
  const host = address.slice(0, end).replace(/^\[|\]$/g, '')
  const port = Number(address.slice(end + 1))
  return { [`${name}.address`]: host, [`${name}.port`]: port > 0 && port <= 65_535 ? port : undefined }
}

const isIp = (host: string): boolean => host.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(host)

/** A character takes up to nine here (three octets of UTF-8, each as %XX). */
const MAX_ENCODED_CHARACTERS = 9 * MAX_MESSAGE_CHARACTERS + 1

function messageOf({ path, message }: CallRecord): string {
  return bounded(withoutQueryOf(path, decodeMessage(message.slice(0, MAX_ENCODED_CHARACTERS))), MAX_MESSAGE_CHARACTERS)
}
