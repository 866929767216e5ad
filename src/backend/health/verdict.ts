/** What the end of a health check says about the endpoint. */
import { readHealthResponse, ServingStatus } from '../../grpc/health-message.ts'
import { Status, statusName } from '../../grpc/status.ts'
import type { OwnOutcome } from '../../rpc/own-call.ts'

export interface Verdict {
  readonly healthy: boolean
  /** The endpoint says so itself. It does not have to say it twice. */
  readonly sure: boolean
  /** For the log and the state. */
  readonly why: string
}

export function good(why: string): Verdict {
  return { healthy: true, sure: true, why }
}

function presumablyGood(why: string): Verdict {
  return { healthy: true, sure: false, why }
}

/** It may have been the network, or a moment. */
export function bad(why: string): Verdict {
  return { healthy: false, sure: false, why }
}

function surelyBad(why: string): Verdict {
  return { healthy: false, sure: true, why }
}

/** @param service that was asked for */
export function verdictOf(outcome: OwnOutcome, service: string): Verdict {
  switch (outcome.kind) {
    case 'answer':
      return ofAnswer(readHealthResponse(outcome.message), service)
    case 'status':
      return ofStatus(outcome.status, outcome.text, service)
    case 'wrong':
      return bad(`its answer to the health check was ${outcome.why}`)
    case 'late':
      return bad(`the health check had ${outcome.why}`)
    case 'lost':
      return bad(`the health check was lost: ${outcome.why}`)
  }
}

function ofAnswer(status: ServingStatus | undefined, service: string): Verdict {
  switch (status) {
    case ServingStatus.SERVING:
      return good('it says SERVING')
    case ServingStatus.NOT_SERVING:
      return surelyBad('it says NOT_SERVING')
    case ServingStatus.SERVICE_UNKNOWN:
      return unknownService(service)
    case ServingStatus.UNKNOWN:
      return surelyBad('it says UNKNOWN')
    case undefined:
      return bad('its answer to the health check was no HealthCheckResponse')
    default:
      return bad(`its answer to the health check was ${status}, which is no serving status`)
  }
}

function ofStatus(status: number, text: string, service: string): Verdict {
  // gRFC A17: a server that "does not implement the health checking service" is taken for healthy.
  if (status === Status.UNIMPLEMENTED) return presumablyGood('it has no health service')
  // doc/health-checking.md: "If the service name is not registered, the server returns a NOT_FOUND GRPC status."
  if (status === Status.NOT_FOUND) return unknownService(service)
  return bad(`the health check ended with ${statusName(status)}${text === '' ? '' : ` ${JSON.stringify(text)}`}`)
}

function unknownService(service: string): Verdict {
  return surelyBad(`its health service does not know the service ${JSON.stringify(service)}`)
}
