/** Gates in a configuration: what is wrong with them, and what stays over a change. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { GateSet } from '../../src/config/gates.ts'
import type { ProxyOptions } from '../../src/config/options.ts'
import { ConfigError } from '../../src/config/problems.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import { allTo, ask, client, server, started } from '../proxy/change-rig.ts'

const BACKENDS = { main: { endpoints: ['127.0.0.1:1'] } }

function problemsOf(options: unknown, folder?: string): string[] {
  try {
    const { warnings } = resolveConfig(
      { backends: BACKENDS, ...(options as object) },
      folder === undefined ? {} : { folder },
    )
    return warnings.map(({ path, message }) => `warning: ${path}: ${message}`)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ path, message }) => `${path}: ${message}`)
  }
}

const JWT = { issuer: 'https://a', audience: 'b' }

t.test('a backend that a gate asks is of use without a route', t => {
  const asks = (backend: string) => ({
    backends: { ...BACKENDS, authz: { endpoints: ['127.0.0.1:2'] } },
    gates: { a: { authorization: { backend } } },
    require: 'a',
    routes: [{ backend: 'main' }],
  })
  t.same(problemsOf(asks('authz')), [])
  t.same(problemsOf(asks('main')), ['warning: backends.authz: no route leads to this backend'])
  const inCode = { ...asks('main'), gates: [(next: unknown) => next], require: undefined }
  t.same(problemsOf(inCode), [], 'a gate in code may ask any')
  t.end()
})

t.test('what is wrong is told, with what to write', async t => {
  const rows: readonly [unknown, string[]][] = [
    [
      { gates: { a: {} }, require: 'a' },
      [
        'gates.a: says nothing: give it one of jwt, apiKeys, certificate, claims, network, rateLimit, concurrency, authorization, globalRateLimit',
      ],
    ],
    [
      { gates: { a: { network: { deny: ['10.0.0.0/8'] }, rateLimit: { perSecond: 1 } } }, require: 'a' },
      ['gates.a: has network and rateLimit: a gate has one of them'],
    ],
    [
      { gates: { users: { rateLimit: { perSecond: 1 } } }, require: 'user' },
      ['require: there is no gate "user", did you mean "users"?'],
    ],
    [{ require: [{ any: ['a'] }] }, ['require[0].any[0]: there is no gate "a"; there are no `gates`']],
    [
      {
        gates: { a: { rateLimit: { perSecond: 1 } } },
        routes: [{ backend: 'main', require: [{ any: [{ all: ['b'] }, 'a'] }] }],
      },
      ['routes[0].require[0].any[0].all[0]: there is no gate "b"; there is a'],
    ],
    [
      { gates: { a: { network: { allow: ['10.0.0.0/40'] } } }, require: 'a' },
      ['gates.a.network.allow[0]: "10.0.0.0/40" is not a network: write 10.0.0.0/8 or 2001:db8::/32'],
    ],
    [
      { gates: { a: { rateLimit: { perSecond: 1, key: 'user' } } }, require: 'a' },
      ['gates.a.rateLimit.key: is client, identity, authority, service, method or metadata:NAME'],
    ],
    [
      { gates: { a: { apiKeys: { keys: [{ name: 'x', sha256: 'secret' }] } } }, require: 'a' },
      ['gates.a.apiKeys.keys[0].sha256: is 64 hex digits: printf %s KEY | sha256sum'],
    ],
    [
      { gates: { a: { jwt: { ...JWT, jwks: { url: 'http://issuer.example/jwks' } } } }, require: 'a' },
      ['gates.a.jwt.jwks.url: is an https:// URL: whoever can change the keys can sign tokens'],
    ],
    [
      { gates: { a: { jwt: { ...JWT, jwks: { url: 'https://a/b' }, algorithms: ['HS256'] } } }, require: 'a' },
      ['gates.a.jwt.algorithms[0]: is one with a public key'],
    ],
    [
      { routes: [{ deny: 'NOT_FOUND', require: 'a' }], gates: { a: { rateLimit: { perSecond: 1 } } } },
      ['routes[0].require: has no effect with deny: the calls go nowhere'],
    ],
    [
      { routes: [{ backend: 'main', faults: { abort: { status: 'UNAVAILABLE', share: 1 } } }] },
      ['routes[0].faults: makes calls fail on purpose: where that is wanted, write `allowFaults: true` at the top'],
    ],
    [
      { allowFaults: true, routes: [{ backend: 'main', faults: {} }] },
      ['routes[0].faults: says nothing: give it delay, abort or both'],
    ],
    [
      { allowFaults: true, routes: [{ deny: 'NOT_FOUND', faults: { delay: { ms: 1, share: 1 } } }] },
      ['routes[0].faults: has no effect with deny: the calls go nowhere'],
    ],
    [
      {
        listeners: [{ address: '127.0.0.1:0', require: ['b'] }],
        gates: { a: { concurrency: { max: 1 } } },
        require: 'a',
      },
      ['listeners[0].require[0]: there is no gate "b"; there is a'],
    ],
    [
      { gates: { a: { concurrency: { max: 0 } } }, require: 'a' },
      ['gates.a.concurrency.max: must be at least 1, it is 0'],
    ],
    [
      { gates: { a: { authorization: { backend: 'mains' } } }, require: 'a' },
      ['gates.a.authorization.backend: there is no backend "mains", did you mean "main"?'],
    ],
    [
      {
        gates: { a: { globalRateLimit: { backend: 'main', domain: 'd', descriptors: [{ a: 'user' }] } } },
        require: 'a',
      },
      [
        'gates.a.globalRateLimit.descriptors[0].a: is client, identity, authority, service, method, metadata:NAME or text:VALUE',
      ],
    ],
    [
      { gates: { a: { rateLimit: { perSecond: 1 } } } },
      ['warning: gates.a: nothing requires this gate, so it lets every call pass'],
    ],
  ]
  for (const [options, expected] of rows) t.same(problemsOf(options), expected)
})

function folderOf(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'grpc-verbatim-gates-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

t.test('keys of an issuer in a file', async t => {
  const folder = folderOf(t)
  const options = { gates: { a: { jwt: { ...JWT, jwks: { file: 'keys.json' } } } }, require: 'a' }
  const at = 'gates.a.jwt.jwks.file: '
  const file = path.join(folder, 'keys.json')
  t.same(problemsOf(options, folder), [`${at}cannot read ${file}: no such file`])
  writeFileSync(file, 'no')
  t.same(problemsOf(options, folder), [`${at}${file} is no JSON`])
  writeFileSync(file, '{"keys":1}')
  t.same(problemsOf(options, folder), [`${at}${file} is no JSON Web Key Set: it has no list \`keys\``])
  writeFileSync(file, '{"keys":[]}')
  const files = new Set<string>()
  resolveConfig({ backends: BACKENDS, ...options }, { folder, files })
  t.same([...files], [file], 'it is watched')
})

t.test('what a gate has learnt stays while its definition stays', async t => {
  const of = (perSecond: number, options: Partial<ProxyOptions> = {}) => {
    return resolveConfig({ backends: BACKENDS, gates: { a: { rateLimit: { perSecond } } }, require: 'a', ...options })
  }
  const one = of(1)
  const before = new GateSet(one.config.gates)
  const gateOf = (set: GateSet, { config }: typeof one) => set.in(config).gate
  t.equal(gateOf(new GateSet(of(1).config.gates, before), one), gateOf(before, one))
  t.not(gateOf(new GateSet(of(2).config.gates, before), one), gateOf(before, one))
})

t.test('over a change of something else a client keeps its rate', async t => {
  const main = await server(t, 'a')
  const options = (graceMs: number) => ({
    ...allTo(main, { gates: { slow: { rateLimit: { perSecond: 0.001 } } }, require: 'slow' }),
    listeners: [{ address: '127.0.0.1:0' }],
    drain: { graceMs },
  })
  const { proxy, addresses } = await started(t, options(1))
  const by = client(t, addresses[0]!)
  t.equal(await ask(by), 'a')
  await proxy.apply(options(2))
  await t.rejects(ask(by), /too many calls/)
  await proxy.apply({ ...options(2), gates: {}, require: undefined as never })
  t.equal(await ask(by), 'a', 'without the gate there is no rate')
})
