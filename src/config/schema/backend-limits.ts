/** What a backend gets at most, and which calls wait for it. */
import { z } from 'zod'
import { integer, milliseconds, section, strict } from './fields.ts'

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
    'Most calls at a time that are sent again because a backend did not process them; more end with `upstream-refused`',
    MOST_CALLS,
  ),
}).meta({ description: 'What all calls together may use of the backend; a number that is missing is no limit' })

export const queue = section('Calls for which no endpoint has a free stream', {
  maxCalls: integer(1000, 'Most calls that wait for a stream; more are refused'),
  timeoutMs: milliseconds(5000, 'Longest wait for a stream', { min: 1 }),
})
