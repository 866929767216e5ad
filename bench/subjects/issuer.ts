/** An issuer of tokens, for subjects with a gate by JWT and for the calls that they take. Its keys are made for each world. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

export interface Issued {
  readonly issuer: string
  readonly audience: string
  /** A file with the public keys. */
  readonly jwks: string
  /** One for each user, signed by RS256, which most issuers use; as long as theirs are: about 900 bytes. */
  readonly tokens: readonly string[]
}

const ISSUER = 'https://login.bench.example'
const AUDIENCE = 'verbatim.bench'
const USERS = 10
const VALID = '1d'
const KEY_ID = 'bench'

export async function issueTokens(folder: string): Promise<Issued> {
  const { privateKey, publicKey } = await generateKeyPair('RS256')
  const jwks = join(folder, 'jwks.json')
  const keys = [{ ...(await exportJWK(publicKey)), kid: KEY_ID, alg: 'RS256', use: 'sig' }]
  writeFileSync(jwks, JSON.stringify({ keys }))
  const token = (user: number): Promise<string> =>
    new SignJWT(claimsOf(user))
      .setProtectedHeader({ alg: 'RS256', kid: KEY_ID, typ: 'at+jwt' })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject(`8f14e45f-ceea-467f-a0c6-${String(user).padStart(12, '0')}`)
      .setIssuedAt()
      .setExpirationTime(VALID)
      .sign(privateKey)
  const tokens = await Promise.all(Array.from({ length: USERS }, (_, user) => token(user)))
  return { issuer: ISSUER, audience: AUDIENCE, jwks, tokens }
}

function claimsOf(user: number): Record<string, unknown> {
  return {
    email: `user-${user}@bench.example`,
    name: `User of the bench, number ${user}`,
    scope: 'openid profile email orders.read orders.write',
    roles: ['reader', 'writer'],
    client_id: 'bench-client',
    tenant: '1679091c-5a88-4faf-afb5-e6087eb1b2dc',
  }
}
