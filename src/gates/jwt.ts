/**
 * A gate by JSON Web Tokens (RFC 7519), as OpenID Connect issuers give them. A token that was verified is known until it
 * expires: a call with it costs one look, and no promise.
 */
import type { JSONWebKeySet, JWTPayload } from 'jose'
import type { CallerIdentity, CallInfo, Director } from '../routing/director.ts'
import { FixedAdditions, type Gate, type KeyFetches, onAnswer, Refusal, refusal, vouching } from '../routing/gate.ts'
import type { Clock } from '../transport/clock.ts'
import { loopClock } from '../transport/turn.ts'
import { type CredentialPlace, credentialValue, secretOf } from './credential.ts'
import { FetchedKeys, givenKeys, type Jose, type KeySet, type RemoteKeys } from './jwks.ts'
import { Kept } from './kept.ts'

export interface JwtOptions {
  /** `iss` of the tokens. */
  readonly issuer: string
  /** Tokens must be for one of these (`aud`). */
  readonly audience: string | readonly string[]
  /** The issuer's keys: where to fetch them, or the keys. */
  readonly jwks: RemoteKeys | JSONWebKeySet
  /**
   * `typ` in the header of the tokens. `at+jwt` (RFC 9068 §4) takes access tokens alone: without it an ID token passes where
   * `audience` is the id of a client. By default any.
   */
  readonly type?: string | undefined
  /** By default all that have a public key: `RS256`, `ES256`, `EdDSA`, … */
  readonly algorithms?: readonly string[] | undefined
  /** How far the issuer's clock may be from this one. */
  readonly clockToleranceMs?: number | undefined
  /** Where the token stands: `authorization`, with `Bearer` before it; in another place with nothing before it. */
  readonly header?: string | undefined
  /** Whether the backend gets the token too; it does by default. */
  readonly forward?: boolean | undefined
  /** Claims that the backend gets, as metadata: `x-user: sub`. What a client sends under these names is removed. */
  readonly claimsToMetadata?: Readonly<Record<string, string>> | undefined
}

/** None with a shared secret, for which a public key can be mistaken; and never `none`. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
const MAX_TOKEN_CHARACTERS = 16_384
/** Verified tokens that are known at a time. */
const MAX_TOKENS = 10_000
/** To verify costs about 0.3 ms of the loop's threads: more at a time would only wait longer. */
const MAX_VERIFYING = 256
/** Longer ones are verified again: what is known of tokens has a bound in bytes. */
const MAX_KNOWN_CHARACTERS = 4_096
/** So that the clock may be set meanwhile. */
const MAX_KNOWN_MS = 3_600_000
const CLOCK_TOLERANCE_MS = 30_000

interface Verified {
  readonly claims: JWTPayload
  /** The same object for all calls with the token. */
  readonly identity: CallerIdentity
  /** By the clock that does not jump. */
  readonly untilMs: number
  /** What a backend is told of it; made at the first call. */
  added?: FixedAdditions
}

interface Signed {
  readonly claims: JWTPayload
  /** Of the keys, whose number it is. */
  readonly keySet: number
}

const BUSY = refusal('rate-limited', `more than ${MAX_VERIFYING} tokens are being verified`, 1_000)

export function jwt(options: JwtOptions, clock: Clock = loopClock): Gate {
  const gate = new JwtGate(options, clock)
  const vouched = vouching(next => call => gate.ask(call, next), Object.keys(options.claimsToMetadata ?? {}))
  return 'url' in options.jwks ? Object.assign(vouched, { fetches: [gate] }) : vouched
}

class JwtGate implements KeyFetches {
  readonly #options: JwtOptions
  readonly #place: CredentialPlace
  readonly #clock: Clock
  /** By the value of the metadata, as it came. */
  readonly #known = new Kept<Verified>(MAX_TOKENS)
  /** In the same way, those that are being verified. Calls that come meanwhile wait for the same. */
  readonly #verifying = new Map<string, Promise<Verified>>()
  readonly #names: readonly string[]
  #keys: Promise<{ jose: Jose; keys: KeySet }> | undefined
  #keySets = 0
  #fetchedKeys: FetchedKeys | undefined

  constructor(options: JwtOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
    const { header = 'authorization', forward = true, claimsToMetadata = {} } = options
    const scheme = header === 'authorization' ? 'Bearer' : ''
    this.#place = { header, scheme, maxCharacters: MAX_TOKEN_CHARACTERS }
    this.#names = [...Object.keys(claimsToMetadata), ...(forward ? [] : [header])]
  }

  get issuer(): string {
    return this.#options.issuer
  }

  get fetched(): number {
    return this.#fetchedKeys?.fetched ?? 0
  }

  get failed(): number {
    return this.#fetchedKeys?.failed ?? 0
  }

  get ageMs(): number | undefined {
    return this.#fetchedKeys?.ageMs
  }

  ask(call: CallInfo, next: Director): ReturnType<Director> {
    const value = credentialValue(call, this.#place)
    const known = value.length <= MAX_KNOWN_CHARACTERS ? this.#known.get(value) : undefined
    if (known !== undefined && this.#holds(known)) return this.#pass(call, known, next)
    const token = secretOf(value, this.#place)
    const verifying = this.#verifying.get(value) ?? this.#begin(value, token)
    return verifying.then(verified => this.#pass(call, verified, next))
  }

  /** Where all tokens are known, nothing else looks how old the keys are. */
  #holds({ untilMs }: Verified): boolean {
    return this.#clock.now() < untilMs && this.#fetchedKeys?.stillHold() !== false
  }

  #pass(call: CallInfo, verified: Verified, next: Director): ReturnType<Director> {
    call.notes.identity = verified.identity
    if (this.#names.length === 0) return next(call)
    verified.added ??= this.#additions(verified.claims)
    return onAnswer(next(call), verified.added.to)
  }

  /** @throws Refusal for a claim that cannot be told */
  #additions(claims: JWTPayload): FixedAdditions {
    const metadata = metadataOf(claims, this.#options.claimsToMetadata ?? {})
    return new FixedAdditions({ metadata, removeMetadata: this.#names })
  }

  #begin(value: string, token: string): Promise<Verified> {
    if (this.#verifying.size >= MAX_VERIFYING) throw BUSY
    const verifying = this.#verified(value, token).finally(() => this.#verifying.delete(value))
    this.#verifying.set(value, verifying)
    return verifying
  }

  async #verified(value: string, token: string): Promise<Verified> {
    const { jose, keys } = await this.#load()
    const { claims, keySet } = await this.#verify(token, jose, keys)
    const identity: CallerIdentity = Object.freeze({ name: claims.sub ?? '', by: 'jwt', claims })
    const verified: Verified = { claims, identity, untilMs: this.#untilMs(claims) }
    // Of other keys it is not known what they say of it.
    if (this.#mayBeKnown(value, token) && keySet === this.#keySets) this.#known.set(value, verified)
    return verified
  }

  /** With more spaces than it needs, one token would be known in as many spellings, in the place of those of others. */
  #mayBeKnown(value: string, token: string): boolean {
    const { scheme } = this.#place
    const plainLength = token.length + (scheme === '' ? 0 : scheme.length + 1)
    return value.length === plainLength && value.length <= MAX_KNOWN_CHARACTERS
  }

  #untilMs({ exp = 0 }: JWTPayload): number {
    const leftMs = exp * 1_000 + this.#toleranceMs - Date.now()
    return this.#clock.now() + Math.min(leftMs, MAX_KNOWN_MS)
  }

  get #toleranceMs(): number {
    return this.#options.clockToleranceMs ?? CLOCK_TOLERANCE_MS
  }

  async #verify(token: string, jose: Jose, keys: KeySet, again = false): Promise<Signed> {
    const { issuer, audience, type, algorithms = ALGORITHMS } = this.#options
    try {
      const key = await keys.get()
      const keySet = this.#keySets
      const { payload } = await jose.jwtVerify(token, key, {
        issuer,
        audience: [audience].flat(),
        algorithms: [...algorithms],
        ...(type !== undefined && { typ: type }),
        clockTolerance: this.#toleranceMs / 1_000,
        // One that never ends cannot be taken back.
        requiredClaims: ['exp'],
      })
      return { claims: payload, keySet }
    } catch (error) {
      if (error instanceof Refusal) throw error
      const isNewKey = error instanceof jose.errors.JWKSNoMatchingKey
      if (isNewKey && !again && (await keys.refresh())) return this.#verify(token, jose, keys, true)
      throw refusal('unauthenticated', `the token is not valid: ${(error as Error).message}`)
    }
  }

  #load(): Promise<{ jose: Jose; keys: KeySet }> {
    this.#keys ??= import('jose').then(jose => {
      const { jwks } = this.#options
      const onChanged = () => {
        this.#keySets++
        this.#known.clear()
      }
      if (!('url' in jwks)) return { jose, keys: givenKeys(jose, jwks as JSONWebKeySet) }
      this.#fetchedKeys = new FetchedKeys(jose, jwks as RemoteKeys, onChanged, this.#clock)
      return { jose, keys: this.#fetchedKeys }
    })
    return this.#keys
  }
}

const UNSENDABLE = refusal('forbidden', 'a claim that the backend should get is no text that metadata can carry')

function metadataOf(claims: JWTPayload, names: Readonly<Record<string, string>>): Record<string, string> {
  const metadata: Record<string, string> = {}
  for (const [name, claim] of Object.entries(names)) {
    const value = claims[claim]
    if (value === undefined || value === null) continue
    const text = Array.isArray(value) ? value.map(String).join(',') : String(value)
    if (name.endsWith('-bin')) metadata[name] = Buffer.from(text, 'utf8').toString('base64').replace(/=+$/, '')
    else if (/^[!-~](?:[ -~]*[!-~])?$/.test(text)) metadata[name] = text
    else throw UNSENDABLE
  }
  return metadata
}
