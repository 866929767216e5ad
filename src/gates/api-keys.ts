/** A gate by keys: who knows one may call. The proxy knows their digests only. */
import type { Gate } from '../routing/gate.ts'
import { FixedAdditions, onAnswer, refusal } from '../routing/gate.ts'
import { nodeCrypto } from '../transport/node-tls.ts'
import { credentialOf } from './credential.ts'

export interface ApiKey {
  /** Who has it. */
  readonly name: string
  /** SHA-256 of the key, in hex. A key is long and random, so a digest without salt tells nothing of it. */
  readonly sha256: string
}

export interface ApiKeysOptions {
  readonly keys: readonly ApiKey[]
  /** Where it stands in the metadata; `x-api-key`. */
  readonly header?: string | undefined
  /** Whether the backend gets it too. */
  readonly forward?: boolean | undefined
}

/** Longer than any key in use. */
const MAX_KEY_CHARACTERS = 512
const WRONG = refusal('unauthenticated', 'the key is none of those that are known')

/** @throws TypeError for a digest that is none */
export function apiKeys({ keys, header = 'x-api-key', forward = false }: ApiKeysOptions): Gate {
  const known = new Map<string, { name: string; digest: Buffer }>()
  for (const { name, sha256 } of keys) {
    if (!/^[0-9a-f]{64}$/i.test(sha256)) throw new TypeError(`the key of ${name}: sha256 is 64 hex digits`)
    known.set(sha256.toLowerCase(), { name, digest: Buffer.from(sha256, 'hex') })
  }
  const { createHash, timingSafeEqual } = nodeCrypto()
  const place = { header, scheme: '', maxCharacters: MAX_KEY_CHARACTERS }
  const added = new FixedAdditions({ removeMetadata: forward ? [] : [header] })
  return next => call => {
    const digest = createHash('sha256').update(credentialOf(call, place)).digest()
    // The look goes by the digest, of which a client that guesses keys cannot choose the first bits.
    const found = known.get(digest.toString('hex'))
    if (found === undefined || !timingSafeEqual(found.digest, digest)) throw WRONG
    call.notes.identity = { name: found.name, by: 'apiKeys' }
    return onAnswer(next(call), added.to)
  }
}
