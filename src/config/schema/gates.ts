/** Who may call, and how often. */
import { z } from 'zod'
import type { Gate } from '../../routing/gate.ts'
import { codeOnly, isFunction, metadataName, strict } from './fields.ts'
import { networks } from './networks.ts'

const trustedProxies = networks('Proxies before this one, whose `x-forwarded-for` says who the client is')

const forward = (description: string) => z.boolean().optional().meta({ description })

const jwksUrl = z.string().superRefine((text, context) => {
  const url = URL.parse(text)
  const isLocal = url !== null && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLocal)) return
  context.addIssue({ code: 'custom', message: 'is an https:// URL: whoever can change the keys can sign tokens' })
})

const jwks = z.union([
  strict({
    url: jwksUrl.meta({ description: 'Where the issuer has them: its `jwks_uri`' }),
    maxAgeMs: z.int().min(10_000).max(86_400_000).optional().meta({
      description: 'When they are fetched again; default: 600000 (milliseconds)',
    }),
    maxStaleMs: z
      .int()
      .min(0)
      .max(2 ** 31 - 1)
      .optional()
      .meta({
        description: 'How long old ones are used while new ones cannot be had; default: 86400000 (milliseconds)',
      }),
  }),
  strict({ file: z.string().min(1).meta({ description: 'Path of a file with them' }) }),
])

const claimNames = z.record(metadataName, z.string().min(1))

const jwt = strict({
  issuer: z.string().min(1).meta({ description: 'Who gives the tokens: their `iss`' }),
  audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).meta({
    description: 'Whom they are for: their `aud` has one of these',
  }),
  type: z.string().min(1).max(100).optional().meta({
    description: 'What they are: `typ` of their header. `at+jwt` takes access tokens alone (RFC 9068); default: any',
  }),
  jwks: jwks.meta({
    description: "The issuer's public keys: `{ url }` where they are fetched, or `{ file }`",
    'x-type': '`{ url }` or `{ file }`',
  }),
  algorithms: z
    .array(z.string().regex(/^(?:RS|PS|ES)(?:256|384|512)$|^EdDSA$|^Ed25519$/, { error: 'is one with a public key' }))
    .min(1)
    .optional()
    .meta({ description: 'Which signatures are taken; default: all that have a public key' }),
  clockToleranceMs: z.int().min(0).max(300_000).optional().meta({
    description: "How far the issuer's clock may be from this one; default: 30000 (milliseconds)",
  }),
  header: metadataName.optional().meta({
    description: 'Where the token stands; default: `authorization`, with `Bearer` before it',
  }),
  forward: forward('Whether the backend gets the token too; default: true'),
  claimsToMetadata: claimNames.optional().meta({
    description: 'Claims that the backend gets, by the name of the metadata: `x-user: sub`',
    'x-type': 'map of strings',
  }),
})

const apiKey = strict({
  name: z.string().min(1).max(256).meta({ description: 'Who has it' }),
  sha256: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, { error: 'is 64 hex digits: printf %s KEY | sha256sum' })
    .meta({
      description: 'SHA-256 of the key, in hex',
    }),
})

const apiKeys = strict({
  keys: z.array(apiKey).min(1).meta({ description: 'The keys that may call' }),
  header: metadataName.optional().meta({ description: 'Where the key stands; default: `x-api-key`' }),
  forward: forward('Whether the backend gets the key too; default: false'),
})

const certificate = strict({
  names: z.array(z.string().min(1)).min(1).meta({
    description:
      'Names in the certificates of clients that may call: `spiffe://example.org/web`, `web.example.org`; a `*` stands for one part',
  }),
})

const networkGate = strict({
  allow: networks('Only these networks may call, as `10.0.0.0/8`'),
  deny: networks('These may not, whatever `allow` says'),
  trustedProxies,
})

const callKey = z.string().regex(/^(?:client|identity|authority|service|method|metadata:[0-9a-z_.-]+)$/, {
  error: 'is client, identity, authority, service, method or metadata:NAME',
})

const keys = (description: string) =>
  z
    .union([callKey, z.array(callKey).min(1).max(8)])
    .optional()
    .meta({ description, 'x-type': 'string or list' })

const rateLimit = strict({
  perSecond: z.number().positive().max(1_000_000_000).meta({ description: 'Calls a second' }),
  burst: z.number().min(1).max(1_000_000_000).optional().meta({
    description: 'Calls that may come at once; default: those of a second, at least 1',
  }),
  key: keys(
    'What has a rate of its own: `client` (an address), `identity`, `authority`, `service`, `method`, `metadata:NAME`, or several of them together; default: all calls have one',
  ),
  // 100,000 keys take some 20 MiB at most.
  maxKeys: z.int().min(100).max(10_000_000).optional().meta({
    description: 'Keys that are known at a time; of more the oldest are forgotten; default: 100000',
  }),
  trustedProxies,
})

const concurrency = strict({
  max: z.int().min(1).meta({ description: 'Most calls at a time' }),
  key: keys('What has a limit of its own, as with `rateLimit`; default: all calls have one'),
  retryAfterMs: z.int().min(1).max(3_600_000).optional().meta({
    description: 'How long those should wait who are refused, on average; default: 1000 (milliseconds)',
  }),
  trustedProxies,
})

const asked = {
  backend: z.string().min(1).meta({ description: 'The backend that is asked' }),
  timeoutMs: z.int().min(1).max(60_000).optional().meta({
    description: 'How long an answer may take; default: 200 (milliseconds)',
  }),
  failure: z.enum(['open', 'closed']).optional().meta({
    description:
      'What happens to a call where there is no answer, or a wrong one: `closed` refuses it, `open` lets it pass; default: `closed`',
  }),
  maxAsks: z.int().min(1).max(1_000_000).optional().meta({
    description: 'Questions at a time; for a call above that there is no answer; default: 1000',
  }),
  trustedProxies,
}

const names = (description: string) => z.array(metadataName).min(1).optional().meta({ description })

const authorization = strict({
  ...asked,
  headers: names('The metadata that the service is told; default: all'),
  vouchesFor: names('Metadata that the service adds: what clients send under these names never reaches the backend'),
  context: z.record(z.string().min(1), z.string()).optional().meta({
    description: 'Told to the service as `context_extensions`',
    'x-type': 'map of strings',
  }),
})

const descriptorValue = z
  .string()
  .regex(/^(?:client|identity|authority|service|method|metadata:[0-9a-z_.-]+|text:.+)$/, {
    error: 'is client, identity, authority, service, method, metadata:NAME or text:VALUE',
  })

const globalRateLimit = strict({
  ...asked,
  domain: z.string().min(1).meta({ description: 'Whose limits the service looks at' }),
  descriptors: z
    .array(z.record(z.string().min(1), descriptorValue))
    .min(1)
    .max(32)
    .meta({
      description:
        'What the service is told of a call: each is a list of keys with `client`, `identity`, `authority`, `service`, `method`, `metadata:NAME` or `text:VALUE`; one with a value that the call does not have is left out',
      'x-type': 'list of maps of strings',
    }),
})

const claims = z.record(z.string().min(1), z.union([z.string(), z.array(z.string()).min(1)]))

export const GATE_KINDS = [
  'jwt',
  'apiKeys',
  'certificate',
  'claims',
  'network',
  'rateLimit',
  'concurrency',
  'authorization',
  'globalRateLimit',
] as const

export const gate = strict({
  jwt: jwt.optional().meta({ description: 'Tokens of an OpenID Connect issuer' }),
  apiKeys: apiKeys.optional().meta({ description: 'Keys that clients send' }),
  certificate: certificate
    .optional()
    .meta({ description: "The client's certificate, where the listener asks for one" }),
  claims: claims.optional().meta({
    description: 'What a token has, by the name of the claim: one of these values; after a gate with `jwt`',
    'x-type': 'map of strings or lists',
  }),
  network: networkGate.optional().meta({ description: 'Networks that may call, or may not' }),
  rateLimit: rateLimit.optional().meta({ description: 'How often calls may come' }),
  concurrency: concurrency.optional().meta({ description: 'How many calls may be under way' }),
  authorization: authorization.optional().meta({
    description: 'What another service says of the call, by the protocol of Envoy (`envoy.service.auth.v3`)',
  }),
  globalRateLimit: globalRateLimit.optional().meta({
    description: 'A rate that several proxies keep together, by the protocol of Envoy (`envoy.service.ratelimit.v3`)',
  }),
}).superRefine((given, context) => {
  const kinds = GATE_KINDS.filter(kind => given[kind] !== undefined)
  if (kinds.length === 1) return
  const message =
    kinds.length === 0
      ? `says nothing: give it one of ${GATE_KINDS.join(', ')}`
      : `has ${kinds.join(' and ')}: a gate has one of them`
  context.addIssue({ code: 'custom', message })
})

export type GateConfig = z.output<typeof gate>

const ownGate = codeOnly<Gate>(isFunction, 'Gate', 'a function')
const named = z.union([z.string(), ownGate])
const allOfNamed = strict({ all: z.array(named).min(1).meta({ description: 'A call must pass all of these' }) })
const anyOfNamed = strict({
  any: z
    .array(z.union([named, allOfNamed]))
    .min(1)
    .meta({ description: 'A call must pass one of these' }),
})

/** A gate's name, or a list: all of them; `{ any: […] }` in it: one of those. */
export const requirement = z.union([named, z.array(z.union([named, anyOfNamed])).min(1), anyOfNamed, allOfNamed])

export type Requirement = z.output<typeof requirement>

export const gates = z
  .union([z.record(z.string().min(1), z.union([gate, ownGate])), z.array(ownGate)])
  .default({})
  .meta({
    description: 'Who may call, and how often: [gates](edge.md#gates), by names that `require` uses',
  })
