/** What the headers of a request must be before anybody is asked where it goes, and those of a response to go on. */
import { sameAuthority } from '../grpc/authority.ts'
import { isGrpcContentType, type RequestHead } from '../grpc/metadata.ts'
import { calledMethod, calledResource } from '../grpc/path.ts'
import { Status } from '../grpc/status.ts'
import { type HeaderBlock, HeadersRefused } from '../transport/transport.ts'
import { ErrorCode } from '../wire/errors.ts'
import type { RelayContext } from './context.ts'
import { type Failure, type FailureToken, failureOf } from './failure.ts'

/**
 * Also writes into the head what the path calls.
 * @param encrypted the connection is
 * @param acceptNonGrpc requests other than gRPC's go on too
 */
export function checkHead(head: RequestHead, encrypted: boolean, acceptNonGrpc: boolean): Failure | undefined {
  const grpc = isGrpcContentType(head.contentType)
  if (!acceptNonGrpc) {
    if (head.method !== 'POST') return notGrpc(405)
    if (!grpc) return notGrpc(415)
  }
  head.called = grpc ? calledMethod(head.path) : calledResource(head.path)
  // What another request would call depends on who reads it.
  if (head.called === undefined) return grpc ? failureOf('bad-path') : badRequest('bad-path', 'HTTP 400')
  if (head.hosts === 0 || (head.hosts === 1 && sameAuthority(head.authority, head.host, encrypted))) return undefined
  const cause = head.hosts > 1 ? 'host comes more than once' : 'host is not :authority'
  // gRFC A41: "If multiple values of the Host header or :authority are present, the request must be rejected with an
  // HTTP status code 400 …, gRPC status code INTERNAL, or RST_STREAM with HTTP/2 error code PROTOCOL_ERROR."
  return grpc ? failureOf('bad-authority', { cause }) : badRequest('bad-authority', cause)
}

/** 405 or 415, as PROTOCOL-HTTP2.md asks. A gRPC client makes UNKNOWN of it (http-grpc-status-mapping.md). */
function notGrpc(http: number): Failure {
  return failureOf('not-grpc', { http, cause: `HTTP ${http}` })
}

/** Of http-grpc-status-mapping.md: 400 is INTERNAL. */
function badRequest(token: FailureToken, cause: string): Failure {
  return failureOf(token, { status: Status.INTERNAL, message: '', code: ErrorCode.CANCEL, cause, http: 400 })
}

/**
 * RFC 9110 §15: "Values outside the range 100..599 are invalid." The transports let three digits through. UNKNOWN, as
 * http-grpc-status-mapping.md has it for every status that it does not name.
 */
export function checkResponse(block: HeaderBlock): Failure | undefined {
  const status = block[0]
  if (status === undefined || status.name !== ':status' || status.value.charCodeAt(0) <= 0x35 /* 5 */) return undefined
  return failureOf('upstream-protocol-error', {
    status: Status.UNKNOWN,
    message: 'the backend answered with a status that HTTP does not have',
    code: ErrorCode.PROTOCOL_ERROR,
    cause: `:status ${status.value}`,
  })
}

/** What one side sent cannot go to the other: it is larger than that takes, or some peers end a connection for it. */
export function unsendable(error: unknown, { onFault }: Pick<RelayContext, 'onFault'>, path: string): Failure {
  if (!(error instanceof HeadersRefused)) {
    // A mistake of ours, which may cost this call and no other.
    onFault('a mistake of the proxy cost a call', path, error)
    return failureOf('unsendable-headers', { detail: 'a mistake of the proxy' })
  }
  const { message, tooLarge } = error
  if (!tooLarge) return failureOf('unsendable-headers', { detail: message })
  return failureOf('headers-too-large', { message: `cannot forward the headers: ${message}` })
}
