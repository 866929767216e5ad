/**
 * What is used of the messages of `envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit`, by the numbers of their
 * fields (envoyproxy/envoy api/envoy/service/ratelimit/v3).
 */
import { type HeaderToAdd, headerValues, type ResponseHeader, responseValues } from './header-option.ts'
import { Message, messageField, textField, WrongMessage } from './protobuf.ts'

export const SHOULD_RATE_LIMIT_PATH = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit'

/** Keys and values that have a limit together. */
export type Descriptor = readonly (readonly [key: string, value: string])[]

export function rateLimitRequest(domain: string, descriptors: readonly Descriptor[]): Buffer {
  const written = descriptors.map(entries =>
    messageField(2, ...entries.map(([key, value]) => messageField(1, textField(1, key), textField(2, value)))),
  )
  return Buffer.concat([textField(1, domain), ...written])
}

const OK = 1
const OVER_LIMIT = 2

export interface RateLimitAnswer {
  readonly over: boolean
  /** When the limits that were reached begin anew; 0: the service does not say. */
  readonly resetMs: number
  /** To the request. */
  readonly add: readonly HeaderToAdd[]
  /** To the response, also where the limit is reached. */
  readonly respond: readonly ResponseHeader[]
}

/** @throws WrongMessage */
export function readRateLimitResponse(bytes: Buffer): RateLimitAnswer {
  const response = new Message(bytes)
  const code = response.number(1)
  if (code !== OK && code !== OVER_LIMIT) throw new WrongMessage(`its code is ${code}`)
  const reached = response.messages(2).filter(status => status.number(1) === OVER_LIMIT)
  const resetMs = Math.max(0, ...reached.map(status => durationMs(status.message(4))))
  const respond = responseValues(response.messages(3))
  return { over: code === OVER_LIMIT, resetMs, add: headerValues(response.messages(4)), respond }
}

/** `google.protobuf.Duration` */
function durationMs(duration: Message | undefined): number {
  if (duration === undefined) return 0
  return duration.number(1) * 1_000 + Math.ceil(duration.number(2) / 1_000_000)
}
