/** A backend whose endpoints come from a source. */
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import t, { type Test } from 'tap'
import { parseEndpointAddress } from '../../src/config/address.ts'
import { ConfiguredProxy } from '../../src/config/configured-proxy.ts'
import { Dialling } from '../../src/config/dialling.ts'
import { loadConfig } from '../../src/config/load.ts'
import { startTestServer } from '../../src/demo/http2-server.ts'
import { defineBackend } from '../../src/index.ts'
import { dnsServer } from '../discovery/dns-server.ts'
import { certificates, type Identity } from '../support/certs.ts'
import { until } from '../support/until.ts'
import { ask, client, type Server, SILENT, server, started } from './change-rig.ts'
import { goesTo, LISTENERS, logged, replace, scene } from './source-rig.ts'

t.test('a file: calls wait for it, and go where it says', async t => {
  const { a, b, file, source } = await scene(t)
  replace(file, `- ${a.url}`)
  const { proxy, addresses } = await started(t, { ...SILENT, backends: { main: { source } } })
  const by = client(t, addresses[0]!)
  t.equal(await ask(by), 'a')
  replace(file, `- address: ${b.url}\n  weight: 2`)
  await goesTo(by, 'b')
  proxy.backend('main').setEndpoints([a.url])
  t.equal(await ask(by), 'a', 'code says otherwise')
  replace(file, `- ${b.url} # told again`)
  await goesTo(by, 'b')
})

t.test('a file that is wrong: the last list stays, and the log says once what is wrong', async t => {
  const { a, b, file, source } = await scene(t)
  replace(file, `- ${a.url}`)
  const { lines, options } = logged()
  const { addresses } = await started(t, { ...options, backends: { main: { source } } })
  const by = client(t, addresses[0]!)
  t.equal(await ask(by), 'a')
  replace(file, `- ${b.url}\n- nowhere`)
  const problems = () => lines.filter(({ msg }) => msg.startsWith('endpoints cannot be had'))
  await until('it is logged', () => problems().length > 0)
  t.equal(await ask(by), 'a')
  t.match(problems(), [
    { backend: 'main', detail: /endpoints\.yaml: entry 2: "nowhere" has no port: write host:port$/ },
  ])
  replace(file, `- ${b.url}`)
  await goesTo(by, 'b')
  t.equal(problems().length, 1)
  t.equal(lines.filter(({ msg }) => msg === 'endpoints are known again').length, 1)
})

t.test('a file that is not there: unavailable, and not for longer than that', async t => {
  const { a, file, source } = await scene(t)
  const { addresses } = await started(t, { ...SILENT, backends: { main: { source } } })
  const by = client(t, addresses[0]!)
  await t.rejects(ask(by), { code: 14 })
  replace(file, JSON.stringify([a.url]))
  await goesTo(by, 'a')
})

t.test('the same configuration again changes nothing; another source tells another list', async t => {
  const { a, b, file, source } = await scene(t)
  replace(file, `- ${a.url}`)
  const options = (more: object) => ({ ...SILENT, listeners: LISTENERS, backends: { main: { source, ...more } } })
  const { proxy, addresses } = await started(t, options({}))
  const by = client(t, addresses[0]!)
  t.equal(await ask(by), 'a')
  t.same((await proxy.apply(options({}))).backends.updated, [])
  const other = `${file}.other`
  replace(other, `- ${b.url}`)
  t.same((await proxy.apply(options({ source: { file: other } }))).backends.updated, ['main'])
  await goesTo(by, 'b')
  t.same((await proxy.apply(options({ source: undefined, endpoints: [a.url] }))).backends.updated, ['main'])
  t.equal(await ask(by), 'a')
  replace(other, `- ${b.url} # nobody listens`)
})

t.test('a backend of a director may have a source', async t => {
  const { a, file, source } = await scene(t)
  replace(file, `- ${a.url}`)
  const backend = defineBackend({ source })
  t.equal(backend.name, `file:${file}`)
  const { addresses } = await started(t, { ...SILENT, director: () => ({ backend }) })
  t.equal(await ask(client(t, addresses[0]!)), 'a')
})

t.test('tls: what the file says is held against it', async t => {
  const { file, source } = await scene(t)
  const wrong: [list: string, reason: RegExp][] = [
    ['- https://api.test:1\n- api.test:2', /entry 2: is plaintext although the backend has tls/],
    ['- unix:/run/x.sock', /tls of the backend: needs serverName/],
    ['- http://api.test:1', /tls of the backend: is not used/],
    ['- { address: "api.test:1", wieght: 3 }', /entry 1: wieght: unknown key, did you mean "weight"\?/],
    ['- { address: "https://api.test:1", weight: -1 }', /entry 1: weight: must be at least 0/],
    ['- { name: x, connect: y }', /entry 1: connect: expected a function/],
  ]
  for (const [list, reason] of wrong) {
    replace(file, list)
    const { lines, options } = logged()
    const { proxy } = await started(t, { ...options, backends: { main: { source, tls: {} } } })
    await until('it is logged', () => lines.some(({ detail }) => detail !== undefined))
    t.match(lines.find(({ detail }) => detail !== undefined)!.detail, reason)
    await proxy.close()
  }
})

t.test('dns: an address and localhost are asked of nobody', async t => {
  const a = await server(t, 'a')
  const { port } = new URL(a.url)
  t.capture(Resolver.prototype, 'resolve4', () => t.fail('asked'))
  for (const host of ['127.0.0.1', 'localhost', 'http://localhost']) {
    const backends = { main: { source: { dns: `${host}:${port}` } } }
    const { addresses } = await started(t, { ...SILENT, backends })
    t.equal(await ask(client(t, addresses[0]!)), 'a', host)
  }
})

t.test('dns: calls go to the addresses of a name, and a lost session is a reason to ask again', async t => {
  const a = await server(t, 'a')
  const { port } = new URL(a.url)
  const none = async () => {
    throw Object.assign(new Error('queryAaaa ENODATA'), { code: 'ENODATA' })
  }
  t.capture(Resolver.prototype, 'resolve6', none)
  let address = '127.0.0.2'
  const asked = t.capture(Resolver.prototype, 'resolve4', async () => [{ address, ttl: 3_600 }])
  const { lines, options } = logged()
  const source = { dns: `api.test:${port}`, minIntervalMs: 100 }
  const { addresses } = await started(t, { ...options, backends: { main: { source } } })
  const by = client(t, addresses[0]!)
  // The server listens on another address.
  await t.rejects(ask(by), { code: 14 })
  address = '127.0.0.1'
  await goesTo(by, 'a')
  t.ok(asked().length > 1, 'at once, and not when the records are over')
  t.same(
    lines.filter(({ detail }) => detail?.startsWith('api.test')),
    [],
  )
})

t.test('dns: the certificate must be one for the name, not for its addresses', async t => {
  const named = (text: string) =>
    parseEndpointAddress(text) as ReturnType<typeof parseEndpointAddress> & { kind: 'tcp' }
  t.same(new Dialling('/', undefined).addressAt('fd00::1', named('https://api.test.')), {
    name: 'https://[fd00::1]:443',
    tcp: { host: 'fd00::1', port: 443 },
    tls: { serverName: 'api.test' },
  })
  const { tls } = new Dialling('/', { serverName: 'other.test' }).addressAt('10.0.0.1', named('https://api.test'))
  t.same(tls, { serverName: 'other.test' })
  t.equal(new Dialling('/', undefined).addressAt('10.0.0.1', named('http://api.test')).tls, undefined)
})

t.test('setEndpoints knows the backends of a configuration file, with their tls', async t => {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const file = join(t.testdir({}), 'proxy.yaml')
  writeFileSync(
    file,
    `listeners: [{ address: "127.0.0.1:0" }]\nlog: { level: silent }\nbackends: { main: { endpoints: ["${a.url}"] } }`,
  )
  const proxy = new ConfiguredProxy(loadConfig(file))
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  const by = client(t, bound!.address)
  t.equal(await ask(by), 'a')
  proxy.backend('main').setEndpoints([b.url])
  t.equal(await ask(by), 'b')
  t.throws(() => proxy.backend('main').setEndpoints(['nowhere']), {
    name: 'ConfigError',
    message: 'backends.main.endpoints[0]: "nowhere" has no port: write host:port',
  })
  t.throws(() => proxy.backend('other').setEndpoints([b.url]), RangeError)
})

t.test(
  'srv: calls go to the targets of the best priority, by weight, and to the next where those are gone',
  async t => {
    const [a, b, c] = [await server(t, 'a'), await server(t, 'b'), await server(t, 'c')]
    const at = ({ url }: Server, priority: number, weight: number) => ({
      ...{ target: 'here.test', port: Number(new URL(url).port), priority, weight },
    })
    const dns = await dnsServer(t, {
      srv: [at(a, 10, 3), at(b, 10, 1), at(c, 20, 1)],
      hosts: { 'here.test': ['127.0.0.1'] },
      ttl: 0,
    })
    const source = { srv: '_grpc._tcp.api.test', servers: [dns.address], minIntervalMs: 100 }
    const { proxy, addresses } = await started(t, { ...SILENT, backends: { main: { source } } })
    const by = client(t, addresses[0]!)
    const asked: Record<string, number> = { a: 0, b: 0, c: 0 }
    for (let i = 0; i < 40; i++) asked[await ask(by)]!++
    t.ok(Math.abs(asked.a! - 30) <= 2 && Math.abs(asked.b! - 10) <= 2, JSON.stringify(asked))
    t.match(proxy.state().backends, [{ source: 'srv:_grpc._tcp.api.test', endpointCount: 3 }])
    dns.zone.srv = [at(c, 20, 1)]
    await goesTo(by, 'c')
  },
)

/** A port on which the server speaks TLS. */
async function secured(t: Test, { url }: Server, { cert, key }: Identity): Promise<number> {
  const secure = createServer({ cert, key, ALPNProtocols: ['h2'] }, socket => {
    const plain = connect(Number(new URL(url).port), '127.0.0.1')
    for (const one of [socket, plain]) one.on('error', () => {})
    socket.pipe(plain).pipe(socket)
  })
  t.teardown(() => secure.close())
  secure.listen(0, '127.0.0.1')
  await once(secure, 'listening')
  return (secure.address() as AddressInfo).port
}

t.test(
  'srv and tls: the certificate must be for the name that was configured, whatever the target is called',
  async t => {
    const { server: identity, ca } = await certificates()
    const secure = await secured(t, await server(t, 'a'), identity)
    const dns = await dnsServer(t, { srv: [{ target: 'evil.test', port: secure }], addresses: ['127.0.0.1'] })
    const main = (name: string) => ({
      main: { source: { srv: `https://_grpc._tcp.${name}`, servers: [dns.address] }, tls: { ca: ca.cert } },
    })
    const { addresses } = await started(t, { ...SILENT, backends: main('localhost') })
    t.equal(await ask(client(t, addresses[0]!)), 'a')
    const other = await started(t, { ...SILENT, backends: main('evil.test') })
    await t.rejects(ask(client(t, other.addresses[0]!)), { code: 14 })
  },
)

for (const transport of ['frames', 'native'] as const) {
  t.test(`${transport}: a lower priority has the calls while the first is down, and gives them back`, async t => {
    const first = await startTestServer({ name: 'first' })
    const second = await server(t, 'second')
    const file = join(t.testdir({}), 'endpoints.yaml')
    replace(file, `- http://127.0.0.1:${first.port}\n- { address: "${second.url}", priority: 1 }`)
    const backoff = { initialMs: 20, maxMs: 50 }
    const { addresses } = await started(t, { ...SILENT, backends: { main: { source: { file }, transport, backoff } } })
    const by = client(t, addresses[0]!)
    for (let i = 0; i < 5; i++) t.equal(await ask(by), 'first')
    await first.close()
    // The first call that finds nobody there goes to the other one itself.
    for (let i = 0; i < 5; i++) t.equal(await ask(by), 'second')
    const again = await startTestServer({ name: 'first', port: first.port })
    t.teardown(() => again.close())
    await goesTo(by, 'first')
    for (let i = 0; i < 5; i++) t.equal(await ask(by), 'first')
  })
}

t.test('more addresses than the bound: the log says so once, and when it is over', async t => {
  const a = await server(t, 'a')
  const dns = await dnsServer(t, { addresses: ['127.0.0.1', '127.0.0.2', '127.0.0.3'], ttl: 0 })
  const source = { dns: `api.test:${new URL(a.url).port}`, servers: [dns.address], minIntervalMs: 100, maxEndpoints: 2 }
  const { lines, options } = logged()
  const { proxy } = await started(t, { ...options, backends: { main: { source } } })
  const said = () => lines.filter(({ msg }) => msg === 'not all endpoints are used')
  await until('it has looked twice', () => dns.questions.length >= 4)
  t.match(said(), [
    { backend: 'main', detail: 'api.test: there are 3 addresses, and 2 of them are used: see maxEndpoints' },
  ])
  t.match(proxy.state().backends, [{ endpointCount: 2, sourceProblem: { kind: 'partial' } }])
  dns.zone.addresses = ['127.0.0.1']
  await until('it is over', () => lines.some(({ msg }) => msg === 'endpoints are known again'))
  t.equal(said().length, 1)
})
