/** A call's end as the proxy makes it, of one of the kinds in `failure-table.ts`. */
import type { Field } from '../grpc/metadata.ts'
import { encodeMessage, Status, type StatusCode } from '../grpc/status.ts'
import { ErrorCode } from '../wire/errors.ts'
import { FAILURES, type FailureKind, type FailureToken } from './failure-table.ts'

export type { FailureToken } from './failure-table.ts'

/** Who decided how a call ended. */
export type EndedBy = 'backend' | 'client' | 'proxy'

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
  /** When another try may end otherwise (gRFC A6, `grpc-retry-pushback-ms`). */
  readonly retryAfterMs: number | undefined
  /** The request is not gRPC: the answer is this HTTP status and nothing else. */
  readonly http: number | undefined
  /** For the client besides, from a service that was asked about the call. Only of failures before a response. */
  readonly fields: readonly Field[] | undefined
  /** Which gate refused it. */
  readonly gate: string | undefined
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
    retryAfterMs: details.retryAfterMs,
    http: details.http ?? kind.http,
    fields: details.fields,
    gate: details.gate,
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
