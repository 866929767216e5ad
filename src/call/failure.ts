/**
 * The ways in which the proxy itself ends a call, as a table by token: the one place where a failure becomes a
 * grpc-status. Tokens are stable: clients see them in `x-grpc-verbatim-error`, the log has them as `reason`.
 * `config/failure-reference.ts` makes the table of docs/statuses.md from it.
 */
import { encodeMessage, Status, type StatusCode } from '../grpc/status.ts'
import { ErrorCode } from '../wire/errors.ts'

/** What all failures with one token have in common. */
export interface FailureKind {
  /** What happened. For the documents, in Markdown, as are the notes below. */
  readonly what: string
  /** None where each failure has its own. */
  readonly status?: StatusCode
  /** Which status it has, where the number does not say all. */
  readonly statusNote?: string
  /** For the client, in `grpc-message`; `…` is where each failure's detail goes. */
  readonly message: string
  /** For RST_STREAM within a response. None where it happens before one, or each failure has its own. */
  readonly code?: ErrorCode
  readonly codeNote?: string
  /** No backend processed the call, and another try may end otherwise: it can be sent again, idempotent or not. */
  readonly retryable: boolean
  /** What the log tells besides, as `cause`. */
  readonly causeNote?: string
}

export const FAILURES = {
  'not-grpc': {
    what: 'the method is not POST, or the content type is not `application/grpc`',
    status: Status.UNKNOWN,
    statusNote: 'HTTP 405 or 415, of which a gRPC client makes UNKNOWN',
    message: '',
    retryable: false,
    causeNote: 'the HTTP status',
  },
  'bad-path': {
    what: 'the path is not exactly `/service/method`',
    status: Status.UNIMPLEMENTED,
    statusNote: 'UNIMPLEMENTED; HTTP 400 where the request is not gRPC',
    message: 'the path is not /service/method',
    retryable: false,
  },
  'bad-authority': {
    what: '`host` contradicts `:authority`, or comes twice',
    status: Status.INTERNAL,
    statusNote: 'INTERNAL; HTTP 400 where the request is not gRPC',
    message: 'the request names more than one authority',
    retryable: false,
    causeNote: 'which of the two',
  },
  'bad-timeout': {
    what: '`grpc-timeout` is malformed',
    // As grpc-go answers (http2_server.go).
    status: Status.INTERNAL,
    message: 'malformed grpc-timeout',
    retryable: false,
  },
  deadline: {
    what: '`grpc-timeout` passed',
    status: Status.DEADLINE_EXCEEDED,
    message: 'deadline exceeded at the proxy',
    code: ErrorCode.CANCEL,
    retryable: false,
  },
  'memory-share': {
    what: 'the calls of the client take more memory than is left for others',
    status: Status.RESOURCE_EXHAUSTED,
    message: 'the calls of the client take too much memory',
    retryable: true,
  },
  'no-route': {
    what: 'no route matched, or the director returned nothing',
    status: Status.UNIMPLEMENTED,
    message: 'no route for …',
    retryable: false,
  },
  denied: {
    what: "a route's `deny`, or the director threw `GrpcError`",
    statusNote: 'the status that was given',
    message: '…',
    retryable: false,
  },
  'director-failed': {
    what: 'the director threw anything else, or its answer has a field that HTTP/2 cannot carry',
    status: Status.INTERNAL,
    message: 'the director failed',
    retryable: false,
  },
  'unknown-backend': {
    what: 'the director named a backend that is not there',
    status: Status.INTERNAL,
    message: 'the director named an unknown backend',
    retryable: false,
    causeNote: 'the name',
  },
  unreachable: {
    what: 'no endpoint could be reached, or the backend has been removed',
    status: Status.UNAVAILABLE,
    message: 'no endpoint of the backend can be reached',
    retryable: true,
    causeNote: 'the endpoints, and what the system said of each',
  },
  'queue-full': {
    what: 'too many calls wait for the backend',
    status: Status.UNAVAILABLE,
    message: 'too many calls wait for the backend',
    retryable: true,
  },
  shed: {
    what: 'too many calls wait for the backend, and the call is `sheddable`, or less important than another of its client',
    status: Status.UNAVAILABLE,
    message: 'the call gave way to more important ones',
    retryable: true,
    causeNote: 'how many wait, or that another call took its place',
  },
  'client-share': {
    what: 'too many calls wait for the backend, and the client has more than its share of them',
    status: Status.RESOURCE_EXHAUSTED,
    message: 'the client has more than its share of the backend',
    retryable: true,
  },
  'queue-timeout': {
    what: 'the call waited too long for a session or a stream',
    status: Status.UNAVAILABLE,
    message: 'the call waited too long for the backend',
    retryable: true,
  },
  'shutting-down': {
    what: 'the grace period of a drain ended, or the proxy was closed',
    status: Status.UNAVAILABLE,
    message: 'the proxy is shutting down',
    code: ErrorCode.CANCEL,
    codeNote: 'the end of the connection; CANCEL where it goes on',
    // Some of these calls are with a backend.
    retryable: false,
  },
  'unsendable-headers': {
    what: 'headers that [some peers end a connection for](#what-is-not-sent-on), or that this transport cannot send',
    status: Status.INTERNAL,
    message: 'cannot forward the headers: …',
    code: ErrorCode.INTERNAL_ERROR,
    retryable: false,
  },
  'headers-too-large': {
    what: 'a header list above the limits of the proxy, or above what the other side announced',
    status: Status.RESOURCE_EXHAUSTED,
    message: 'a header list is larger than the proxy takes',
    code: ErrorCode.ENHANCE_YOUR_CALM,
    retryable: false,
  },
  'slow-reader': {
    what: 'the client takes too little of the response, and others wait for the room',
    status: Status.RESOURCE_EXHAUSTED,
    message: 'the client takes too little of the response',
    code: ErrorCode.ENHANCE_YOUR_CALM,
    retryable: false,
  },
  'upstream-refused': {
    what: 'the backend refused the call unprocessed, and it is not sent again: it was too often, or is not kept (`limits.replayBytes`, `limits.maxCallBytes`), or `breaker.maxRetries` calls are being sent again',
    status: Status.UNAVAILABLE,
    statusNote: 'before a response RST_STREAM(REFUSED_STREAM), and UNAVAILABLE in the log; within one UNAVAILABLE',
    message: 'the backend refused the call and did not process it',
    code: ErrorCode.REFUSED_STREAM,
    retryable: true,
    causeNote: 'what GOAWAY said, where there was one',
  },
  'upstream-reset': {
    what: 'the backend reset the stream, or ended it without a response',
    statusNote: '[by the code](#when-the-backend-resets-a-stream); INTERNAL where it ended it',
    message: 'the backend reset the stream: …',
    codeNote: "the backend's",
    retryable: false,
  },
  'upstream-protocol-error': {
    what: 'the backend broke a rule of HTTP/2, so that the proxy reset the stream',
    statusNote: 'UNKNOWN for a `:status` of 600 and above; else [by the code](#when-the-backend-resets-a-stream)',
    message: "the backend's response was not accepted: …",
    codeNote: 'that of the rule',
    retryable: false,
    causeNote: 'the rule',
  },
  'upstream-lost': {
    what: 'the connection to the endpoint was lost',
    status: Status.UNAVAILABLE,
    message: 'the connection to the backend was lost',
    // Not REFUSED_STREAM, which would promise that nothing was processed (RFC 9113 §8.7).
    code: ErrorCode.INTERNAL_ERROR,
    retryable: false,
    causeNote: 'what the system said, or why the proxy ended the session',
  },
} satisfies Readonly<Record<string, FailureKind>>

export type FailureToken = keyof typeof FAILURES

/** A call's end as the proxy makes it. */
export interface Failure {
  readonly token: FailureToken
  readonly status: StatusCode
  /** For the client, in `grpc-message`: no address, no name of a backend, nothing that the system or a peer said. */
  readonly message: string
  /** For RST_STREAM, when response headers are out already. */
  readonly code: ErrorCode
  /** For the log alone: addresses, names, and what the system or the backend said. Empty where there is no more. */
  readonly cause: string
  /** The request is not gRPC: the answer is this HTTP status and nothing else. */
  readonly http: number | undefined
}

/** What a failure has that its kind does not say, or says otherwise. */
export interface FailureDetails extends Partial<Omit<Failure, 'token'>> {
  /** Takes the place of `…` in the message. */
  readonly detail?: string
}

const NO_DETAILS: FailureDetails = {}

export function failureOf(token: FailureToken, details: FailureDetails = NO_DETAILS): Failure {
  const kind: FailureKind = FAILURES[token]
  const { detail, message = kind.message } = details
  return {
    token,
    status: details.status ?? kind.status ?? Status.UNKNOWN,
    message: detail === undefined ? message : message.replace('…', () => detail),
    code: details.code ?? kind.code ?? ErrorCode.INTERNAL_ERROR,
    cause: details.cause ?? '',
    http: details.http,
  }
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
