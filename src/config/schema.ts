/**
 * The one description of a configuration: from it come the validation, the JSON Schema, the texts of the public types,
 * and the table in docs/configuration.md. A YAML file and the options given in code are the same object;
 * code may also give what YAML cannot hold.
 */
import type { Logger } from 'pino'
import { z } from 'zod'
import type { Director } from '../routing/director.ts'
import { admin } from './schema/admin.ts'
import { backend, backendName } from './schema/backends.ts'
import { drain } from './schema/drain.ts'
import { codeOnly, flag, isFunction, strict } from './schema/fields.ts'
import { gates, requirement } from './schema/gates.ts'
import { headers } from './schema/headers.ts'
import { healthService } from './schema/health-service.ts'
import { limits } from './schema/limits.ts'
import { listener } from './schema/listeners.ts'
import { log } from './schema/log.ts'
import { metrics } from './schema/metrics.ts'
import { requestId } from './schema/request-id.ts'
import { route } from './schema/routes.ts'
import { tls } from './schema/tls.ts'
import { traces } from './schema/traces.ts'
import { workers } from './schema/workers.ts'

export const configSchema = strict({
  include: z.array(z.string().min(1)).optional().meta({
    description:
      'Other files with `listeners`, `backends` and `routes`, whose entries come after those here; `*` may stand in the name: `routes/*.yaml`',
  }),
  listeners: z.array(listener).default([]).meta({ description: 'Where the proxy accepts connections' }),
  backends: z
    .record(backendName, backend)
    .default({})
    .meta({ description: 'Groups of interchangeable endpoints, by name' }),
  routes: z.array(route).default([]).meta({
    description:
      'Which call goes where: the first route that matches decides; without routes every call goes to the one backend',
  }),
  gates,
  require: requirement.optional().meta({
    description: 'What every call must pass before it is routed: names of gates; `{ any: […] }`: one of them',
    'x-type': 'names',
  }),
  allowFaults: flag(false, 'Routes may have `faults`: say it where clients are tested, and not in production'),
  director: codeOnly<Director>(isFunction, '(call) => Target', 'a function').optional().meta({
    description: 'Decides instead of `routes`',
    'x-code-only': '(call) => Target',
  }),
  healthService,
  log,
  logger: codeOnly<Logger>(isLogger, 'pino.Logger', 'a pino logger').optional().meta({
    description: 'Used instead of one made from `log`',
    'x-code-only': 'pino.Logger',
  }),
  metrics,
  traces,
  admin,
  tls,
  headers,
  requestId,
  acceptNonGrpc: flag(false, 'Forward other content types too, instead of answering HTTP 415'),
  drain,
  workers,
  limits,
})

/** A configuration with all defaults. What users write is in options.ts. */
export type Config = z.output<typeof configSchema>
export type ListenerConfig = z.output<typeof listener>
export type BackendConfig = z.output<typeof backend>
export type Limits = Config['limits']

function isLogger(value: unknown): boolean {
  const logger = value as Partial<Record<string, unknown>> | null
  return typeof logger === 'object' && typeof logger?.info === 'function' && typeof logger.child === 'function'
}
