/**
 * The ways in which the proxy itself ends a call, by token: the one place where a failure becomes a grpc-status. Tokens are
 * stable: clients see them in `x-grpc-verbatim-error`, the log has them as `reason`. `config/failure-reference.ts` makes the
 * table of docs/statuses.md from it.
 */
import { Status, type StatusCode } from '../grpc/status.ts'
import { ErrorCode } from '../wire/errors.ts'

/** What all failures with one token have in common. */
export interface FailureKind {
  /** What happened. For the documents, in Markdown, as are the notes below. */
  readonly what: string
  /** None where each failure has its own. */
  readonly status?: StatusCode
  /** The answer is this HTTP status, not one of gRPC. */
  readonly http?: number
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
  /** What to do, for the log. None where the cause says it, or where it is as it should be. */
  readonly advice?: string
}

export const FAILURES = {
  'not-grpc': {
    what: 'the method is not POST, or the content type is not `application/grpc`',
    status: Status.UNKNOWN,
    statusNote: 'HTTP 405 or 415, of which a gRPC client makes UNKNOWN',
    message: '',
    retryable: false,
    causeNote: 'the HTTP status',
    advice:
      'the client does not speak gRPC, or something on the way changed its request; acceptNonGrpc lets such requests through',
  },
  'bad-path': {
    what: 'the path is not exactly `/service/method`',
    status: Status.UNIMPLEMENTED,
    statusNote: 'UNIMPLEMENTED; HTTP 400 where the request is not gRPC',
    message: 'the path is not /service/method',
    retryable: false,
    advice: 'mend the client: a path of gRPC is /package.Service/Method',
  },
  'bad-authority': {
    what: '`host` contradicts `:authority`, or comes twice',
    status: Status.INTERNAL,
    statusNote: 'INTERNAL; HTTP 400 where the request is not gRPC',
    message: 'the request names more than one authority',
    retryable: false,
    causeNote: 'which of the two',
    advice: 'mend the client, or what stands before the proxy: it sends both host and :authority',
  },
  'bad-timeout': {
    what: '`grpc-timeout` is malformed',
    // As grpc-go answers (http2_server.go).
    status: Status.INTERNAL,
    message: 'malformed grpc-timeout',
    retryable: false,
    advice: 'mend the client: grpc-timeout is at most eight digits and a unit, as 500m',
  },
  deadline: {
    what: "`grpc-timeout` passed, or the route's `timeoutMs` or `defaultTimeoutMs`",
    status: Status.DEADLINE_EXCEEDED,
    message: 'deadline exceeded at the proxy',
    code: ErrorCode.CANCEL,
    retryable: false,
    causeNote: "whose time it was: the client's or the route's",
    advice:
      'compare timeoutMs with what the backend takes; where endpoint is empty, the call waited for one all that time',
  },
  'response-headers-timeout': {
    what: "no response headers came within the route's `responseHeadersTimeoutMs`",
    status: Status.DEADLINE_EXCEEDED,
    message: 'the backend did not begin its response in time',
    retryable: false,
    advice: 'the backend hangs, or the time is short: many servers send headers with their first message',
  },
  'attempt-timeout': {
    what: "no response headers came within the route's `retry.perAttemptTimeoutMs`, and it is not tried again",
    status: Status.DEADLINE_EXCEEDED,
    message: 'the backend did not begin its response in time',
    retryable: false,
    advice: 'the backend hangs, or retry.perAttemptTimeoutMs is too short for this method',
  },
  'idle-timeout': {
    what: "no data came from either side for the route's `idleTimeoutMs`",
    status: Status.DEADLINE_EXCEEDED,
    message: 'neither side sent anything for too long',
    code: ErrorCode.CANCEL,
    retryable: false,
    advice: 'streams that may be silent for long need a larger idleTimeoutMs, or messages that keep them alive',
  },
  'memory-share': {
    what: 'the calls of the client take more memory than is left for others',
    status: Status.RESOURCE_EXHAUSTED,
    message: 'the calls of the client take too much memory',
    retryable: true,
    advice: 'this client has very many calls or very large headers; limits.maxCallBytes is the bound',
  },
  'web-origin': {
    what: 'a gRPC-Web request of a page whose origin is not among `web.origins`',
    status: Status.PERMISSION_DENIED,
    statusNote: 'HTTP 403 without CORS fields: the browser shows the page none of it',
    message: '',
    http: 403,
    retryable: false,
  },
  'web-body': {
    what: 'the body of a gRPC-Web request in text is not base64',
    status: Status.INTERNAL,
    message: 'the request is not base64',
    code: ErrorCode.PROTOCOL_ERROR,
    retryable: false,
  },
  'no-route': {
    what: 'no route matched, or the director returned nothing',
    status: Status.UNIMPLEMENTED,
    message: 'no route for …',
    retryable: false,
    advice: 'add a route for this path, or mend the client',
  },
  denied: {
    what: "a route's `deny`, or the director threw `GrpcError`",
    statusNote: 'the status that was given',
    message: '…',
    retryable: false,
  },
  unauthenticated: {
    what: 'a [gate](edge.md#gates) found no valid credentials',
    status: Status.UNAUTHENTICATED,
    message: 'the call has no valid credentials',
    retryable: false,
    causeNote: 'what is wrong with them',
    advice: "what is wrong with the client's credentials stands in the cause; a key or a token may have to be renewed",
  },
  forbidden: {
    what: 'a [gate](edge.md#gates) does not let this caller, or this address, make the call',
    status: Status.PERMISSION_DENIED,
    message: 'the call is not permitted',
    retryable: false,
    causeNote: 'which rule it does not meet',
    advice: 'the cause has the rule; where the call should pass, change `require` or what the caller may do',
  },
  'rate-limited': {
    what: 'more calls, in a time or at a time, than a [gate](edge.md#limits) allows; `grpc-retry-pushback-ms` says when to come again',
    status: Status.RESOURCE_EXHAUSTED,
    message: 'too many calls',
    retryable: true,
    causeNote: 'the limit',
    advice: 'where the client may call more often, raise the limit that the cause names',
  },
  'gate-failed': {
    what: 'a [gate](edge.md#gates) could not ask what it has to ask, and lets nobody pass then',
    status: Status.UNAVAILABLE,
    message: 'it cannot be found out whether the call is permitted',
    retryable: true,
    causeNote: 'whom it could not ask, and why',
    advice: 'see that the proxy reaches what the cause names',
  },
  'fault-injected': {
    what: 'a [fault](edge.md#faults-on-purpose) that the route makes on purpose',
    statusNote: 'the status that was given',
    message: 'a fault injected by the proxy',
    retryable: false,
    advice: 'nothing to do: `faults` of the route asks for it, where `allowFaults` allows it',
  },
  'director-failed': {
    what: 'the director threw anything else, or its answer has a field that HTTP/2 cannot carry',
    status: Status.INTERNAL,
    message: 'the director failed',
    retryable: false,
    advice: 'a line of level error says what the director threw',
  },
  'unknown-backend': {
    what: 'the director named a backend that is not there',
    status: Status.INTERNAL,
    message: 'the director named an unknown backend',
    retryable: false,
    causeNote: 'the name',
    advice: 'let the director name a backend that is configured',
  },
  unreachable: {
    what: 'no endpoint could be reached, or the backend has been removed',
    status: Status.UNAVAILABLE,
    message: 'no endpoint of the backend can be reached',
    retryable: true,
    causeNote: 'the endpoints, and what the system said of each',
    advice: 'see cause; /state of the admin address shows each endpoint, and why it gets no calls',
  },
  'queue-full': {
    what: 'too many calls wait for the backend',
    status: Status.UNAVAILABLE,
    message: 'too many calls wait for the backend',
    retryable: true,
    advice: 'the backend has less room than calls come: add endpoints or sessions.max, or raise queue.maxCalls',
  },
  shed: {
    what: 'too many calls wait for the backend, and the call is `sheddable`, or less important than another of its client',
    status: Status.UNAVAILABLE,
    message: 'the call gave way to more important ones',
    retryable: true,
    causeNote: 'how many wait, or that another call took its place',
    advice: 'the backend has less room than calls come: add endpoints or sessions.max, or raise queue.maxCalls',
  },
  'client-share': {
    what: 'too many calls wait for the backend, and the client has more than its share of them',
    status: Status.RESOURCE_EXHAUSTED,
    message: 'the client has more than its share of the backend',
    retryable: true,
    advice: 'this client has more calls than its part of a full backend: add endpoints, or let it call less',
  },
  'queue-timeout': {
    what: 'the call waited too long for a session or a stream',
    status: Status.UNAVAILABLE,
    message: 'the call waited too long for the backend',
    retryable: true,
    advice:
      'all streams of the backend are taken: add endpoints or sessions.max; queue.timeoutMs is how long calls wait',
  },
  'shutting-down': {
    what: 'the grace period of a drain ended, or the proxy was closed',
    status: Status.UNAVAILABLE,
    message: 'the proxy is shutting down',
    code: ErrorCode.CANCEL,
    codeNote: 'the end of the connection; CANCEL where it goes on',
    // Some of these calls are with a backend.
    retryable: false,
    advice: 'nothing to do after a restart, clients may try again; drain.graceMs is how long calls may take',
  },
  'unsendable-headers': {
    what: 'headers that [some peers end a connection for](#what-is-not-sent-on), or that this transport cannot send',
    status: Status.INTERNAL,
    message: 'cannot forward the headers: …',
    code: ErrorCode.INTERNAL_ERROR,
    retryable: false,
    advice: 'mend whoever sends such headers',
  },
  'headers-too-large': {
    what: 'a header list above the limits of the proxy, or above what the other side announced',
    status: Status.RESOURCE_EXHAUSTED,
    message: 'a header list is larger than the proxy takes',
    code: ErrorCode.ENHANCE_YOUR_CALM,
    retryable: false,
    advice: 'send less metadata, or raise limits.maxHeaderListBytes or maxHeaderFields, and the same on the other side',
  },
  'slow-reader': {
    what: 'the client takes too little of the response, and others wait for the room',
    status: Status.RESOURCE_EXHAUSTED,
    message: 'the client takes too little of the response',
    code: ErrorCode.ENHANCE_YOUR_CALM,
    retryable: false,
    advice: 'the client is too slow for what it asks for, or hangs; limits.slowReaderTimeoutMs is the bound',
  },
  'upstream-refused': {
    what: 'the backend refused the call unprocessed, and it is not sent again: it was too often, or is not kept (`limits.replayBytes`, `limits.maxCallBytes`), or `breaker.maxRetries` calls are being sent again',
    status: Status.UNAVAILABLE,
    statusNote: 'RST_STREAM(REFUSED_STREAM) while nothing may have been processed, else UNAVAILABLE, as in the log',
    message: 'the backend refused the call and did not process it',
    code: ErrorCode.REFUSED_STREAM,
    retryable: true,
    causeNote: 'what GOAWAY said, where there was one',
    advice: 'the backend is overloaded or restarts: look at it, and at its own limit of streams',
  },
  'upstream-reset': {
    what: 'the backend reset the stream, or ended it without a response',
    statusNote: '[by the code](#when-the-backend-resets-a-stream); INTERNAL where it ended it',
    message: 'the backend reset the stream: …',
    codeNote: "the backend's",
    retryable: false,
    advice: 'the log of the backend says why it reset the stream',
  },
  'upstream-protocol-error': {
    what: 'the backend broke a rule of HTTP/2, so that the proxy reset the stream',
    statusNote: 'UNKNOWN for a `:status` of 600 and above; else [by the code](#when-the-backend-resets-a-stream)',
    message: "the backend's response was not accepted: …",
    codeNote: 'that of the rule',
    retryable: false,
    causeNote: 'the rule',
    advice: 'the backend broke a rule of HTTP/2: update its server, or report it there',
  },
  'upstream-lost': {
    what: 'the connection to the endpoint was lost',
    status: Status.UNAVAILABLE,
    message: 'the connection to the backend was lost',
    // Not REFUSED_STREAM, which would promise that nothing was processed (RFC 9113 §8.7).
    code: ErrorCode.INTERNAL_ERROR,
    retryable: false,
    causeNote: 'what the system said, or why the proxy ended the session',
    advice: 'did the endpoint crash or restart? If something between ends idle connections, set keepalive',
  },
} satisfies Readonly<Record<string, FailureKind>>

export type FailureToken = keyof typeof FAILURES
