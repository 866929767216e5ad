/**
 * A gate by a rate that several proxies keep together: Envoy's `envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit`.
 * The service has the limits; it is told what the call is by descriptors.
 */
import {
  type Descriptor,
  rateLimitRequest,
  readRateLimitResponse,
  SHOULD_RATE_LIMIT_PATH,
} from '../grpc/rate-limit-message.ts'
import type { CallInfo } from '../routing/director.ts'
import { type Gate, onAnswer, refusal, withAdditions } from '../routing/gate.ts'
import { AskedService, type AskedServiceOptions, addedBy, answeredBy, given, refusedWith } from './asked-service.ts'
import { type CallKey, partOf } from './call-key.ts'
import { clientAddress } from './client-address.ts'

/** What stands in a descriptor: a part of the call, or a text that is always the same. */
export type DescriptorValue = CallKey | `text:${string}`

export interface GlobalRateLimitOptions extends AskedServiceOptions {
  /** Whose limits the service looks at. */
  readonly domain: string
  /** Each is a list of keys with values, in their order. One with a value that is empty is left out. */
  readonly descriptors: readonly Readonly<Record<string, DescriptorValue>>[]
  /** Proxies before this one, whose `x-forwarded-for` says who the client is. */
  readonly trustedProxies?: readonly string[] | undefined
}

/** Where the service does not say when there is room. */
const RETRY_AFTER_MS = 1_000

export function globalRateLimit(options: GlobalRateLimitOptions): Gate {
  const { domain, trustedProxies } = options
  const addressOf = clientAddress(trustedProxies)
  const described = options.descriptors.map(descriptor =>
    Object.entries(descriptor).map(([key, value]) => ({ key, read: readerOf(value, addressOf) })),
  )
  const service = new AskedService(SHOULD_RATE_LIMIT_PATH, options, bytes => {
    const { over, resetMs, add, respond } = readRateLimitResponse(bytes)
    if (!over) return { metadata: addedBy(add), changes: answeredBy(respond) }
    const why = `a limit of the domain ${domain} is reached`
    return { refused: refusal('rate-limited', why, resetMs || RETRY_AFTER_MS, undefined, refusedWith(respond)) }
  })
  return (next, services) => {
    const asked = given(services, 'globalRateLimit')
    return call => {
      const descriptors = described
        .map((parts): Descriptor => parts.map(({ key, read }) => [key, read(call)] as const))
        .filter(entries => entries.every(([, value]) => value !== ''))
      if (descriptors.length === 0) return next(call)
      return service.about(call, rateLimitRequest(domain, descriptors), asked).then(answer => {
        if (answer?.refused !== undefined) throw answer.refused
        return onAnswer(next(call), target => withAdditions(target, answer))
      })
    }
  }
}

function readerOf(value: DescriptorValue, addressOf: (call: CallInfo) => string): (call: CallInfo) => string {
  if (!value.startsWith('text:')) return partOf(value as CallKey, addressOf)
  const text = value.slice('text:'.length)
  return () => text
}
