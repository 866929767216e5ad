/** Where telemetry goes: a collector that takes OTLP over HTTP. */
import { z } from 'zod'
import { pem, strict } from './fields.ts'

/** A token, a tenant, and little more. */
const MAX_HEADERS = 32

export const collectorUrl = z.string().superRefine((text, context) => {
  const message = wrongUrl(text)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

function wrongUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    return `${JSON.stringify(text)} is no http:// or https:// URL`
  if (url.username !== '' || url.password !== '') return 'a name and a password belong into `headers`, not into the URL'
  return url.search === '' && url.hash === '' ? undefined : 'has neither a query nor a fragment'
}

export const headerName = z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, { error: 'is no name of a header field' })
export const headerValue = z
  .string()
  .regex(/^[\t -~\x80-\xff]*$/, { error: 'has a character that no header field may have' })

const otlpTls = strict({
  ca: pem.optional().meta({ description: 'CA that its certificate is verified against, PEM; default: those of Node' }),
  cert: pem.optional().meta({ description: 'Certificate of the proxy for it, PEM' }),
  key: pem.optional().meta({ description: 'Its private key, PEM' }),
})

/** Of the resource that sends. */
export const attributeName = z.string().min(1).max(256)
export const attributeValue = z.string().max(1_024)

export const otlp = strict({
  url: collectorUrl.optional().meta({
    description:
      'Of the collector: `http://127.0.0.1:4318`; `/v1/traces` or `/v1/metrics` is added; default: `OTEL_EXPORTER_OTLP_ENDPOINT`',
  }),
  headers: z
    .record(headerName, headerValue)
    .refine(headers => Object.keys(headers).length <= MAX_HEADERS, { error: `no more than ${MAX_HEADERS}` })
    .optional()
    .meta({ description: 'Header fields for it, for a token; default: `OTEL_EXPORTER_OTLP_HEADERS`' }),
  tls: otlpTls.optional().meta({ description: 'How `https://` is spoken with it' }),
  timeoutMs: z.int().min(1).max(600_000).optional().meta({
    description: 'It must answer within (milliseconds); default: `OTEL_EXPORTER_OTLP_TIMEOUT`, else 10000',
  }),
})
