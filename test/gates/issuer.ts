/** A real OpenID Connect issuer, `oidc-provider`, on an address of this machine. It gives access tokens as RFC 9068 has them. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import Provider, { type Configuration, type KoaContextWithOIDC } from 'oidc-provider'
import type { Scope } from '../support/teardown.ts'

export const AUDIENCE = 'https://greeter.example'
export const OTHER_AUDIENCE = 'https://billing.example'
/** Tokens for this resource are for AUDIENCE, and end after a second. */
const SHORT = `${AUDIENCE}/short`
const VALID_S = 3_600
/** ID tokens are for it. */
export const CLIENT_ID = 'ada'
const CLIENT = { client_id: CLIENT_ID, client_secret: 'a-secret-of-some-length-for-the-client' }
const REDIRECT = 'https://client.example/callback'
const ALG = 'ES256'

/** The private half of a key, as an issuer is configured with it. */
export async function signingKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair(ALG, { extractable: true })
  return { ...(await exportJWK(privateKey)), kid, alg: ALG, use: 'sig' }
}

export class Issuer {
  /** Its name, `iss` of its tokens. */
  readonly name: string
  readonly #server: http.Server
  /** Where it listens. */
  readonly url: string
  #provider: Provider
  /** Requests for its keys. */
  keysAsked = 0

  private constructor(server: http.Server, name: string | undefined, keys: readonly JWK[]) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    this.name = name ?? this.url
    this.#provider = this.#with(keys)
  }

  /** @param name instead of its own: it lies */
  static async start(t: Scope, keys: readonly JWK[], name?: string): Promise<Issuer> {
    const server = http.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const issuer = new Issuer(server, name, keys)
    server.on('request', (request, response) => {
      if (request.url === '/jwks') issuer.keysAsked++
      void issuer.#provider.callback()(request, response)
    })
    t.teardown(() => issuer.stop())
    return issuer
  }

  get jwksUrl(): string {
    return `${this.url}/jwks`
  }

  /** Other keys from now on; it signs with the first. */
  rotate(...keys: readonly JWK[]): void {
    this.#provider = this.#with(keys)
  }

  #with(keys: readonly JWK[]): Provider {
    const configuration: Configuration = {
      jwks: { keys: [...keys] },
      cookies: { keys: ['not a secret'] },
      clients: [
        {
          ...CLIENT,
          grant_types: ['client_credentials', 'authorization_code'],
          redirect_uris: [REDIRECT],
          response_types: ['code'],
          id_token_signed_response_alg: ALG,
        },
      ],
      pkce: { required: () => false },
      ttl: {
        ...{ AccessToken: VALID_S, AuthorizationCode: VALID_S, Grant: VALID_S, IdToken: VALID_S },
        ClientCredentials: (_, token) => token.resourceServer?.accessTokenTTL ?? VALID_S,
      },
      findAccount: (_: KoaContextWithOIDC, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_: unknown, audience: string) => ({
            ...{ scope: 'read write', audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: ALG } } },
            ...(audience === SHORT && { audience: AUDIENCE, accessTokenTTL: 1 }),
          }),
        },
      },
    }
    return new Provider(this.name, configuration)
  }

  /** An access token by client credentials. */
  async accessToken(resource = AUDIENCE, scope = 'read'): Promise<string> {
    return (await this.#token({ grant_type: 'client_credentials', resource, scope })).access_token!
  }

  /** One that ends after a second. */
  shortToken(): Promise<string> {
    return this.accessToken(SHORT)
  }

  /** One that only the issuer can read: it is no JWT. */
  async opaqueToken(): Promise<string> {
    return (await this.#token({ grant_type: 'client_credentials' })).access_token!
  }

  /** What says to the client who has logged in, which is no token for an API. */
  async idToken(): Promise<string> {
    const provider = this.#provider
    const client = (await provider.Client.find(CLIENT.client_id))!
    const grant = new provider.Grant({ accountId: 'ada', clientId: CLIENT.client_id })
    grant.addOIDCScope('openid')
    const grantId = await grant.save()
    const code = new provider.AuthorizationCode({
      ...{ accountId: 'ada', client, grantId, scope: 'openid', redirectUri: REDIRECT, gty: 'authorization_code' },
    } as never)
    const form = { grant_type: 'authorization_code', code: await code.save(), redirect_uri: REDIRECT }
    const { id_token } = await this.#token(form)
    return id_token!
  }

  async #token(form: Record<string, string>): Promise<{ access_token?: string; id_token?: string }> {
    const { client_id, client_secret } = CLIENT
    const authorization = `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`
    const response = await fetch(`${this.url}/token`, {
      ...{ method: 'POST', headers: { authorization }, body: new URLSearchParams(form) },
    })
    const answer = (await response.json()) as { access_token?: string; id_token?: string; error?: string }
    if (!response.ok) throw new Error(`the issuer says ${JSON.stringify(answer)}`)
    return answer
  }

  /** Its public keys, as anybody can have them. */
  async keys(): Promise<JWK[]> {
    return ((await (await fetch(this.jwksUrl)).json()) as { keys: JWK[] }).keys
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}
