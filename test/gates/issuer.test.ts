/** Tokens of a real issuer through the proxy: the usual attacks on them, keys that rotate, an issuer that is gone. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { EncryptJWT, exportSPKI, importJWK, type JWK, type JWTPayload, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { claims } from '../../src/gates/claims.ts'
import { type JwtOptions, jwt } from '../../src/gates/jwt.ts'
import type { Gate } from '../../src/routing/gate.ts'
import { answer, arrived, field, type Rig, requestFields, rig } from '../contract/rig.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { AUDIENCE, CLIENT_ID, Issuer, OTHER_AUDIENCE, signingKey } from './issuer.ts'

const OK = '0'
const PERMISSION_DENIED = '7'
const UNAUTHENTICATED = '16'
/** A minute. */
const MAX_TRIES = 3_000
const FRAMES = { name: 'frames-frames', downstream: 'frames', upstream: 'frames' } as const

function optionsOf(issuer: Issuer, more: Partial<JwtOptions> = {}): JwtOptions {
  return { issuer: issuer.name, audience: AUDIENCE, jwks: { url: issuer.jwksUrl }, ...more }
}

async function gated(t: Test, ...gates: readonly Gate[]): Promise<Rig> {
  const scene = await rig(t, FRAMES, { proxy: { gates: [...gates] } })
  // It waits for requests until the backend is closed.
  answerAll(scene).catch(() => {})
  return scene
}

async function answerAll({ backend }: Rig): Promise<void> {
  for (;;) {
    const { connection, streamId } = await backend.request()
    connection.headers(streamId, [
      [':status', '200'],
      ['content-type', 'application/grpc'],
    ])
    connection.headers(streamId, [['grpc-status', OK]], { endStream: true })
  }
}

/** How a call with this token ends. */
async function statusOf({ client }: Rig, ...tokens: readonly string[]): Promise<string | undefined> {
  const bearing = tokens.map(token => ['authorization', `Bearer ${token}`] as const)
  const end = await client.ended(client.request(requestFields(bearing), { endStream: true }))
  return field(end.at(-1), 'grpc-status')
}

async function untilRefused(scene: Rig, token: string): Promise<void> {
  for (let tries = 0; (await statusOf(scene, token)) === OK; tries++) {
    if (tries === MAX_TRIES) throw new Error('the token passes still')
    await setTimeout(20)
  }
}

const part = (value: object | string) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const read = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>

async function signed(header: { alg: string } & Record<string, unknown>, payload: object, key: CryptoKey | Uint8Array) {
  return new SignJWT(payload as JWTPayload).setProtectedHeader(header).sign(key)
}

t.test('a token of a real issuer passes, and none of the usual attacks on it does', async t => {
  const key = await signingKey('one')
  const issuer = await Issuer.start(t, [key])
  // Its keys have the same names. One tells the truth about itself, and the other says that it is the first.
  const [stranger, liar] = [
    await Issuer.start(t, [await signingKey('one')]),
    await Issuer.start(t, [await signingKey('one')], issuer.name),
  ]
  // As tenants of one provider may have.
  const tenant = await Issuer.start(t, [key])
  const evil = http.createServer((_, response) => response.end('{"keys":[]}')).listen(0, '127.0.0.1')
  let fetched = 0
  evil.on('request', () => fetched++)
  await once(evil, 'listening')
  t.teardown(() => evil.close())
  const evilUrl = `http://127.0.0.1:${(evil.address() as AddressInfo).port}/jwks`
  const scene = await gated(t, jwt(optionsOf(issuer), new FakeClock()))

  const good = await issuer.accessToken()
  const [head, body, signature] = good.split('.') as [string, string, string]
  const [header, payload] = [read(head), read(body)]
  const root = part({ ...payload, sub: 'root', scope: 'read write admin' })
  const [publicKey] = (await issuer.keys()) as [JWK]
  const mine = await signingKey('one')
  const { d: _, ...minePublic } = mine
  const myKey = (await importJWK(mine, 'ES256')) as CryptoKey
  const theirs = (await importJWK(publicKey, 'ES256', { extractable: true })) as CryptoKey
  const secret = new TextEncoder()
  const as = (more: object) => ({ alg: 'ES256', kid: 'one', typ: 'at+jwt', ...more })
  const withHeader = (changed: object) => `${part({ ...header, ...changed })}.${root}.${signature}`
  const attacks: Record<string, string> = {
    'for another audience': await issuer.accessToken(OTHER_AUDIENCE),
    'an ID token, which is for the client': await issuer.idToken(),
    'an opaque token of the same issuer': await issuer.opaqueToken(),
    'of another issuer': await stranger.accessToken(),
    'of another issuer that has the same keys': await tenant.accessToken(),
    'of one that says it is this issuer': await liar.accessToken(),
    'the payload changed': `${head}.${root}.${signature}`,
    'the signature taken away': `${head}.${body}.`,
    'the signature and its dot taken away': `${head}.${body}`,
    'the signature of another token': `${head}.${body}.${(await issuer.accessToken()).split('.')[2]}`,
    'a signature of zeros (CVE-2022-21449)': `${head}.${root}.${Buffer.alloc(64).toString('base64url')}`,
    'a signature in the form of DER': `${head}.${body}.${part('0D\u0002 \u0001')}`,
    'algorithm none': `${part({ ...header, alg: 'none' })}.${root}.`,
    'algorithm nOnE, with a signature': withHeader({ alg: 'nOnE' }),
    'no algorithm': withHeader({ alg: undefined }),
    'another algorithm of public keys': withHeader({ alg: 'RS256' }),
    'a MAC with the public key as JSON': await signed(
      as({ alg: 'HS256' }),
      payload,
      secret.encode(JSON.stringify(publicKey)),
    ),
    'a MAC with the public key as PEM': await signed(
      as({ alg: 'HS256' }),
      payload,
      secret.encode(await exportSPKI(theirs)),
    ),
    'a MAC with nothing as its secret': `${part(as({ alg: 'HS256' }))}.${root}.${part('')}`,
    'its own key in the header': await signed(as({ jwk: minePublic }), payload, myKey),
    'its own key in the header, and no name of one': await signed({ alg: 'ES256', jwk: minePublic }, payload, myKey),
    'a place for keys in the header (jku)': await signed(as({ jku: evilUrl, kid: 'evil' }), payload, myKey),
    'a place for certificates in the header (x5u)': await signed(as({ x5u: evilUrl }), payload, myKey),
    'a name of a key that is a path': await signed(as({ kid: '../../../../dev/null' }), payload, myKey),
    'a name of a key that is a question to a database': await signed(
      as({ kid: "' UNION SELECT 'one' --" }),
      payload,
      myKey,
    ),
    'a name of a key that is of every object': await signed(as({ kid: '__proto__' }), payload, myKey),
    'no name of a key': await signed({ alg: 'ES256' }, payload, myKey),
    'an extension that must be understood': withHeader({ crit: ['exp'] }),
    'a payload that is not encoded': withHeader({ crit: ['b64'], b64: false }),
    'encrypted for the issuer, and signed by nobody': await new EncryptJWT(payload as JWTPayload)
      .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', kid: 'one' })
      .encrypt(await importJWK({ ...publicKey, alg: 'ECDH-ES', use: 'enc' }, 'ECDH-ES')),
    'in another token': await signed(as({ cty: 'JWT' }), { ...payload, jwt: good }, myKey),
    'with something behind it': `${good}.${signature}`,
    'with a space in it': `${head}. ${body}.${signature}`,
    'with a list behind it': `${good},${good}`,
    'in upper case': good.toUpperCase(),
    'the header twice': `${head}.${head}.${body}.${signature}`,
  }
  for (const [name, token] of Object.entries(attacks)) {
    // The second time something may be known of it.
    t.same([await statusOf(scene, token), await statusOf(scene, token)], [UNAUTHENTICATED, UNAUTHENTICATED], name)
  }
  t.equal(await statusOf(scene, good, good), UNAUTHENTICATED, 'twice, where a reader may take either')
  t.equal(await statusOf(scene), UNAUTHENTICATED, 'none')
  t.equal(await statusOf(scene, good), OK)
  t.equal(await statusOf(scene, attacks['the payload changed']!), UNAUTHENTICATED, 'also when the right one is known')
  t.equal(fetched, 0, 'nobody asked where a token said')
  t.equal(issuer.keysAsked, 2, 'the keys were asked for by the test and the gate, whatever tokens named')
})

t.test(
  'an API whose audience is the id of its client: ID tokens are for it too, unless it asks for access tokens',
  async t => {
    const issuer = await Issuer.start(t, [await signingKey('one')])
    const audience = [AUDIENCE, CLIENT_ID]
    const any = await gated(t, jwt(optionsOf(issuer, { audience })))
    t.equal(await statusOf(any, await issuer.idToken()), OK)
    const access = await gated(t, jwt(optionsOf(issuer, { audience, type: 'at+jwt' })))
    t.equal(await statusOf(access, await issuer.idToken()), UNAUTHENTICATED)
    t.equal(await statusOf(access, await issuer.accessToken()), OK)
  },
)

t.test('the backend learns who calls from the token, and not from the client', async t => {
  const issuer = await Issuer.start(t, [await signingKey('one')])
  const gate = jwt(optionsOf(issuer, { forward: false, claimsToMetadata: { 'x-user': 'sub', 'x-scope': 'scope' } }))
  const scene = await rig(t, FRAMES, { proxy: { gates: [gate, claims({ scope: 'write' })] } })
  const bearing = (token: string) =>
    requestFields([
      ['authorization', `Bearer ${token}`],
      ['x-user', 'root'],
      ['x-scope', 'admin'],
    ])
  const reader = scene.client.request(bearing(await issuer.accessToken()), { endStream: true })
  t.equal(field((await scene.client.ended(reader)).at(-1), 'grpc-status'), PERMISSION_DENIED)
  const id = scene.client.request(bearing(await issuer.accessToken(AUDIENCE, 'read write')), { endStream: true })
  const call = await arrived(scene, id)
  t.same(
    ['authorization', 'x-user', 'x-scope'].map(name => field(call.headers, name)),
    [undefined, 'ada', 'read write'],
  )
  answer(call)
})

t.test('the issuer rotates its keys in the middle of a storm of calls', async t => {
  const [one, two] = [await signingKey('one'), await signingKey('two')]
  const issuer = await Issuer.start(t, [one])
  const clock = new FakeClock()
  const scene = await gated(t, jwt(optionsOf(issuer), clock))
  const old = await Promise.all(Array.from({ length: 20 }, () => issuer.accessToken()))
  t.equal(await statusOf(scene, old[0]!), OK)
  issuer.rotate(two, one)
  const young = await Promise.all(Array.from({ length: 20 }, () => issuer.accessToken()))
  clock.advance(10_001)
  const storm = Array.from({ length: 200 }, (_, i) => statusOf(scene, (i % 2 ? old : young)[(i >> 1) % 20]!))
  t.ok(
    (await Promise.all(storm)).every(status => status === OK),
    'both keys are good, and no call is refused between them',
  )
  t.equal(issuer.keysAsked, 2)
  issuer.rotate(two)
  clock.advance(600_001)
  // One call has them fetched, and does not wait for it.
  await statusOf(scene, await issuer.accessToken())
  await untilRefused(scene, old[0]!)
  t.equal(await statusOf(scene, old[1]!), UNAUTHENTICATED, 'the old key was taken back')
  t.equal(await statusOf(scene, young[0]!), OK)
})

t.test('an issuer that is gone', async t => {
  const issuer = await Issuer.start(t, [await signingKey('one')])
  const clock = new FakeClock()
  const scene = await gated(t, jwt(optionsOf(issuer), clock))
  const [known, unknown, third] = [await issuer.accessToken(), await issuer.accessToken(), await issuer.accessToken()]
  t.equal(await statusOf(scene, known), OK)
  issuer.stop()
  t.equal(await statusOf(scene, unknown), OK, 'its keys hold')
  clock.advance(87_000_001)
  t.equal(await statusOf(scene, third), '14', 'and after a day nobody passes: UNAVAILABLE')
})

t.test('a token that ends passes no more, though it was known', async t => {
  const issuer = await Issuer.start(t, [await signingKey('one')])
  const scene = await gated(t, jwt(optionsOf(issuer, { clockToleranceMs: 0 })))
  const token = await issuer.shortToken()
  const { exp, iat } = read(token.split('.')[1]!) as { exp: number; iat: number }
  t.equal(exp - iat, 1)
  // It may have ended before the first call, on a machine that is slow.
  await untilRefused(scene, token)
  t.ok(Date.now() >= exp * 1_000)
  t.equal(await statusOf(scene, token), UNAUTHENTICATED)
})
