/** Who may call, and how often. */
import type { Gate } from '../../routing/gate.ts'

/** A gate has one of these. */
export interface GateOptions {
  /** Tokens of an OpenID Connect issuer. */
  readonly jwt?: JwtGateOptions
  /** Keys that clients send. */
  readonly apiKeys?: ApiKeysGateOptions
  /** The client's certificate, where the listener asks for one. */
  readonly certificate?: CertificateGateOptions
  /** What a token has, by the name of the claim: one of these values; after a gate with `jwt`. */
  readonly claims?: Readonly<Record<string, string | readonly string[]>>
  /** Networks that may call, or may not. */
  readonly network?: NetworkGateOptions
  /** How often calls may come. */
  readonly rateLimit?: RateLimitGateOptions
  /** How many calls may be under way. */
  readonly concurrency?: ConcurrencyGateOptions
  /** What another service says of the call, by the protocol of Envoy (`envoy.service.auth.v3`). */
  readonly authorization?: AuthorizationGateOptions
  /** A rate that several proxies keep together, by the protocol of Envoy (`envoy.service.ratelimit.v3`). */
  readonly globalRateLimit?: GlobalRateLimitGateOptions
}

/** Tokens of an issuer. */
export interface JwtGateOptions {
  /** Who gives the tokens: their `iss`. */
  readonly issuer: string
  /** Whom they are for: their `aud` has one of these. */
  readonly audience: string | readonly string[]
  /** What they are: `typ` of their header. `at+jwt` takes access tokens alone (RFC 9068); default: any. */
  readonly type?: string
  /** The issuer's public keys: `{ url }` where they are fetched, or `{ file }`. */
  readonly jwks: FetchedKeysOptions | KeysFileOptions
  /** Which signatures are taken; default: all that have a public key. */
  readonly algorithms?: readonly string[]
  /** How far the issuer's clock may be from this one; default: 30000 (milliseconds). */
  readonly clockToleranceMs?: number
  /** Where the token stands; default: `authorization`, with `Bearer` before it. */
  readonly header?: string
  /** Whether the backend gets the token too; default: true. */
  readonly forward?: boolean
  /** Claims that the backend gets, by the name of the metadata: `x-user: sub`. */
  readonly claimsToMetadata?: Readonly<Record<string, string>>
}

/** Keys that are fetched. */
export interface FetchedKeysOptions {
  /** Where the issuer has them: its `jwks_uri`. */
  readonly url: string
  /** When they are fetched again; default: 600000 (milliseconds). */
  readonly maxAgeMs?: number
  /** How long old ones are used while new ones cannot be had; default: 86400000 (milliseconds). */
  readonly maxStaleMs?: number
}

/** Keys in a file. */
export interface KeysFileOptions {
  /** Path of a file with them. */
  readonly file: string
}

/** Keys that clients send. */
export interface ApiKeysGateOptions {
  /** The keys that may call. */
  readonly keys: readonly ApiKeyOptions[]
  /** Where the key stands; default: `x-api-key`. */
  readonly header?: string
  /** Whether the backend gets the key too; default: false. */
  readonly forward?: boolean
}

/** One of them. */
export interface ApiKeyOptions {
  /** Who has it. */
  readonly name: string
  /** SHA-256 of the key, in hex. */
  readonly sha256: string
}

/** Certificates of clients. */
export interface CertificateGateOptions {
  /**
   * Names in the certificates of clients that may call: `spiffe://example.org/web`, `web.example.org`; a `*` stands for
   * one part.
   */
  readonly names: readonly string[]
}

/** Networks of clients. */
export interface NetworkGateOptions {
  /** Only these networks may call, as `10.0.0.0/8`. */
  readonly allow?: readonly string[]
  /** These may not, whatever `allow` says. */
  readonly deny?: readonly string[]
  /** Proxies before this one, whose `x-forwarded-for` says who the client is. */
  readonly trustedProxies?: readonly string[]
}

/** How often calls may come. */
export interface RateLimitGateOptions {
  /** Calls a second. */
  readonly perSecond: number
  /** Calls that may come at once; default: those of a second, at least 1. */
  readonly burst?: number
  /**
   * What has a rate of its own: `client` (an address), `identity`, `authority`, `service`, `method`, `metadata:NAME`,
   * or several of them together; default: all calls have one.
   */
  readonly key?: string | readonly string[]
  /** Keys that are known at a time; of more the oldest are forgotten; default: 100000. */
  readonly maxKeys?: number
  /** Proxies before this one, whose `x-forwarded-for` says who the client is. */
  readonly trustedProxies?: readonly string[]
}

/** How many calls may be under way. */
export interface ConcurrencyGateOptions {
  /** Most calls at a time. */
  readonly max: number
  /** What has a limit of its own, as with `rateLimit`; default: all calls have one. */
  readonly key?: string | readonly string[]
  /** How long those should wait who are refused, on average; default: 1000 (milliseconds). */
  readonly retryAfterMs?: number
  /** Proxies before this one, whose `x-forwarded-for` says who the client is. */
  readonly trustedProxies?: readonly string[]
}

/** What another service says of the call. */
export interface AuthorizationGateOptions {
  /** The backend that is asked. */
  readonly backend: string
  /** How long an answer may take; default: 200 (milliseconds). */
  readonly timeoutMs?: number
  /**
   * What happens to a call where there is no answer, or a wrong one: `closed` refuses it, `open` lets it pass; default:
   * `closed`.
   */
  readonly failure?: 'open' | 'closed'
  /** Questions at a time; for a call above that there is no answer; default: 1000. */
  readonly maxAsks?: number
  /** Proxies before this one, whose `x-forwarded-for` says who the client is. */
  readonly trustedProxies?: readonly string[]
  /** The metadata that the service is told; default: all. */
  readonly headers?: readonly string[]
  /** Metadata that the service adds: what clients send under these names never reaches the backend. */
  readonly vouchesFor?: readonly string[]
  /** Told to the service as `context_extensions`. */
  readonly context?: Readonly<Record<string, string>>
}

/** A rate that several proxies keep together. */
export interface GlobalRateLimitGateOptions {
  /** The backend that is asked. */
  readonly backend: string
  /** How long an answer may take; default: 200 (milliseconds). */
  readonly timeoutMs?: number
  /**
   * What happens to a call where there is no answer, or a wrong one: `closed` refuses it, `open` lets it pass; default:
   * `closed`.
   */
  readonly failure?: 'open' | 'closed'
  /** Questions at a time; for a call above that there is no answer; default: 1000. */
  readonly maxAsks?: number
  /** Proxies before this one, whose `x-forwarded-for` says who the client is. */
  readonly trustedProxies?: readonly string[]
  /** Whose limits the service looks at. */
  readonly domain: string
  /**
   * What the service is told of a call: each is a list of keys with `client`, `identity`, `authority`, `service`,
   * `method`, `metadata:NAME` or `text:VALUE`; one with a value that the call does not have is left out.
   */
  readonly descriptors: readonly Readonly<Record<string, string>>[]
}

/** Gates of these names, or in code gates: a list means all of them. */
export type RequirementOptions = GateName | readonly (GateName | AnyOfGates)[] | AnyOfGates | AllOfGates

/** The name of a gate in `gates`; in code also a gate. */
export type GateName = string | Gate

/** One of several. */
export interface AnyOfGates {
  /** A call must pass one of these. */
  readonly any: readonly (GateName | AllOfGates)[]
}

/** All of several. */
export interface AllOfGates {
  /** A call must pass all of these. */
  readonly all: readonly GateName[]
}
