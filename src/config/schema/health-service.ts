/** `grpc.health.v1.Health`, answered by the proxy itself. */
import { z } from 'zod'
import { strict } from './fields.ts'

/** Those that a fleet has; each that is asked for is looked at every second. */
const MOST_SERVICES = 1_000

export const healthServiceSettings = strict({
  services: z
    .record(z.string().max(256), z.string().min(1))
    .default({})
    .refine(services => Object.keys(services).length <= MOST_SERVICES, {
      error: `has at most ${MOST_SERVICES} services`,
    })
    .meta({
      description:
        'Backends by the names that clients ask for: such a service is served while an endpoint of its backend can be used; `""` asks whether the proxy is ready, unless it is here',
      'x-type': 'map of backends',
    }),
})

export const healthService = z.union([z.boolean(), healthServiceSettings]).optional().meta({
  description:
    'Answer `grpc.health.v1.Health` [here](operate.md#health-for-load-balancers), before gates and routes: `true` for the proxy as a whole, or for services too; default: such calls are forwarded',
  'x-type': 'boolean, or `{ services }`',
})
