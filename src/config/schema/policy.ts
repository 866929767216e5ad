/** How the calls of a route are treated on their way. */
import { z } from 'zod'
import { MAX_TIMER_MS, strict } from './fields.ts'

const time = (description: string) =>
  z
    .int()
    .min(1)
    .max(MAX_TIMER_MS)
    .optional()
    .meta({ description: `${description} (milliseconds)` })

export const mirror = strict({
  backend: z.string().meta({ description: 'Name of the backend that gets the copies; nobody hears its answers' }),
  share: z.number().min(0).max(1).default(1).meta({ description: 'From 0 to 1: how many of the calls, at random' }),
})

export const times = {
  timeoutMs: time('The longest a call may take; where the client gave it less time, that counts'),
  defaultTimeoutMs: time('The same for calls whose client has given no time'),
  idleTimeoutMs: time('The longest time without data in either direction, once the call went to an endpoint'),
  responseHeadersTimeoutMs: time(
    'The longest time until the headers of the response, once the call went to an endpoint',
  ),
}
