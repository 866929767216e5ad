/** What is counted for Prometheus. */
import { z } from 'zod'
import { integer, MAX_TIMER_MS, strict } from './fields.ts'
import { attributeName, attributeValue, otlp } from './otlp.ts'

/** From a call within a machine to one across the world, in steps of some 2 to 2.5. */
const BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** A collector that gets them more often gets the same. */
export const MIN_EXPORT_INTERVAL_MS = 100

const bucketsSeconds = z
  .array(z.number().positive())
  .min(1)
  .max(100)
  .refine(bounds => bounds.every((bound, i) => i === 0 || bound > bounds[i - 1]!), {
    error: 'each bound must be above the one before it',
  })
  .default(BUCKETS_SECONDS)
  .meta({ description: 'Bounds of the histograms of latencies (seconds)' })

const metricsOtlp = strict({
  ...otlp.shape,
  intervalMs: z.int().min(MIN_EXPORT_INTERVAL_MS).max(MAX_TIMER_MS).optional().meta({
    description: 'Between two readings (milliseconds); default: `OTEL_METRIC_EXPORT_INTERVAL`, else 60000',
  }),
  serviceName: attributeName.optional().meta({
    description:
      'The name of this proxy there; default: `traces.serviceName`, `OTEL_SERVICE_NAME`, else `grpc-verbatim`',
  }),
  resource: z.record(attributeName, attributeValue).optional().meta({
    description:
      'Attributes of this proxy there; default: `traces.resource`; and beside them: `OTEL_RESOURCE_ATTRIBUTES`',
  }),
})

export const metricsSettings = strict({
  bucketsSeconds,
  // A service of some hundred methods, and no more series than a Prometheus takes without a thought.
  maxMethods: integer(
    200,
    'Most methods that have series of their own: those that a route names, and those of which a call was answered with OK; all others are `other`',
    { max: 100_000 },
  ),
  otlp: metricsOtlp.optional().meta({
    description: 'Sends them to a collector by OTLP over HTTP, too; default: who wants them asks for them',
  }),
})

export const metrics = z.union([z.boolean(), metricsSettings]).optional().meta({
  description:
    'Counts calls for [Prometheus](operate.md#metrics): `true`, `false`, or how; default: true where there is `admin`',
  'x-type': 'boolean, or `{ bucketsSeconds, maxMethods, otlp }`',
})
