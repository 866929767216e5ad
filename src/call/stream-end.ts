/** What the end of a stream means for its call. */
import { statusOfReset } from '../grpc/status.ts'
import type { StreamEnd } from '../transport/transport.ts'
import { ErrorCode, errorCodeName } from '../wire/errors.ts'
import { type EndedBy, type Failure, failureOf } from './failure.ts'

/** Who ended a call with a stream: the peer of that stream, or the proxy itself. */
export function enderOf(end: StreamEnd, peer: 'client' | 'backend'): EndedBy {
  return end.kind !== 'clean' && end.by === 'self' ? 'proxy' : peer
}

/** A request that the backend refused is tried once more (gRFC A6: "the second time … committed"). */
const MAX_AFTER_REFUSAL = 1
/**
 * A session that goes refuses nothing: the call had merely come too late for it. Backends that rotate their sessions
 * (gRFC A9) make that happen to a call several times in a row, though seldom. Each time costs the backend a session, and
 * one that ends them without any use is left alone for a while, so there is no storm of retries.
 */
const MAX_AFTER_GOAWAY = 5

/** How often such an end lets a call be sent again, counted from its first attempt. */
export function mostRetries(end: StreamEnd): number {
  return end.kind === 'lost' ? MAX_AFTER_GOAWAY : MAX_AFTER_REFUSAL
}

/** Nothing was processed, and here it cannot be sent again: the client may (RFC 9113 §8.7; gRFC A6). */
export function ofRefusal(end: StreamEnd): Failure {
  return failureOf('upstream-refused', { cause: end.kind === 'lost' ? end.reason : '' })
}

/** An upstream stream ended without a whole response. */
export function ofUpstream(end: StreamEnd): Failure {
  switch (end.kind) {
    case 'reset':
      return end.by === 'peer' ? ofReset(end.code) : ofViolation(end.code, end.violation)
    case 'lost':
      return failureOf('upstream-lost', { cause: end.reason })
    case 'clean': {
      const message = 'the backend ended the stream without a response'
      return failureOf('upstream-reset', {
        status: statusOfReset(ErrorCode.NO_ERROR),
        message,
        code: ErrorCode.PROTOCOL_ERROR,
      })
    }
  }
}

function ofReset(code: ErrorCode): Failure {
  if (code === ErrorCode.REFUSED_STREAM) return failureOf('upstream-refused')
  return failureOf('upstream-reset', { status: statusOfReset(code), code, detail: errorCodeName(code) })
}

/** The proxy's own transport reset the stream: what the backend sent on it broke a rule or a limit. */
function ofViolation(code: ErrorCode, violation = errorCodeName(code)): Failure {
  if (violation === 'header-list-too-large') return failureOf('headers-too-large')
  const detail = errorCodeName(code)
  return failureOf('upstream-protocol-error', { status: statusOfReset(code), code, detail, cause: violation })
}

/** Why the client ended a call before its answer; for the record. */
export function clientGone(end: StreamEnd): string {
  if (end.kind === 'reset') return `reset-${errorCodeName(end.code)}`
  return end.kind === 'lost' ? 'disconnected' : 'closed'
}
