/** What a backend gets at most, and which calls wait for it. */
import { z } from 'zod'
import { DEFAULT_SHED_AT } from '../../backend/call-priority.ts'
import { integer, metadataName, milliseconds, section, strict } from './fields.ts'

/** A number without a default: where it is missing there is no limit. */
function bound(description: string, max: number) {
  return z.int().min(1).max(max).optional().meta({ description })
}

/** So many calls of one process would take gigabytes: a larger number is a mistake. */
const MOST_CALLS = 1_000_000

export const breaker = strict({
  maxCalls: bound(
    'Most calls that the backend has at a time; more wait in the queue, and a fifth is [for clients that have few](fleet.md#limits)',
    MOST_CALLS,
  ),
  maxSessions: bound(
    'Most sessions to all endpoints together; beyond that an endpoint gets one only if it has none',
    // Of 10,000 endpoints with ten sessions each.
    100_000,
  ),
  maxRetries: bound(
    'Most calls at a time that are sent again, by a policy or because a backend did not process them, each further attempt of a hedged call being one; of those that were not processed more end with `upstream-refused`',
    MOST_CALLS,
  ),
}).meta({ description: 'What all calls together may use of the backend; a number that is missing is no limit' })

/** What the limits that follow latency have in common. */
const bounds = {
  // Envoy: 3, Netflix' library: 20. A healthy endpoint works on some calls at a time, and a few slow ones must not fill it.
  min: integer(10, 'Least calls at a time, with which it begins; what they take is thought to be usual', {
    min: 1,
    max: MOST_CALLS,
  }),
  max: integer(1000, 'Most calls at a time', { min: 1, max: MOST_CALLS }),
  windowMs: milliseconds(1000, 'Least time from one change to the next; it goes on until there are ten answers', {
    min: 50,
    max: 60_000,
  }),
}

function ordered({ min, max }: { min: number; max: number }, context: z.core.$RefinementCtx): void {
  if (min <= max) return
  context.addIssue({ code: 'custom', path: ['max'], message: `must not be less than min, which is ${min}` })
}

export const endpointLimit = z
  .union([
    strict({
      kind: z.literal('fixed').optional().meta({ description: 'The limit is a number; that is meant without it, too' }),
      maxCalls: z.int().min(1).max(MOST_CALLS).meta({ description: 'Most calls that an endpoint has at a time' }),
    }),
    strict({
      kind: z.literal('gradient').meta({ description: 'The limit falls when answers take longer than usual' }),
      ...bounds,
      tolerance: z.number().min(1.1).max(10).default(2).meta({
        description: 'So many times the usual latency is still none too much',
      }),
    }).superRefine(ordered),
    strict({
      kind: z.literal('aimd').meta({ description: 'The limit falls when answers take longer than `latencyMs`' }),
      ...bounds,
      latencyMs: z.number().positive().max(60_000).meta({
        description: 'What takes longer until the response headers is too slow (milliseconds)',
      }),
    }).superRefine(ordered),
  ])
  .meta({
    description:
      'How many calls each endpoint may have at a time: a number, or a limit that [follows latency](fleet.md#limits)',
    'x-type':
      '`{ kind: fixed, maxCalls }`, `{ kind: gradient, min, max, windowMs, tolerance }` or `{ kind: aimd, latencyMs, min, max, windowMs }`',
  })

export const queue = section('Calls for which no endpoint has a free stream', {
  maxCalls: integer(1000, 'Most calls that wait for a stream; more are refused'),
  timeoutMs: milliseconds(5000, 'Longest wait for a stream', { min: 1 }),
  priority: strict({
    metadata: metadataName.optional().meta({
      description:
        'Name of the metadata in which clients say `critical`, `default` or `sheddable`; without it only routes say it',
    }),
    shedAt: z.number().min(0).max(1).default(DEFAULT_SHED_AT).meta({
      description: 'From this part of `maxCalls` on sheddable calls do not wait: 0.5 is half',
    }),
  })
    .optional()
    .meta({ description: 'Which calls [give way](fleet.md#which-calls-give-way) when many wait' }),
})
