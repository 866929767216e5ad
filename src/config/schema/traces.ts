/** Calls as parts of traces. */
import { z } from 'zod'
import { bytes, flag, integer, milliseconds, section, strict } from './fields.ts'
import { attributeName, attributeValue, otlp } from './otlp.ts'

const sample = section('Which calls are kept', {
  parent: flag(true, 'Where the client says whether it keeps the trace, that holds'),
  ratio: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .meta({ description: 'The part of all other traces that is kept, by their ids: 0.01 is one of a hundred' }),
  errors: flag(false, 'Also keep calls that do not end with OK'),
  slowerThanMs: z.number().min(0).optional().meta({ description: 'Also keep calls that take longer (milliseconds)' }),
})

export const traces = strict({
  otlp: otlp.optional().meta({ description: 'Where spans go; default: what the environment says' }),
  sample,
  propagate: z
    .array(z.enum(['w3c', 'b3', 'b3multi']))
    .min(1)
    .default(['w3c'])
    .meta({
      description:
        'Header fields of traces: the first of these that a request has is read, and all of them are written; `w3c`: `traceparent` and `tracestate`',
    }),
  serviceName: attributeName.optional().meta({
    description: 'The name of this proxy in traces; default: `OTEL_SERVICE_NAME`, else `grpc-verbatim`',
  }),
  resource: z.record(attributeName, attributeValue).optional().meta({
    description: 'Attributes of this proxy in traces; default, and beside them: `OTEL_RESOURCE_ATTRIBUTES`',
  }),
  // OpenTelemetry's SDKs have the same numbers, under OTEL_BSP_….
  maxQueuedSpans: integer(2048, 'Spans that wait for the collector; further ones are dropped and counted', { min: 16 }),
  maxQueuedBytes: bytes(4_194_304, 'The same in bytes', { min: 65_536 }),
  intervalMs: milliseconds(5_000, 'Spans wait so long for others', { min: 10 }),
})
  .optional()
  .meta({
    description: 'Makes calls parts of [traces](operate.md#traces), and tells a collector of them; default: none',
  })
