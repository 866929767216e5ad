/** Which endpoint takes the next call. */
import { z } from 'zod'
import { DEFAULTS } from '../../backend/balance/kinds.ts'
import { MAX_POINTS } from '../../backend/balance/ring.ts'
import { integer, milliseconds, strict } from './fields.ts'
import { hashKey } from './hash-key.ts'

/** Says which kind the settings are of. */
function kind<const Kind extends string>(name: Kind) {
  return z.literal(name).meta({ description: `Says that these are the settings of \`${name}\`` })
}

const choices = integer(DEFAULTS['least-request'].choices, 'How many endpoints, chosen at random, are looked at', {
  min: 2,
  max: 10,
})

const plain = strict({
  kind: z.enum(['round-robin', 'pick-first']).meta({
    description:
      '`round-robin`: each in turn, by weight; `pick-first`: the first of the list, the next while it cannot',
  }),
})

const leastRequest = strict({ kind: kind('least-request'), choices })

const peak = DEFAULTS['peak-ewma']

const peakEwma = strict({
  kind: kind('peak-ewma'),
  choices,
  // Shorter than that, and one slow answer says nothing; longer than ten minutes, and an endpoint is never forgiven.
  decayMs: milliseconds(peak.decayMs, 'In this time 63 % of what was measured is forgotten', {
    min: 100,
    max: 600_000,
  }),
  defaultLatencyMs: milliseconds(
    peak.defaultLatencyMs,
    'What a new endpoint is thought to take until it has answered',
    {
      min: 1,
      max: 60_000,
    },
  ),
})

const reported = DEFAULTS['weighted-round-robin']

// The numbers of gRFC A58, with its least update period.
const weightedRoundRobin = strict({
  kind: kind('weighted-round-robin'),
  blackoutMs: milliseconds(reported.blackoutMs, 'What an endpoint reports counts once reports have come for so long'),
  expirationMs: milliseconds(reported.expirationMs, 'Without a report for so long an endpoint counts as the mean', {
    min: 1_000,
  }),
  updateMs: milliseconds(reported.updateMs, 'How often weights follow what was reported', { min: 100 }),
  errorPenalty: z
    .number()
    .min(0)
    .max(100)
    .default(reported.errorPenalty)
    .meta({ description: 'What failed calls add to the load: the part of calls that fail, times this' }),
})

const key = hashKey('What decides where a call goes; a call without it may go anywhere')

const boundedLoad = z.number().min(1.05).max(100).optional().meta({
  description:
    'How many times its part of the calls in flight an endpoint may have before its calls go to the next, such as 1.25; default: no bound',
})

const ringHash = strict({
  kind: kind('ring-hash'),
  key,
  boundedLoad,
  pointsPerWeight: integer(
    256,
    `Points on the ring of an endpoint of weight 1, fewer where the ring has ${MAX_POINTS} in all`,
    { min: 1, max: 4_096 },
  ),
})

const maglev = strict({
  kind: kind('maglev'),
  key,
  boundedLoad,
  // The paper's and Envoy's size. The table is made anew for each change of the list, which takes 3 ms for this one.
  tableSize: z
    .int()
    .min(3)
    .max(MAX_POINTS)
    .refine(isPrime, { error: 'must be a prime number, such as 65537' })
    .default(65_537)
    .meta({
      description: 'Places of the table, a prime number; a hundred times as many as endpoints is good',
    }),
})

function isPrime(number: number): boolean {
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false
  return number > 1
}

/** Who has only read the names writes one, as for the others. */
function keyless(name: string): string {
  return `${name} needs a key: { kind: ${name}, key: client-address }, or another key`
}

export const balancer = z
  .union(
    [
      z.enum(['round-robin', 'least-request', 'pick-first', 'peak-ewma', 'weighted-round-robin']),
      plain,
      leastRequest,
      peakEwma,
      weightedRoundRobin,
      ringHash,
      maglev,
    ],
    { error: ({ input }) => (input === 'ring-hash' || input === 'maglev' ? keyless(input) : undefined) },
  )
  .default('round-robin')
  .meta({
    description: 'Which [endpoint takes the next call](fleet.md#balancers)',
    'x-type':
      '`round-robin`, `least-request`, `peak-ewma`, `weighted-round-robin`, `pick-first`, or `{ kind, … }`, also `ring-hash` and `maglev`',
  })
