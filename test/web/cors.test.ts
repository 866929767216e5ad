/** Which pages may call, and what their browsers are told. */
import t from 'tap'
import { Cors, exposing, isPreflight, type WebRules } from '../../src/web/cors.ts'
import { block } from '../support/fake-transport.ts'

const DEFAULTS: WebRules = { origins: [], credentials: false, maxAgeMs: 7_200_000 }
const cors = (rules: Partial<WebRules> = {}) => new Cors({ ...DEFAULTS, ...rules })
const AUTHORITY = 'api.example.com'

function pairs(fields: readonly { name: string; value: string }[] | undefined): string[] | undefined {
  return fields?.map(({ name, value }) => `${name}: ${value}`)
}

t.test('which origins may call', async t => {
  const cases: [origins: string[], origin: string, allowed: boolean][] = [
    [[], 'https://app.example.com', false],
    [['https://app.example.com'], 'https://app.example.com', true],
    [['https://app.example.com'], 'http://app.example.com', false],
    [['https://app.example.com'], 'https://app.example.com:8443', false],
    [['https://app.example.com'], 'https://app.example.com.evil.test', false],
    [['https://*.example.com'], 'https://app.example.com', true],
    [['https://*.example.com'], 'https://a.b.example.com', true],
    [['https://*.example.com'], 'https://example.com', false],
    [['https://*.example.com'], 'https://evilexample.com', false],
    [['https://*.example.com'], 'https://app.example.com.evil.test', false],
    [['https://*.example.com'], 'https://app-example.com', false],
    [['https://*.example.com'], 'https://evil.test/.example.com', false],
    [['http://localhost:*'], 'http://localhost:5173', true],
    [['http://localhost:*'], 'http://localhost', true],
    [['http://localhost:*'], 'http://localhost:x', false],
    [['http://localhost:*'], 'http://localhost.evil.test:1', false],
    [['http://[::1]:*'], 'http://[::1]:3000', true],
    [['https://app.example.com'], 'null', false],
    [['https://*.example.com:*'], 'https://a.example.com:8443', true],
    [['app+x://*.example.com'], 'app+x://a.example.com', true],
    [['app+x://*.example.com'], 'appx://a.example.com', false],
    [['*'], 'null', true],
    [['*'], 'https://anybody.test', true],
  ]
  for (const [origins, origin, allowed] of cases) {
    t.equal(cors({ origins }).allows(origin, AUTHORITY) !== undefined, allowed, `${origin} of ${origins}`)
  }
})

t.test('a page of the same origin, and a client that is no page, may call and are told nothing', async t => {
  for (const origin of ['https://api.example.com', 'http://API.example.com', undefined]) {
    t.same(cors().allows(origin, AUTHORITY), { fields: [] }, String(origin))
  }
  t.equal(cors().allows('https://api.example.com:8443', AUTHORITY), undefined, 'another port is another origin')
  t.equal(cors().allows('null', 'll'), undefined, 'what has no host is nobody’s own')
})

t.test('what the browser of an allowed page is told', async t => {
  const named = cors({ origins: ['https://app.test'] }).allows('https://app.test', AUTHORITY)
  t.same(pairs(named?.fields), ['access-control-allow-origin: https://app.test', 'vary: origin'])
  const every = cors({ origins: ['*'] }).allows('https://app.test', AUTHORITY)
  t.same(pairs(every?.fields), ['access-control-allow-origin: *'])
  const user = cors({ origins: ['https://app.test'], credentials: true }).allows('https://app.test', AUTHORITY)
  t.equal(pairs(user?.fields)?.at(-1), 'access-control-allow-credentials: true')
})

t.test('a preflight', async t => {
  const asked = block({
    ':method': 'OPTIONS',
    ':path': '/pkg.Service/Method',
    ':authority': AUTHORITY,
    origin: 'https://app.test',
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-type,x-grpc-web,x-user',
  })
  t.ok(isPreflight('OPTIONS', asked))
  t.notOk(isPreflight('POST', asked))
  t.notOk(
    isPreflight(
      'OPTIONS',
      asked.filter(({ name }) => name !== 'origin'),
    ),
  )
  t.notOk(
    isPreflight(
      'OPTIONS',
      asked.filter(({ name }) => name !== 'access-control-request-method'),
    ),
  )
  t.same(pairs(cors({ origins: ['https://app.test'], maxAgeMs: 90_500 }).preflight(asked, AUTHORITY)), [
    ':status: 204',
    'access-control-allow-origin: https://app.test',
    'vary: origin',
    'access-control-allow-methods: POST',
    'access-control-allow-headers: content-type,x-grpc-web,x-user',
    'access-control-max-age: 90',
  ])
  t.same(pairs(cors().preflight(asked, AUTHORITY)), [':status: 403', 'content-length: 0'], 'not for a stranger')
})

t.test('what a page may see is named, apart from what it sees anyway', async t => {
  const response = block({
    ':status': '200',
    'content-type': 'application/grpc-web',
    'grpc-status': '5',
    'x-trace': '1',
    vary: 'accept',
  })
  t.same(pairs(exposing([...response, ...response])), ['access-control-expose-headers: grpc-status,x-trace'])
  t.same(exposing(block({ ':status': '200', 'content-type': 'application/grpc-web' })), [])
})
