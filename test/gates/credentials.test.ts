/** Keys and certificates: who may call by what it has. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { apiKeys } from '../../src/gates/api-keys.ts'
import { certificate } from '../../src/gates/certificate.ts'
import { altNames } from '../../src/transport/alt-names.ts'
import { ask, call, TARGET } from './rig.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const KEYS = [
  { name: 'ada', sha256: sha256('key of ada') },
  { name: 'bob', sha256: sha256('key of bob').toUpperCase() },
]
const having = (...keys: readonly string[]) => call({ metadata: keys.map(key => ['x-api-key', key] as const) })

t.test('who has a key may call, and the backend does not get it', async t => {
  const gate = apiKeys({ keys: KEYS })
  for (const name of ['ada', 'bob']) {
    const info = having(`key of ${name}`)
    t.same(await ask(gate, info), { ...TARGET, metadata: {}, removeMetadata: ['x-api-key'] })
    t.same(info.notes.identity, { name, by: 'apiKeys' })
  }
  t.equal(await ask(apiKeys({ keys: KEYS, forward: true }), having('key of ada')), TARGET)
})

t.test('who has none may not', async t => {
  const gate = apiKeys({ keys: KEYS })
  const wrong = [
    [having(), /there is no credential/],
    [having(''), /none of those that are known/],
    [having('key of ad'), /none of those/],
    [having('key of ada '), /none of those/],
    [having('KEY OF ADA'), /none of those/],
    [having(sha256('key of ada')), /none of those/],
    [having('key of ada', 'key of ada'), /more than one/],
    [having('key of ada,key of ada'), /more than one/],
    [having('a'.repeat(60_000)), /longer/],
  ] as const
  for (const [info, why] of wrong) t.match(await ask(gate, info), why)
  t.throws(() => apiKeys({ keys: [{ name: 'a', sha256: 'abc' }] }), TypeError)
})

const holding = (subjectAltName: string, authorized = true) =>
  call({
    peer: {
      ...{ address: '192.0.2.1:1', encrypted: true },
      certificate: { subject: 'CN=x', subjectAltName, fingerprint256: '', authorized },
    },
  })
const OTHER = 'forbidden: the certificate has none of the names that may call'
const NONE = 'unauthenticated: the client has no certificate that was checked'

t.test('names in certificates', async t => {
  const gate = certificate({ names: ['spiffe://example.org/ns/*/sa/web', '*.internal.example', 'one.example'] })
  const rows = [
    ['URI:spiffe://example.org/ns/prod/sa/web', TARGET],
    ['DNS:x.example, URI:spiffe://example.org/ns/prod/sa/web', TARGET],
    ['URI:spiffe://example.org/ns/prod/sa/web/more', OTHER],
    ['URI:spiffe://example.org/ns/a/b/sa/web', OTHER],
    ['URI:spiffe://example.org.evil/ns/prod/sa/web', OTHER],
    ['URI:SPIFFE://example.org/ns/prod/sa/web', OTHER],
    ['DNS:"spiffe://example.org/ns/prod/sa/web"', OTHER],
    ['DNS:spiffe://example.org/ns/prod/sa/web', OTHER],
    ['DNS:A.Internal.Example', TARGET],
    ['DNS:a.b.internal.example', OTHER],
    ['DNS:internal.example', OTHER],
    ['DNS:oneXexample', OTHER],
    ['DNS:one.example', TARGET],
    // Node quotes what contains a border, so that one name does not look like two.
    ['DNS:"evil.example, DNS:one.example"', OTHER],
    ['DNS:evil.example, othername:<unsupported>', OTHER],
    ['othername:<unsupported>, DNS:one.example', OTHER],
    ['', OTHER],
  ] as const
  for (const [names, expected] of rows) t.same(await ask(gate, holding(names)), expected, names)
})

t.test('no certificate, or one that nobody checked', async t => {
  const gate = certificate({ names: ['one.example'] })
  t.equal(await ask(gate, holding('DNS:one.example', false)), NONE)
  t.equal(await ask(gate, call()), NONE)
})

t.test('names as Node writes them', async t => {
  t.same(altNames('DNS:a.example, IP Address:192.0.2.1, URI:"a, b"'), [
    { kind: 'DNS', name: 'a.example' },
    { kind: 'IP Address', name: '192.0.2.1' },
    { kind: 'URI', name: 'a, b' },
  ])
  t.same(altNames('DNS:"a'), [])
})
