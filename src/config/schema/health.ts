/** How the endpoints of a backend are judged: by asking them, and by how calls end there. */
import { z } from 'zod'
import { STATUS_NAMES, type StatusName } from '../../grpc/status.ts'
import { integer, milliseconds, strict } from './fields.ts'

/** A longer name than any service has would only make the check's request large. */
const MAX_SERVICE_CHARACTERS = 1_024

export const health = strict({
  kind: z.enum(['grpc', 'connect']).default('grpc').meta({
    description:
      '`grpc` asks `grpc.health.v1.Health/Check`; `connect` establishes a new session each time, up to the first SETTINGS',
  }),
  service: z.string().max(MAX_SERVICE_CHARACTERS).optional().meta({
    description: 'The service that `grpc` asks for; by default the server as a whole',
  }),
  // Two bad answers are noticed within two intervals; a fleet of a thousand proxies asks each endpoint 200 times a second.
  intervalMs: milliseconds(5000, 'Each endpoint is asked once in this time, give or take a fifth', { min: 100 }),
  timeoutMs: milliseconds(1000, 'Longest time of a check, with connecting where it has to', { min: 1 }),
  unhealthyThreshold: integer(
    2,
    'So many bad answers in a row make an endpoint unhealthy; one is enough where it says so itself',
    { min: 1, max: 100 },
  ),
  healthyThreshold: integer(2, 'So many good answers in a row make it healthy again', { min: 1, max: 100 }),
})
  .superRefine(({ kind, service, intervalMs, timeoutMs }, context) => {
    if (timeoutMs > intervalMs) {
      const message = `must not be more than intervalMs, which is ${intervalMs}`
      context.addIssue({ code: 'custom', path: ['timeoutMs'], message })
    }
    if (kind === 'connect' && service !== undefined) {
      const message = 'a check of kind "connect" asks for no service'
      context.addIssue({ code: 'custom', path: ['service'], message })
    }
  })
  .meta({ description: 'Asks each endpoint how it is; an unhealthy one gets no new calls. Without this nobody asks' })

/** OK is no failure. */
const FAILURES = STATUS_NAMES.filter(name => name !== 'OK') as [StatusName, ...StatusName[]]

// The numbers are the defaults of gRFC A50.
const enforcementPercent = integer(
  100,
  'How likely an endpoint that is found is ejected, in percent; 0: this way of finding is off',
  { max: 100 },
)
const minimumEndpoints = integer(5, 'Nobody is judged where fewer endpoints than this have enough calls', { min: 1 })

const successRate = strict({
  stdevFactor: z
    .number()
    .min(0)
    .max(100)
    .default(1.9)
    .meta({ description: 'How many standard deviations below the mean of all its success rate must be' }),
  minimumEndpoints,
  requestVolume: integer(100, 'How many calls in an interval are enough; one of several clients counts for half', {
    min: 1,
  }),
  enforcementPercent,
})
  .prefault({})
  .meta({ description: 'Ejects endpoints whose calls succeed less often than elsewhere' })

const failurePercentage = strict({
  threshold: integer(85, 'More of its calls than this must have failed, in percent', { max: 100 }),
  minimumEndpoints,
  requestVolume: integer(50, 'How many calls in an interval are enough; one of several clients counts for half', {
    min: 1,
  }),
  enforcementPercent,
})
  .prefault({})
  .meta({ description: 'Ejects endpoints whose calls mostly fail' })

export const outliers = strict({
  intervalMs: milliseconds(10_000, 'How often success rates are looked at, and ejections', { min: 100 }),
  baseEjectionMs: milliseconds(
    30_000,
    'How long the first ejection lasts; each further one is so much longer, each interval without one makes the next shorter',
    { min: 1 },
  ),
  maxEjectionMs: milliseconds(300_000, 'Longest ejection, unless baseEjectionMs is longer', { min: 1 }),
  maxEjectedPercent: integer(
    10,
    'While this part of the endpoints is ejected, in percent, no other one is; 0: none is ever; the last one never is',
    { max: 100 },
  ),
  // What an endpoint answers that is broken. Other statuses are mostly about the request.
  statuses: z.array(z.enum(FAILURES)).min(1).default(['UNAVAILABLE', 'INTERNAL', 'UNKNOWN']).meta({
    description: 'Which statuses are failures; by default `UNAVAILABLE`, `INTERNAL` and `UNKNOWN`',
    'x-type': 'list of names of statuses',
  }),
  consecutiveFailures: integer(
    5,
    'So many failures in a row eject an endpoint, and so many failed connects; 0: they do not',
    { max: 10_000 },
  ),
  successRate,
  failurePercentage,
}).meta({
  description: 'Ejects endpoints for a while by how calls end there. Without this nothing is counted',
})
