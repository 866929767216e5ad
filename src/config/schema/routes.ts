/** Which call goes where. */
import { z } from 'zod'
import { STATUS_NAMES, type StatusName } from '../../grpc/status.ts'
import { isOfProtocol } from '../../routing/metadata-changes.ts'
import { AddressError, parseEndpointAddress } from '../address.ts'
import { faults } from './faults.ts'
import { metadataName, metadataValue, oneOrMore, strict } from './fields.ts'
import { requirement } from './gates.ts'
import { hashKey } from './hash-key.ts'
import { changes } from './metadata-changes.ts'
import { metadataConditions } from './metadata-condition.ts'
import { hedge, mirror, retry, times } from './policy.ts'

const authority = z.string().superRefine((pattern, context) => {
  const message = wrongAuthority(pattern, true)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

const service = z.string().superRefine((pattern, context) => {
  const message = wrongService(pattern)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

const method = z.string().regex(/^[A-Za-z_][\w-]*$/, {
  error: 'a method is a name without "/": SayHello',
})

const match = strict({
  authority: oneOrMore(authority).optional().meta({
    description:
      '`api.example.com` or `*.example.com`, in any [spelling](#what-a-route-matches); without a port every port matches',
  }),
  service: oneOrMore(service).optional().meta({
    description: '`pkg.Service`, or `pkg.*` for all that starts with `pkg.`; with `deny` in any case of letters',
  }),
  method: oneOrMore(method).optional().meta({ description: '`Method`, exactly; with `deny` in any case of letters' }),
  metadata: metadataConditions.optional().meta({
    description:
      'By name: a string (exactly that value), `{ value: text }`, `{ prefix: text }` or `{ present: true }`; all must hold; `list` (`all`, `any`, `whole`) in the second and third says how [several values](#what-a-route-matches) count',
    'x-type': 'map of conditions',
  }),
})

const weighted = strict({
  backend: z.string().meta({ description: 'Name of a backend' }),
  weight: z
    .number()
    .positive({
      error: 'must be more than 0; leave the backend out to send it nothing',
    })
    .max(1_000_000)
    .default(1)
    .meta({
      description: 'Its share of the calls, in proportion to the sum of the weights',
    }),
})

const DENIALS = STATUS_NAMES.filter(name => name !== 'OK') as Exclude<StatusName, 'OK'>[]

const addable = metadataName.superRefine((name, context) => {
  if (!isOfProtocol(name)) return
  context.addIssue({
    code: 'custom',
    message: `${name} belongs to the protocol, a route cannot add it`,
  })
})

const CHANGES = Object.keys(changes) as (keyof typeof changes)[]
const TIMES = Object.keys(times) as (keyof typeof times)[]

export const route = strict({
  match: match.prefault({}).meta({
    description: 'What a call must look like; all that is given must hold, and without it every call matches',
  }),
  backend: z.string().optional().meta({ description: 'Name of the backend that gets the calls' }),
  backends: z
    .array(weighted)
    .min(1)
    .optional()
    .meta({ description: 'Several backends that share the calls in proportion to their weights' }),
  hashKey: hashKey(
    'Calls with the same key go to the [same one](policy.md#weights) of `backends`; a call without it may go to any',
  ).optional(),
  deny: z.enum(DENIALS).optional().meta({
    description: 'End the calls with this status',
    'x-type': 'status name',
  }),
  message: z.string().max(1024).optional().meta({ description: 'The `grpc-message` that goes with `deny`' }),
  require: requirement.optional().meta({
    description: 'What the calls must pass, after what every call must: names of gates; `{ any: […] }`: one of them',
    'x-type': 'names',
  }),
  priority: z.enum(['critical', 'default', 'sheddable']).optional().meta({
    description:
      'Which calls [give way](fleet.md#which-calls-give-way) when many wait for the backend: sheddable ones first; whatever the client says',
    'x-type': '`critical`, `default` or `sheddable`',
  }),
  ...times,
  mirror: mirror.optional().meta({
    description: 'A second backend gets a [copy](policy.md#mirroring) of the calls, which slows nothing',
  }),
  faults: faults.optional().meta({
    description:
      '[Faults](edge.md#faults-on-purpose) for those who test clients, after what the calls must pass; only with `allowFaults`',
  }),
  retry: retry.optional().meta({
    description:
      'When a call is [tried again](policy.md#retries); without it only where the backend has not processed it',
  }),
  hedge: hedge.optional().meta({
    description: 'When a call is sent [once more](policy.md#hedging) before its backend has answered',
  }),
  rewriteAuthority: z
    .string()
    .superRefine((text, context) => {
      const message = wrongAuthority(text, false)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    })
    .optional()
    .meta({ description: 'Replaces `:authority` on the way to the backend' }),
  addMetadata: z
    .record(addable, z.union([metadataValue, z.array(metadataValue).min(1)]))
    .optional()
    .meta({
      description: 'Added to the request; a name that the client sent too is replaced',
      'x-type': 'map of strings or lists',
    }),
  ...changes,
}).superRefine((given, context) => {
  const actions = (['backend', 'backends', 'deny'] as const).filter(key => given[key] !== undefined)
  const refuse = (message: string, path: string[] = []) => context.addIssue({ code: 'custom', path, message })
  if (actions.length === 0) refuse('says nothing about where its calls go: give it backend, backends or deny')
  if (actions.length > 1) refuse(`has ${actions.join(' and ')}: a route has one of backend, backends and deny`)
  if (given.hashKey !== undefined && given.backends === undefined) {
    refuse('says which of several backends gets a call: it goes only with backends', ['hashKey'])
  }
  if (given.retry !== undefined && given.hedge !== undefined) refuse('goes not together with retry', ['hedge'])
  if (given.deny === undefined) {
    if (given.message !== undefined) refuse('goes only with deny', ['message'])
  } else {
    const unused = [
      ...(['require', 'faults', 'rewriteAuthority', 'addMetadata', 'priority', 'mirror', 'retry', 'hedge'] as const),
      ...CHANGES,
      ...TIMES,
    ] as const
    for (const key of unused) {
      if (given[key] !== undefined) refuse('has no effect with deny: the calls go nowhere', [key])
    }
  }
})

function wrongAuthority(pattern: string, wildcards: boolean): string | undefined {
  if (wildcards && pattern === '*') return 'to match every authority leave authority out'
  const host = wildcards && pattern.startsWith('*.') ? pattern.slice(2) : pattern
  if (host.includes('*')) return wildcards ? 'a * stands only at the start: *.example.com' : 'has no place for a *'
  if (/^unix:|\//i.test(host)) return 'is host or host:port, without a scheme or path'
  try {
    // The scheme gives a port where there is none, which an authority may leave out.
    parseEndpointAddress(`https://${host}`)
    return undefined
  } catch (error) {
    if (error instanceof AddressError) return `${JSON.stringify(pattern)} ${error.message}`
    throw error
  }
}

function wrongService(pattern: string): string | undefined {
  if (pattern === '*') return 'to match every service leave service out'
  if (pattern.includes('/')) return 'a service is a name without "/": pkg.Service; the method goes into method'
  const name = pattern.endsWith('.*') ? pattern.slice(0, -2) : pattern
  if (name.includes('*')) return 'a * stands only at the end, after a dot: pkg.*'
  if (!/^[\w-]+(\.[\w-]+)*$/.test(name)) return `${JSON.stringify(pattern)} is not the name of a service: pkg.Service`
  return undefined
}
