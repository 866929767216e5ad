/** Which endpoints of a backend calls go to, and how much each group of them gets. */
import { z } from 'zod'
import { DEFAULT_PANIC_THRESHOLD } from '../../backend/select/priority.ts'
import { integer, milliseconds, strict } from './fields.ts'

/** A part of something. */
const part = (least: number) => z.number().min(least).max(1)

export const selection = {
  subset: strict({
    // gRFC A68: with more there is little left to gain by fewer sessions, with fewer a failure weighs much.
    size: integer(20, 'How many endpoints of each priority this proxy uses', { min: 1, max: 100_000 }),
    id: z.string().min(1).max(255).optional().meta({
      description:
        'Proxies with the same one use the same endpoints; default: the name of the machine with the number of the process',
    }),
  })
    .optional()
    .meta({
      description:
        'Use a part of the endpoints, another one in each proxy, so that many proxies do not each connect to all',
    }),
  locality: strict({
    own: z
      .string()
      .min(1)
      .max(255)
      .meta({ description: 'Where this proxy runs, by the name that endpoints have there' }),
    share: part(0.001).optional().meta({
      description:
        'Which part of all calls to this backend comes from there; default: each locality that has endpoints sends the same',
    }),
  })
    .optional()
    .meta({
      description: 'Prefer endpoints of the same locality, until they would have 1.4 times the calls of a fair part',
    }),
  // Envoy's default, for its reason: see `levelShares`.
  panicThreshold: part(0).default(DEFAULT_PANIC_THRESHOLD).meta({
    description:
      'If less than this part of the endpoints can be used, and no other priority can take their calls, all of them are used whatever health checks and outlier ejection say; 0: never',
  }),
  slowStart: strict({
    windowMs: milliseconds(30_000, 'How long it takes until such an endpoint has its whole part of the calls', {
      min: 100,
      max: 3_600_000,
    }),
    // Envoy's default. With less a round of turns would be long, and the endpoint would learn nothing.
    minWeight: part(0.01).default(0.1).meta({ description: 'The part of its weight with which it begins' }),
    aggression: z.number().min(0.1).max(10).default(1).meta({
      description: '1: its weight grows evenly; more: fast at first; less: slow at first',
    }),
  })
    .optional()
    .meta({ description: 'Endpoints that are new, or back after a failure, get few calls at first' }),
}
