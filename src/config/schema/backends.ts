/** Groups of endpoints, and how the proxy connects to them. */
import { z } from 'zod'
import { breaker, endpointLimit, queue } from './backend-limits.ts'
import { balancer } from './balancers.ts'
import { endpointList } from './endpoints.ts'
import { flag, integer, milliseconds, pem, section, strict, transport } from './fields.ts'
import { health, outliers } from './health.ts'
import { keepalive, keepaliveMeta, sessionLifetimes } from './lifetimes.ts'
import { selection } from './selection.ts'
import { source } from './sources.ts'
import { crl, refineTlsRules, tlsRules } from './tls.ts'

const backendTls = strict({
  ca: pem.optional().meta({
    description: "CA of the endpoints' certificates, PEM; default: the CAs that Node trusts",
  }),
  cert: pem.optional().meta({ description: 'Certificate that the proxy shows to the endpoints, PEM' }),
  key: pem.optional().meta({ description: 'Its private key, PEM' }),
  serverName: z.string().min(1).optional().meta({
    description: 'SNI, and the name the certificate must have; default: the host of the endpoint',
  }),
  crl,
  ...tlsRules,
}).superRefine((tls, context) => {
  refineTlsRules(tls, context)
  if (tls.crl !== undefined && tls.ca === undefined)
    context.addIssue({ code: 'custom', path: ['crl'], message: 'needs ca: the authority whose lists these are' })
  if ((tls.cert === undefined) === (tls.key === undefined)) return
  const missing = tls.cert === undefined ? 'cert' : 'key'
  const given = missing === 'cert' ? 'key' : 'cert'
  context.addIssue({
    code: 'custom',
    path: [given],
    message: `needs ${missing} beside it`,
  })
})

const sessions = strict({
  max: integer(4, 'Most sessions to one endpoint that its clients share', {
    min: 1,
    max: 10_000,
  }),
  // A server that replaces its connections each half hour may have streams of 16 hours.
  maxDraining: integer(
    32,
    'Most sessions that one endpoint is closing (GOAWAY) while they still have calls; beyond that the oldest is ended',
    { min: 1, max: 10_000 },
  ),
  // As many as are shared: they are opened one by one, and only while others fill all the others.
  reserve: integer(
    4,
    'Sessions to one endpoint beyond `max`, for clients that have few calls while others fill those; 0: none',
    { max: 1_000 },
  ),
  // One for each client; where more clients need one, they share these among themselves.
  apart: integer(
    4,
    'Sessions to one endpoint beyond `max`, for clients whose calls are reset so often, or whose responses wait so much, that others would suffer; one for each such client, shared where there are too few; 0: none',
    { max: 1_000 },
  ),
  // As long as Envoy drains (`--drain-time-s`): calls of any usual length end by themselves, and no number of changes
  // leaves sessions behind for streams that never end.
  drainGraceMs: milliseconds(
    600_000,
    'How long calls may go on at an endpoint that left the backend, and at a backend that was removed',
  ),
  ready: integer(0, 'Sessions kept open to each endpoint without calls; 0: on demand', { max: 10_000 }),
  ...sessionLifetimes,
})
  .superRefine(({ max, ready }, context) => {
    if (ready <= max) return
    context.addIssue({
      code: 'custom',
      path: ['ready'],
      message: `must not be more than sessions.max, which is ${max}`,
    })
  })
  .prefault({})
  .meta({ description: 'How many connections the proxy keeps to each endpoint' })

// Connect backoff as in grpc/grpc doc/connection-backoff.md, its numbers the defaults.
const backoff = strict({
  initialMs: milliseconds(1000, 'Pause after the first failed connect', {
    min: 1,
  }),
  multiplier: z
    .number()
    .min(1)
    .max(100)
    .default(1.6)
    .meta({ description: 'What each further failure multiplies the pause by' }),
  maxMs: milliseconds(120_000, 'Longest pause', { min: 1 }),
  jitter: z
    .number()
    .min(0)
    .max(1)
    .default(0.2)
    .meta({ description: 'Random part of the pause, up or down: 0.2 is 20 %' }),
})
  .superRefine(({ initialMs, maxMs }, context) => {
    if (initialMs <= maxMs) return
    context.addIssue({
      code: 'custom',
      path: ['maxMs'],
      message: `must not be less than initialMs, which is ${initialMs}`,
    })
  })
  .prefault({})
  .meta({ description: 'How long the proxy waits before it connects again to an endpoint that it could not reach' })

// nghttp2 and Node end a session at 1,000 at once and 33 a second for long; the other servers that were tried bear more.
const resets = section('How many RST_STREAM frames go out on a session that clients share; more wait', {
  burst: integer(500, 'How many at once', { min: 4 }),
  perSecond: integer(30, 'How many a second, for long', { min: 1 }),
})

export const backend = strict({
  endpoints: endpointList.optional().meta({
    description:
      'This or `source` is needed. `host:port` and `http://host:port` are h2c, `https://host:port` is TLS, `unix:/path` a socket (TLS when `tls` is given); an object `{ address, weight, priority, locality }` where it has more; in code also `{ name, connect: () => Duplex }`',
    'x-type': 'list of addresses',
  }),
  source: source.optional(),
  balancer,
  ...selection,
  transport: transport.meta({
    description: 'How HTTP/2 is carried toward the endpoints',
  }),
  tls: backendTls.optional().meta({
    description:
      'For endpoints that speak TLS: `https://`, and all unix sockets and `connect` endpoints of the backend',
  }),
  sendProxyProtocol: z
    .union([z.literal(1), z.literal(2)])
    .optional()
    .meta({
      description:
        "Begin connections with a header of the PROXY protocol, of this version, for endpoints that want one; it says that they are the proxy's own, as calls of [many clients](edge.md#to-backends) share them",
    }),
  sessions,
  keepalive: keepalive.optional().meta(keepaliveMeta),
  connectTimeoutMs: milliseconds(5000, 'Longest time for TCP, TLS and the first SETTINGS together', { min: 1 }),
  backoff,
  queue,
  breaker: breaker.optional(),
  endpointLimit: endpointLimit.optional(),
  resets,
  health: health.optional(),
  required: flag(
    false,
    'The proxy is [ready](operate.md#the-admin-address) only while an endpoint of this backend can be used',
  ),
  outliers: outliers.optional(),
})

export const backendName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, {
  error: 'a backend name has 1 to 63 of letters, digits, "-", "_" and "."',
})
