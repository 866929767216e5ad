/** Where the endpoints of a backend come from, if they are not a list in the configuration. */
import { z } from 'zod'
import { parseDnsServer } from '../../discovery/dns-server.ts'
import type { OwnSource } from '../own-source.ts'
import { didYouMean } from '../problems.ts'
import { isMap, mapOf } from '../raw.ts'
import { codeOnly, endpointAddress, integer, milliseconds, serviceName, strict } from './fields.ts'

/** What a source may ask: each is a key of its own. */
const SOURCE_KINDS = ['dns', 'srv', 'file']

const server = z.string().refine(text => parseDnsServer(text) !== undefined, {
  error: ({ input }) =>
    `${JSON.stringify(input)} is no address of a DNS server: write 10.0.0.2, 10.0.0.2:5353 or "[fd00::2]:53"`,
})

/** Records that live a day do not change often; and a timer of Node's takes no more than 24 days, jitter included. */
const MAX_INTERVAL_MS = 86_400_000

const ofDns = {
  // A name that fails is asked for again this often at first, as a call may wait for it.
  minIntervalMs: milliseconds(5000, 'Shortest time between two questions, however short the records live', {
    min: 100,
    max: MAX_INTERVAL_MS,
  }),
  maxIntervalMs: milliseconds(300_000, 'Longest time between two questions, however long the records live', {
    min: 100,
    max: MAX_INTERVAL_MS,
  }),
  jitter: z.number().min(0).max(1).default(0.1).meta({
    description:
      'Random part that is added to the time between two questions, so that many proxies do not ask in step: 0.1 is up to 10 %',
  }),
  // Sessions to more are a burden for one proxy, and a name with more is rather a mistake.
  maxEndpoints: integer(
    1000,
    'Most endpoints; if there are more, each proxy uses others of them, and the log says so',
    {
      min: 1,
      max: 10_000,
    },
  ),
  // As many as the system's library asks of those in /etc/resolv.conf.
  servers: z.array(server).min(1).max(3).optional().meta({
    description: 'DNS servers to ask, as `10.0.0.2` or `10.0.0.2:5353`; default: those of the system',
  }),
}

interface Intervals {
  readonly minIntervalMs: number
  readonly maxIntervalMs: number
}

function inOrder({ minIntervalMs, maxIntervalMs }: Intervals, context: z.RefinementCtx): void {
  if (minIntervalMs <= maxIntervalMs) return
  const message = `must not be less than minIntervalMs, which is ${minIntervalMs}`
  context.addIssue({ code: 'custom', path: ['maxIntervalMs'], message })
}

const dnsSource = strict({
  dns: endpointAddress
    .refine(text => !/^unix:/i.test(text), { error: 'a socket is no name in DNS: give it in endpoints' })
    .meta({
      description: 'A name and a port, written as in `endpoints`: each of its A and AAAA addresses is an endpoint',
    }),
  ...ofDns,
}).superRefine(inOrder)

const srvSource = strict({
  srv: serviceName.meta({
    description:
      'A name with SRV records, as `_grpc._tcp.greeter.internal`, with `https://` before it for TLS: each address of each target is an endpoint, with the priority and the weight of the record',
  }),
  ...ofDns,
}).superRefine(inOrder)

const fileSource = strict({
  file: z.string().min(1).meta({
    description:
      'Path of a file with a list in YAML or JSON, written as in `endpoints`; it is read again when it changes',
  }),
})

const ownSource = codeOnly<OwnSource>(
  value => typeof (value as Partial<OwnSource> | null)?.start === 'function',
  'OwnSource',
  'an object with start()',
)

export const source = z
  .union([dnsSource, srvSource, fileSource, ownSource], { error: ({ input }) => ofNoKind(input) })
  .meta({
    description:
      'Where the endpoints come from, if there is no list here: the [addresses of a name](#endpoints-that-change), SRV records, a file with a list; in code also an object of your own, an `OwnSource`',
    'x-type': '`{ dns, … }`, `{ srv, … }` or `{ file }`',
  })

/** What it says of a source that does not say what it is; else the reasons of the kind that it is are told. */
function ofNoKind(input: unknown): string | undefined {
  if (!isMap(input)) return undefined
  const given = mapOf(input)
  if (SOURCE_KINDS.some(kind => given[kind] !== undefined)) return undefined
  const near = Object.keys(given).map(key => ({ key, hint: didYouMean(key, SOURCE_KINDS) }))
  const misspelt = near.find(({ hint }) => hint !== '')
  const hint = misspelt === undefined ? '' : `; ${JSON.stringify(misspelt.key)} is unknown${misspelt.hint}`
  return `does not say where the endpoints come from: one of ${SOURCE_KINDS.join(', ')} is needed${hint}`
}
