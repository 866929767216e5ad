/** Tokens: which are taken, the usual attacks on those that are not, and the issuer's keys. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { claims } from '../../src/gates/claims.ts'
import { type JwtOptions, jwt } from '../../src/gates/jwt.ts'
import type { Target } from '../../src/routing/director.ts'
import { allOf } from '../../src/routing/gate.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { until } from '../support/until.ts'
import { ask, call, TARGET } from './rig.ts'

const ISSUER = 'https://issuer.example'
const AUDIENCE = 'greeter'

interface Key {
  readonly kid: string
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
}

async function keyOf(kid: string, alg = 'ES256'): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { kid, alg, privateKey, publicKey }
}

async function jwksOf(...keys: readonly Key[]) {
  return {
    keys: await Promise.all(
      keys.map(async ({ kid, alg, publicKey }) => ({ ...(await exportJWK(publicKey)), kid, alg })),
    ),
  }
}

const CLAIMS = { iss: ISSUER, aud: AUDIENCE, sub: 'ada', exp: 3_600 }

/** @param payload `exp`, `nbf` and `iat` in seconds from now */
function sign({ kid, alg, privateKey }: Key, payload: JWTPayload = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1_000)
  const all: JWTPayload = { ...CLAIMS, ...payload }
  for (const name of ['exp', 'nbf', 'iat'] as const) if (typeof all[name] === 'number') all[name] = now + all[name]!
  for (const [name, value] of Object.entries(all)) if (value === undefined) delete all[name]
  return new SignJWT(all).setProtectedHeader({ alg, kid }).sign(privateKey)
}

const bearing = (...tokens: readonly string[]) =>
  call({ metadata: tokens.map(token => ['authorization', `Bearer ${token}`] as const) })

/** What a token says without being signed by anybody. */
function unsigned(header: object, payload: JWTPayload): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(payload)}.`
}

t.test('a valid token passes, and the caller is known', async t => {
  for (const alg of ['ES256', 'RS256', 'PS256', 'EdDSA']) {
    const key = await keyOf('a', alg)
    const gate = jwt({ issuer: ISSUER, audience: ['other', AUDIENCE], jwks: await jwksOf(key) })
    const info = bearing(await sign(key))
    t.equal(await ask(gate, info), TARGET, alg)
    t.match(info.notes.identity, { name: 'ada', by: 'jwt', claims: { aud: AUDIENCE } })
  }
})

t.test('a token that was verified costs no promise', async t => {
  const key = await keyOf('a')
  const director = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: await jwksOf(key) })(() => TARGET)
  const info = bearing(await sign(key))
  t.type(director(info), Promise)
  await director(info)
  t.equal(director(info), TARGET)
})

t.test('a token in spellings without end takes the place of no other', async t => {
  const key = await keyOf('a')
  const director = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: await jwksOf(key) })(() => TARGET)
  const token = await sign(key)
  const spaced = call({ metadata: [['authorization', `Bearer   ${token}`]] })
  for (let i = 0; i < 2; i++) {
    const answer = director(spaced)
    t.type(answer, Promise, 'it is verified each time')
    t.equal(await answer, TARGET)
  }
})

t.test('many calls with a token that is new are verified once, and none of them is refused', async t => {
  const key = await keyOf('a')
  const gate = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: await jwksOf(key) })
  const token = await sign(key)
  const calls = Array.from({ length: 1_000 }, () => bearing(token))
  const asked = await Promise.all(calls.map(info => ask(gate, info)))
  t.ok(asked.every(answer => answer === TARGET))
  t.equal(new Set(calls.map(({ notes }) => notes.identity)).size, 1, 'all of them have what one verification found')
  const bad = await Promise.all(calls.map(() => ask(gate, bearing(`${token}x`))))
  t.ok(bad.every(answer => /^unauthenticated/.test(String(answer))))
})

t.test('more new tokens at a time than are verified: the others are told to come again', async t => {
  const key = await keyOf('a')
  const gate = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: await jwksOf(key) })
  const tokens = await Promise.all(Array.from({ length: 300 }, (_, i) => sign(key, { sub: `${i}` })))
  const asked = await Promise.all(tokens.map(token => ask(gate, bearing(token))))
  t.equal(asked.filter(answer => answer === TARGET).length, 256)
  t.equal(asked.filter(answer => /^rate-limited: more than 256/.test(String(answer))).length, 44)
  t.equal(await ask(gate, bearing(tokens[299]!)), TARGET, 'later')
})

t.test('the usual attacks', async t => {
  const key = await keyOf('a')
  const rsa = await keyOf('r', 'RS256')
  const stranger = await keyOf('a')
  const good = await sign(key)
  const [header, payload, signature] = good.split('.') as [string, string, string]
  const now = Math.floor(Date.now() / 1_000)
  const plain = { ...CLAIMS, exp: now + 3_600 }
  // The public key as the secret of a MAC.
  const confused = await new SignJWT(plain)
    .setProtectedHeader({ alg: 'HS256', kid: 'r' })
    .sign(new TextEncoder().encode(await exportSPKI(rsa.publicKey)))
  const other = Buffer.from(JSON.stringify({ ...plain, sub: 'root' })).toString('base64url')
  const withKey = await new SignJWT(plain)
    .setProtectedHeader({ alg: 'ES256', jwk: await exportJWK(stranger.publicKey) })
    .sign(stranger.privateKey)
  const withUrl = await new SignJWT(plain)
    .setProtectedHeader({ alg: 'ES256', kid: 'a', jku: 'https://evil.example/jwks' })
    .sign(stranger.privateKey)
  const critical = await new SignJWT(plain)
    .setProtectedHeader({ alg: 'ES256', kid: 'a', crit: ['x'], x: 1 })
    .sign(key.privateKey, { crit: { x: true } })
  const attacks: Readonly<Record<string, string>> = {
    'algorithm none': unsigned({ alg: 'none' }, plain),
    'algorithm None': unsigned({ alg: 'None', kid: 'a' }, plain),
    'a public key as a shared secret': confused,
    'another payload under the signature': `${header}.${other}.${signature}`,
    'no signature': `${header}.${payload}.`,
    'a signature of zeros (CVE-2022-21449)': `${header}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
    'signed by a stranger': await sign(stranger),
    'its own key in the header': withKey,
    'a place for keys in the header': withUrl,
    'a key that nobody knows': await sign({ ...key, kid: 'b' }),
    'a kid that is a path': await sign({ ...key, kid: '../../dev/null' }),
    'a critical extension': critical,
    expired: await sign(key, { exp: -31 }),
    'not yet valid': await sign(key, { nbf: 60 }),
    'never expires': await sign(key, { exp: undefined } as never),
    'another issuer': await sign(key, { iss: 'https://issuer.example.evil' }),
    'no issuer': await sign(key, { iss: undefined } as never),
    'another audience': await sign(key, { aud: 'billing' }),
    'no audience': await sign(key, { aud: undefined } as never),
    'a list of audiences without this one': await sign(key, { aud: ['a', 'b'] }),
    nothing: '',
    'no token': 'a.b.c',
    'five parts': 'a.b.c.d.e',
    'a deep object': `${header}.${Buffer.from(`{"a":${'['.repeat(5_000)}`).toString('base64url')}.${signature}`,
  }
  const gate = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: await jwksOf(key, rsa) })
  for (const [name, token] of Object.entries(attacks)) {
    for (const info of [bearing(token), bearing(token)]) t.match(await ask(gate, info), /^unauthenticated: /, name)
  }
  t.equal(await ask(gate, bearing(good)), TARGET, 'and the right one passes after all of them')
})

t.test('where a token may stand', async t => {
  const key = await keyOf('a')
  const gate = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: await jwksOf(key) })
  const good = await sign(key)
  const at = (...values: readonly string[]) =>
    call({ metadata: values.map(value => ['authorization', value] as const) })
  t.equal(await ask(gate, at(`bearer ${good}`)), TARGET, 'the scheme in any case of letters')
  const refused = [
    [at(), /there is no credential/],
    [at(good), /another scheme/],
    [at(`Basic ${good}`), /another scheme/],
    [at(`Bearer ${good}`, `Bearer ${good}`), /more than one/],
    [at(`Bearer ${good}, Bearer ${good}`), /more than one/],
    [at(`Bearer ${'a'.repeat(65_536)}`), /longer/],
  ] as const
  for (const [info, why] of refused) t.match(await ask(gate, info), why)
  const own = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: await jwksOf(key), header: 'x-token' })
  t.equal(await ask(own, call({ metadata: [['x-token', good]] })), TARGET)
})

t.test('claims go to the backend, and nobody else can write under their names', async t => {
  const key = await keyOf('a')
  const options: JwtOptions = {
    ...{ issuer: ISSUER, audience: AUDIENCE, jwks: await jwksOf(key), forward: false },
    claimsToMetadata: { 'x-user': 'sub', 'x-roles': 'roles', 'x-name-bin': 'name', 'x-none': 'none' },
  }
  const gate = jwt(options)
  const token = await sign(key, { roles: ['a', 'b'], name: 'Ž' })
  t.same(await ask(gate, bearing(token)), {
    backend: 'main',
    metadata: { 'x-user': 'ada', 'x-roles': 'a,b', 'x-name-bin': 'xb0' },
    removeMetadata: ['x-user', 'x-roles', 'x-name-bin', 'x-none', 'authorization'],
  })
  t.match(await ask(gate, bearing(await sign(key, { sub: 'a\r\nb' }))), /^forbidden: a claim/)
})

t.test(
  'what a token adds to the target of a route is made once; what a director may change is looked at each time',
  async t => {
    const key = await keyOf('a')
    const gate = jwt({
      ...{ issuer: ISSUER, audience: AUDIENCE, jwks: await jwksOf(key) },
      claimsToMetadata: { 'x-user': 'sub' },
    })
    const route: Target = Object.freeze({ backend: 'main' })
    const other: Target = Object.freeze({ backend: 'other', metadata: Object.freeze({ 'x-a': '1' }) })
    const own = { backend: 'own', metadata: { 'x-a': '1' } }
    const [ada, bob] = [await sign(key), await sign(key, { sub: 'bob' })]
    const asked = async (token: string, target: Target) => (await ask(gate, bearing(token), () => target)) as Target
    const first = await asked(ada, route)
    t.same(first, { backend: 'main', metadata: { 'x-user': 'ada' }, removeMetadata: ['x-user'] })
    t.equal(await asked(ada, route), first)
    t.throws(
      () => Object.assign(first.metadata!, { 'x-user': 'root' }),
      TypeError,
      'nobody changes it for the calls behind',
    )
    t.same((await asked(bob, route)).metadata, { 'x-user': 'bob' })
    t.same((await asked(ada, other)).metadata, { 'x-a': '1', 'x-user': 'ada' })
    t.same((await asked(ada, route)).metadata, { 'x-user': 'ada' })
    t.same((await asked(ada, own)).metadata, { 'x-a': '1', 'x-user': 'ada' })
    own.metadata['x-a'] = '2'
    t.same((await asked(ada, own)).metadata, { 'x-a': '2', 'x-user': 'ada' })
  },
)

t.test('what a token is asked for', async t => {
  const key = await keyOf('a')
  const gate = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: await jwksOf(key) })
  const asked = allOf([gate, claims({ scope: ['read', 'admin'], level: '3' })])
  const rows = [
    [{ scope: 'write read', level: 3 }, TARGET],
    [{ scope: ['admin'], level: '3' }, TARGET],
    [{ scope: 'reader', level: 3 }, 'forbidden: the claim scope does not have what is asked for'],
    [{ scope: 'read' }, 'forbidden: the claim level does not have what is asked for'],
    [{ scope: { read: true }, level: 3 }, 'forbidden: the claim scope does not have what is asked for'],
  ] as const
  for (const [payload, expected] of rows) t.same(await ask(asked, bearing(await sign(key, payload as never))), expected)
  t.match(await ask(claims({ a: 'b' }), call()), /^unauthenticated: no gate before/)
  t.match(await ask(allOf([gate, claims({ toString: 'x' })]), bearing(await sign(key))), /^forbidden/)
})

/** An issuer whose answers a test chooses. */
class Issuer {
  asked = 0
  answer: (response: http.ServerResponse) => void = response => response.end('{"keys":[]}')
  url = ''

  async listen(t: Test): Promise<this> {
    const server = http.createServer((_, response) => {
      this.asked++
      this.answer(response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      server.close()
      server.closeAllConnections()
    })
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
    return this
  }

  gives(jwks: object): void {
    this.answer = response => response.end(JSON.stringify(jwks))
  }
}

async function fetching(t: Test) {
  const issuer = await new Issuer().listen(t)
  const clock = new FakeClock()
  const gate = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: { url: issuer.url } }, clock)
  return { issuer, clock, gate }
}

t.test('keys are fetched once for many calls, and a new key when a token names it', async t => {
  const { issuer, clock, gate } = await fetching(t)
  const [one, other] = [await keyOf('one'), await keyOf('other')]
  issuer.gives(await jwksOf(one))
  const storm = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => ask(gate, bearing(await sign(one, { sub: `${i}` })))),
  )
  t.ok(storm.every(result => result === TARGET))
  t.equal(issuer.asked, 1)
  issuer.gives(await jwksOf(one, other))
  clock.advance(10_001)
  const both = await Promise.all([one, other, one, other].map(async key => ask(gate, bearing(await sign(key)))))
  t.ok(
    both.every(result => result === TARGET),
    'keys rotate in the middle of calls',
  )
  t.equal(issuer.asked, 2)
})

t.test('tokens that name keys which nobody knows do not make a storm at the issuer', async t => {
  const { issuer, clock, gate } = await fetching(t)
  const key = await keyOf('a')
  issuer.gives(await jwksOf(key))
  for (let i = 0; i < 30; i++)
    t.match(await ask(gate, bearing(await sign({ ...key, kid: `${i}` }))), /^unauthenticated/)
  t.equal(issuer.asked, 1)
  clock.advance(10_001)
  for (let i = 0; i < 30; i++) await ask(gate, bearing(await sign({ ...key, kid: `${i}` })))
  t.equal(issuer.asked, 2)
})

t.test('a key that is withdrawn: tokens that it had verified are refused', async t => {
  const { issuer, clock, gate } = await fetching(t)
  const [one, other] = [await keyOf('one'), await keyOf('other')]
  issuer.gives(await jwksOf(one))
  const token = await sign(one)
  t.equal(await ask(gate, bearing(token)), TARGET)
  issuer.gives(await jwksOf(other))
  clock.advance(600_001)
  t.equal(await ask(gate, bearing(await sign(one, { sub: 'b' }))), TARGET, 'calls do not wait for keys that are old')
  t.equal(await ask(gate, bearing(await sign(other))), TARGET)
  t.match(await ask(gate, bearing(token)), /^unauthenticated/)
})

t.test('keys grow old where all tokens are known, too: they are fetched again, and end', async t => {
  const { issuer, clock, gate } = await fetching(t)
  const [one, other] = [await keyOf('one'), await keyOf('other')]
  issuer.gives(await jwksOf(one))
  const token = await sign(one)
  t.equal(await ask(gate, bearing(token)), TARGET)
  issuer.gives(await jwksOf(other))
  clock.advance(600_001)
  let answer: unknown
  const looked = () => {
    void ask(gate, bearing(token)).then(now => {
      answer = now
    })
    return answer !== undefined && answer !== TARGET
  }
  await until('a token of the key that was withdrawn is refused', looked)
  t.match(answer, /^unauthenticated/)
  t.equal(issuer.asked, 2)
  const short = jwt(
    { issuer: ISSUER, audience: AUDIENCE, jwks: { url: issuer.url, maxAgeMs: 60_000, maxStaleMs: 60_000 } },
    clock,
  )
  const valid = await sign(other)
  t.equal(await ask(short, bearing(valid)), TARGET)
  issuer.answer = response => response.writeHead(503).end()
  clock.advance(119_999)
  t.equal(await ask(short, bearing(valid)), TARGET)
  clock.advance(2)
  t.match(await ask(short, bearing(valid)), /^gate-failed/, 'nobody passes, known or not')
})

t.test('an issuer that is gone: the last keys for a day, then nobody passes', async t => {
  const { issuer, clock, gate } = await fetching(t)
  const key = await keyOf('a')
  issuer.gives(await jwksOf(key))
  t.equal(await ask(gate, bearing(await sign(key))), TARGET)
  issuer.answer = response => response.writeHead(503).end()
  clock.advance(80_000_000)
  t.equal(await ask(gate, bearing(await sign(key, { sub: 'b' }))), TARGET)
  clock.advance(8_000_000)
  t.equal(
    await ask(gate, bearing(await sign(key, { sub: 'c' }))),
    `gate-failed: the keys of ${issuer.url} cannot be had: HTTP status 503`,
  )
  issuer.gives(await jwksOf(key))
  clock.advance(10_001)
  t.equal(await ask(gate, bearing(await sign(key, { sub: 'c' }))), TARGET, 'it comes back')
})

t.test('wrong answers of an issuer', async t => {
  const wrong: readonly [string, (response: http.ServerResponse) => void, RegExp][] = [
    ['no JSON', response => response.end('<html>'), /cannot be had: Unexpected token/],
    ['no keys', response => response.end('{}'), /cannot be had: JSON Web Key Set malformed/],
    ['too large', response => response.end(`{"keys":[],"x":"${'x'.repeat(300_000)}"}`), /more than 262144 bytes/],
    [
      'elsewhere',
      response => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      /cannot be had: unexpected redirect/,
    ],
    ['gone', response => response.destroy(), /cannot be had: other side closed/],
  ]
  const key = await keyOf('a')
  for (const [name, answer, why] of wrong) {
    const { issuer, gate } = await fetching(t)
    issuer.answer = answer
    t.match(await ask(gate, bearing(await sign(key))), why, name)
  }
})
