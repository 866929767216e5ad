/**
 * The ways in which the proxy itself ends a call, and the one place where each becomes a
 * grpc-status. Tokens are stable: clients see them in `x-grpc-verbatim-error`, logs and metrics count by them.
 */

import type { Unavailable } from '../backend/backend.ts'
import { answerContentType, type Field, isGrpcContentType } from '../grpc/metadata.ts'
import { encodeMessage, GrpcError, Status, type StatusCode, statusOfReset } from '../grpc/status.ts'
import type { HeaderBlock, StreamEnd } from '../transport/transport.ts'
import { ErrorCode, errorCodeName } from '../wire/errors.ts'

export type FailureToken =
  | 'not-grpc'
  | 'bad-path'
  | 'bad-authority'
  | 'no-route'
  | 'denied'
  | 'director-failed'
  | 'unknown-backend'
  | 'unreachable'
  | 'queue-full'
  | 'client-share'
  | 'memory-share'
  | 'queue-timeout'
  | 'shutting-down'
  | 'deadline'
  | 'bad-timeout'
  | 'unsendable-headers'
  | 'headers-too-large'
  | 'slow-reader'
  | 'upstream-reset'
  | 'upstream-protocol-error'
  | 'upstream-lost'
  | 'upstream-refused'

/** A call's end as the proxy makes it. */
export interface Failure {
  readonly token: FailureToken
  readonly status: StatusCode
  /** For the client, in `grpc-message`: no address, no name of a backend, nothing that a peer or a system call said. */
  readonly message: string
  /** For RST_STREAM, when response headers are out already. */
  readonly code: ErrorCode
  /** For the log alone: addresses, names, and what the system or the backend said. Empty when there is no more to tell. */
  readonly cause: string
  /** The request is not gRPC: the answer is this HTTP status and nothing else. */
  readonly http?: number
}

function failure(token: FailureToken, status: StatusCode, message: string, code: ErrorCode, cause = ''): Failure {
  return { token, status, message, code, cause }
}

/** 405 or 415, as PROTOCOL-HTTP2.md asks; a gRPC client that sees one makes UNKNOWN of it (http-grpc-status-mapping.md). */
export function notGrpc(http: number): Failure {
  return { ...failure('not-grpc', Status.UNKNOWN, '', ErrorCode.CANCEL, `HTTP ${http}`), http }
}

/** What it would call depends on who reads it. */
export function badPath(grpc: boolean): Failure {
  if (!grpc) return badRequest('bad-path', '')
  return failure('bad-path', Status.UNIMPLEMENTED, 'the path is not /service/method', ErrorCode.CANCEL)
}

/**
 * gRFC A41: "If multiple values of the Host header or :authority are present, the request must be rejected with an HTTP
 * status code 400 …, gRPC status code INTERNAL, or RST_STREAM with HTTP/2 error code PROTOCOL_ERROR."
 */
export function badAuthority(grpc: boolean, cause: string): Failure {
  if (!grpc) return badRequest('bad-authority', cause)
  const message = 'the request names more than one authority'
  return failure('bad-authority', Status.INTERNAL, message, ErrorCode.PROTOCOL_ERROR, cause)
}

function badRequest(token: FailureToken, cause: string): Failure {
  return { ...failure(token, Status.INTERNAL, '', ErrorCode.CANCEL, cause || 'HTTP 400'), http: 400 }
}

export function noRoute(path: string): Failure {
  return failure('no-route', Status.UNIMPLEMENTED, `no route for ${path}`, ErrorCode.CANCEL)
}

export function unknownBackend(named: unknown): Failure {
  const cause = typeof named === 'string' ? `no backend named ${named}` : 'no backend like that'
  return failure(
    'unknown-backend',
    Status.INTERNAL,
    'the director named an unknown backend',
    ErrorCode.INTERNAL_ERROR,
    cause,
  )
}

/** A director's answer that cannot be followed: a field that HTTP/2 does not have. */
export function badTarget(): Failure {
  return failure('director-failed', Status.INTERNAL, 'the director failed', ErrorCode.INTERNAL_ERROR)
}

export function deadlinePassed(): Failure {
  return failure('deadline', Status.DEADLINE_EXCEEDED, 'deadline exceeded at the proxy', ErrorCode.CANCEL)
}

/** grpc-go answers a malformed `grpc-timeout` with INTERNAL (http2_server.go). */
export function badTimeout(): Failure {
  return failure('bad-timeout', Status.INTERNAL, 'malformed grpc-timeout', ErrorCode.PROTOCOL_ERROR)
}

export function shuttingDown(): Failure {
  return failure('shutting-down', Status.UNAVAILABLE, 'the proxy is shutting down', ErrorCode.CANCEL)
}

/** What one side sent cannot go to the other: `tooLarge` for its limit of a header list, or as no peer bears it. */
export function unsendable({ message, tooLarge }: { readonly message: string; readonly tooLarge: boolean }): Failure {
  const told = `cannot forward the headers: ${message}`
  return tooLarge
    ? failure('headers-too-large', Status.RESOURCE_EXHAUSTED, told, ErrorCode.ENHANCE_YOUR_CALM)
    : failure('unsendable-headers', Status.INTERNAL, told, ErrorCode.INTERNAL_ERROR)
}

/** A request or a response is above our own limits. */
export function oversized(): Failure {
  const told = 'a header list is larger than the proxy takes'
  return failure('headers-too-large', Status.RESOURCE_EXHAUSTED, told, ErrorCode.ENHANCE_YOUR_CALM)
}

/** Its client has as much memory for its calls as is left for others. */
export function memoryShare(): Failure {
  return failure(
    'memory-share',
    Status.RESOURCE_EXHAUSTED,
    'the calls of the client take too much memory',
    ErrorCode.ENHANCE_YOUR_CALM,
  )
}

/** Others wait for the memory that its response takes. */
export function slowReader(): Failure {
  return failure(
    'slow-reader',
    Status.RESOURCE_EXHAUSTED,
    'the client takes too little of the response',
    ErrorCode.ENHANCE_YOUR_CALM,
  )
}

const UNAVAILABLE_TOKEN: Readonly<Record<Unavailable, FailureToken>> = {
  unreachable: 'unreachable',
  'queue-full': 'queue-full',
  'client-share': 'client-share',
  'queue-timeout': 'queue-timeout',
  closed: 'shutting-down',
}

const UNAVAILABLE_MESSAGE: Readonly<Record<Unavailable, string>> = {
  unreachable: 'no endpoint of the backend can be reached',
  'client-share': 'the client has more than its share of the backend',
  'queue-full': 'too many calls wait for the backend',
  'queue-timeout': 'the call waited too long for the backend',
  closed: 'the proxy is shutting down',
}

/** The backend's capacity or life: UNAVAILABLE. A client that has more of it than others: RESOURCE_EXHAUSTED. */
export function unavailable(why: Unavailable, cause: string): Failure {
  const status = why === 'client-share' ? Status.RESOURCE_EXHAUSTED : Status.UNAVAILABLE
  return failure(UNAVAILABLE_TOKEN[why], status, UNAVAILABLE_MESSAGE[why], ErrorCode.CANCEL, cause)
}

/** What a director threw. @returns the failure, and whether it is a fault that belongs in the log */
export function ofDirector(thrown: unknown): Failure & { readonly fault: boolean } {
  if (thrown instanceof GrpcError) {
    return { ...failure('denied', thrown.status, thrown.message, ErrorCode.CANCEL), fault: false }
  }
  // Its message may hold what a client must not see; the log has it.
  return {
    ...failure('director-failed', Status.INTERNAL, 'the director failed', ErrorCode.INTERNAL_ERROR),
    fault: true,
  }
}

/** An upstream stream that ended without a whole response. */
export function ofUpstream(end: StreamEnd): Failure {
  switch (end.kind) {
    case 'reset':
      return end.by === 'peer' ? ofReset(end.code) : ofViolation(end.code, end.violation)
    case 'lost':
      // Not REFUSED_STREAM, which would promise that nothing was processed (RFC 9113 §8.7).
      return failure(
        'upstream-lost',
        Status.UNAVAILABLE,
        'the connection to the backend was lost',
        ErrorCode.INTERNAL_ERROR,
        end.reason,
      )
    case 'clean':
      return failure(
        'upstream-reset',
        Status.INTERNAL,
        'the backend ended the stream without a response',
        ErrorCode.PROTOCOL_ERROR,
      )
  }
}

function ofReset(code: ErrorCode): Failure {
  const token = code === ErrorCode.REFUSED_STREAM ? 'upstream-refused' : 'upstream-reset'
  return failure(token, statusOfReset(code), `the backend reset the stream: ${errorCodeName(code)}`, code)
}

/** The proxy's own transport reset the stream: what the backend sent on it broke a rule or a limit. */
function ofViolation(code: ErrorCode, violation = errorCodeName(code)): Failure {
  if (violation === 'header-list-too-large') return oversized()
  const message = `the backend's response was not accepted: ${errorCodeName(code)}`
  return failure('upstream-protocol-error', statusOfReset(code), message, code, violation)
}

/** RFC 9110 §15: "Values outside the range 100..599 are invalid." The transports let three digits through. */
export function hasNoStatus(block: HeaderBlock): boolean {
  const status = block[0]
  return status !== undefined && status.name === ':status' && status.value.charCodeAt(0) > 0x35 /* 5 */
}

/** … UNKNOWN, as http-grpc-status-mapping.md has it for every code that it does not name. */
export function noStatus(block: HeaderBlock): Failure {
  return failure(
    'upstream-protocol-error',
    Status.UNKNOWN,
    'the backend answered with a status that HTTP does not have',
    ErrorCode.PROTOCOL_ERROR,
    `:status ${block[0]!.value}`,
  )
}

/** Nothing was processed, and here it cannot be sent again: the client may (RFC 9113 §8.7; gRFC A6). */
export function ofRefusal(end: StreamEnd): Failure {
  return failure(
    'upstream-refused',
    Status.UNAVAILABLE,
    'the backend refused the call and did not process it',
    ErrorCode.REFUSED_STREAM,
    end.kind === 'lost' ? end.reason : '',
  )
}

/** The peer promises that it did not process the request (gRFC A6; RFC 9113 §6.8, §8.7). */
export function wasRefused(end: StreamEnd): boolean {
  if (end.kind === 'lost') return end.unprocessed
  return end.kind === 'reset' && end.by === 'peer' && end.code === ErrorCode.REFUSED_STREAM
}

/** Why the client ended a call before its answer; for the record. */
export function clientGone(end: StreamEnd): string {
  if (end.kind === 'reset') return `reset-${errorCodeName(end.code)}`
  return end.kind === 'lost' ? 'disconnected' : 'closed'
}

/**
 * A message may repeat what the client sent, and percent-encoding makes up to nine bytes of a
 * character; clients accept some 8 KiB of headers in all.
 */
const MAX_MESSAGE_CHARACTERS = 512

/** `grpc-message` of a failure, as it is sent. */
export function messageOf({ message }: Failure): string {
  return encodeMessage(message.slice(0, MAX_MESSAGE_CHARACTERS))
}

/**
 * Trailers-Only (PROTOCOL-HTTP2.md, "Responses"), marked as the proxy's own with the reason; a plain HTTP status for a
 * request that is not gRPC.
 * @param contentType of the request; the answer has the same
 */
export function answerTo(failure: Failure, contentType: string): Field[] {
  const mark = field('x-grpc-verbatim-error', failure.token)
  if (failure.http !== undefined) return [field(':status', String(failure.http)), field('content-length', '0'), mark]
  return [
    field(':status', '200'),
    field('content-type', answerContentType(contentType)),
    field('grpc-status', String(failure.status)),
    field('grpc-message', messageOf(failure)),
    mark,
  ]
}

/** The end of a response that has begun, marked as the proxy's own. */
export function ownTrailers(failure: Failure): Field[] {
  return [
    field('grpc-status', String(failure.status)),
    field('grpc-message', messageOf(failure)),
    field('x-grpc-verbatim-error', failure.token),
  ]
}

/** What follows, trailers of ours may end: an answer of gRPC that does not say how long it is. */
export function endsByTrailers(response: HeaderBlock): boolean {
  let grpc = false
  for (const { name, value } of response) {
    if ((name === ':status' && value !== '200') || name === 'content-length') return false
    if (name === 'content-type') grpc = isGrpcContentType(value)
  }
  return grpc
}

function field(name: string, value: string): Field {
  return { name, value, neverIndexed: false }
}
