/** How the calls of a route are treated on their way. */
import { z } from 'zod'
import { STATUS_NAMES, type StatusName } from '../../grpc/status.ts'
import { BUDGET_DEFAULTS, MAX_ATTEMPTS } from '../../routing/attempts.ts'
import { HEDGE_DEFAULTS } from '../../routing/hedge-policy.ts'
import { RETRY_DEFAULTS } from '../../routing/retry-policy.ts'
import { integer, MAX_TIMER_MS, milliseconds, section, strict } from './fields.ts'

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

const FAILURES = STATUS_NAMES.filter(name => name !== 'OK') as Exclude<StatusName, 'OK'>[]

const statuses = (description: string) =>
  z.array(z.enum(FAILURES)).min(1).default(['UNAVAILABLE']).meta({ description, 'x-type': 'list of status names' })

const budget = section('How many attempts a backend gets beyond the first ones of calls', {
  maxTokens: integer(
    BUDGET_DEFAULTS.maxTokens,
    'A failure takes one of so many tokens; when half of them are gone nothing is tried again',
    { min: 1, max: 1_000 },
  ),
  tokenRatio: z
    .number()
    .min(0.001)
    .max(1)
    .default(BUDGET_DEFAULTS.tokenRatio)
    .meta({ description: 'What a call that succeeds gives back, as a part of a token' }),
})

export const hedge = strict({
  maxAttempts: integer(HEDGE_DEFAULTS.maxAttempts, 'Most attempts of a call, with the first', {
    min: 2,
    max: MAX_ATTEMPTS,
  }),
  delayMs: z
    .int()
    .min(0)
    .max(MAX_TIMER_MS)
    .meta({ description: 'Wait before each further attempt while none is answered; 0: all at once (milliseconds)' }),
  percentile: z.number().min(50).max(99.9).optional().meta({
    description:
      'Wait less than `delayMs`: until so many of 100 calls of the method were answered, as they were lately',
  }),
  nonFatalCodes: statuses('The statuses that do not end the call, where no other part of a response came before'),
  budget,
}).superRefine(({ delayMs, percentile }, context) => {
  if (percentile === undefined || delayMs > 0) return
  context.addIssue({ code: 'custom', path: ['percentile'], message: 'makes a delay shorter: give delayMs more than 0' })
})

export const retry = strict({
  maxAttempts: integer(RETRY_DEFAULTS.maxAttempts, 'Most attempts of a call, with the first', {
    min: 2,
    max: MAX_ATTEMPTS,
  }),
  codes: statuses('The statuses to try again for, where no other part of a response came before'),
  initialBackoffMs: milliseconds(
    RETRY_DEFAULTS.initialBackoffMs,
    'Wait before the second attempt, a fifth more or less',
    {
      min: 1,
    },
  ),
  maxBackoffMs: milliseconds(RETRY_DEFAULTS.maxBackoffMs, 'The longest wait before an attempt', { min: 1 }),
  multiplier: z
    .number()
    .min(1)
    .max(1_000)
    .default(RETRY_DEFAULTS.multiplier)
    .meta({ description: 'How much longer each wait is than the one before' }),
  perAttemptTimeoutMs: time('The longest time of an attempt until its response headers'),
  budget,
})
