/**
 * The public keys of an issuer (JWKS, RFC 7517), from a URL or given. From a URL they are fetched when they are first needed,
 * again when they are old, and when a token names a key that is not among them; seldom in any case, since clients choose
 * what their tokens name. While they cannot be had, the last ones are used for a while, and then nobody passes.
 */
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose'
import { refusal } from '../routing/gate.ts'
import { type Clock, systemClock } from '../transport/clock.ts'

export interface RemoteKeys {
  readonly url: string
  /** When they are fetched again. */
  readonly maxAgeMs?: number | undefined
  /** How long old ones are used while new ones cannot be had. */
  readonly maxStaleMs?: number | undefined
}

/** Issuers keep an old key for longer than this after they have a new one. */
const MAX_AGE_MS = 600_000
const MAX_STALE_MS = 86_400_000
/** Between two fetches, whatever tokens name. */
const COOLDOWN_MS = 10_000
const FETCH_TIMEOUT_MS = 5_000
/** The largest sets in use have some 20 keys, with certificates 3 KiB each. */
const MAX_BYTES = 262_144

/** The functions of jose, loaded at their first use. */
export type Jose = typeof import('jose')

export interface KeySet {
  /** @throws Refusal where there are no keys that may be used */
  get(): Promise<JWTVerifyGetKey>
  /** The keys are perhaps not the newest: a token names another. @returns whether there may be others now */
  refresh(): Promise<boolean>
}

/** Keys that do not change until the configuration does. */
export function givenKeys(jose: Jose, keys: JSONWebKeySet): KeySet {
  const found = jose.createLocalJWKSet(keys)
  return { get: async () => found, refresh: async () => false }
}

export class FetchedKeys implements KeySet {
  readonly #jose: Jose
  readonly #options: RemoteKeys
  readonly #onChanged: () => void
  readonly #clock: Clock
  readonly #fetch: typeof fetch
  #keys: JWTVerifyGetKey | undefined
  #text = ''
  #fetchedMs = 0
  #triedMs = -Infinity
  #problem = ''
  #fetching: Promise<void> | undefined
  /** How often they were fetched, and how often they could not be had. */
  fetched = 0
  failed = 0

  /** @param onChanged what the keys before have verified has to be verified again */
  constructor(
    jose: Jose,
    options: RemoteKeys,
    onChanged: () => void,
    clock: Clock = systemClock,
    fetchKeys: typeof fetch = fetch,
  ) {
    this.#jose = jose
    this.#options = options
    this.#onChanged = onChanged
    this.#clock = clock
    this.#fetch = fetchKeys
  }

  /** Undefined: there are none. */
  get ageMs(): number | undefined {
    return this.#keys && this.#clock.now() - this.#fetchedMs
  }

  async get(): Promise<JWTVerifyGetKey> {
    if (this.#keys === undefined || !this.stillHold()) await this.#fetchAgain()
    if (this.#keys !== undefined && this.stillHold()) return this.#keys
    throw refusal('gate-failed', `the keys of ${this.#options.url} cannot be had: ${this.#problem}`)
  }

  /**
   * Whether what they have verified holds. Old ones are fetched again in the background: calls do not wait for keys that
   * they mostly do not need.
   */
  stillHold(): boolean {
    const { maxAgeMs = MAX_AGE_MS, maxStaleMs = MAX_STALE_MS } = this.#options
    const ageMs = this.#clock.now() - this.#fetchedMs
    if (ageMs > maxAgeMs) void this.#fetchAgain()
    return ageMs <= maxAgeMs + maxStaleMs
  }

  async refresh(): Promise<boolean> {
    const before = this.#text
    await this.#fetchAgain()
    return this.#text !== before
  }

  /** Many calls that wait for it share one fetch. */
  #fetchAgain(): Promise<void> {
    if (this.#fetching !== undefined) return this.#fetching
    const now = this.#clock.now()
    if (now - this.#triedMs < COOLDOWN_MS) return Promise.resolve()
    this.#triedMs = now
    this.#fetching = this.#load()
      .catch((error: Error) => {
        this.failed++
        const { cause } = error as { cause?: Error }
        this.#problem = cause?.message ?? error.message
      })
      .finally(() => {
        this.#fetching = undefined
      })
    return this.#fetching
  }

  async #load(): Promise<void> {
    const response = await this.#fetch(this.#options.url, {
      headers: { accept: 'application/json' },
      // Who may redirect may choose the keys.
      redirect: 'error',
      signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    })
    if (response.status !== 200) throw new Error(`HTTP status ${response.status}`)
    const text = await textOf(response)
    const keys = this.#jose.createLocalJWKSet(JSON.parse(text) as JSONWebKeySet)
    this.#fetchedMs = this.#clock.now()
    this.fetched++
    if (text === this.#text) return
    this.#text = text
    this.#keys = keys
    this.#onChanged()
  }
}

async function textOf(response: Response): Promise<string> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of response.body ?? []) {
    bytes += piece.length
    if (bytes > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
