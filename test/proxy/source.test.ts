/** A backend whose endpoints come from a source. */

import { Resolver } from 'node:dns/promises'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { parseEndpointAddress } from '../../src/config/address.ts'
import { Dialling } from '../../src/config/dialling.ts'
import type { TestClient } from '../../src/demo/http2-client.ts'
import { defineBackend, type ProxyOptions } from '../../src/index.ts'
import { PATIENCE_MS } from '../support/inbox.ts'
import { until } from '../support/until.ts'
import { ask, client, SILENT, server, started } from './change-rig.ts'

const LISTENERS = [{ address: '127.0.0.1:0' }]

/** The file appears whole. */
function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

/** Calls are made until one goes there. */
async function goesTo(by: TestClient, name: string): Promise<void> {
  const patienceEnds = Date.now() + PATIENCE_MS
  while ((await ask(by).catch(() => undefined)) !== name) {
    if (Date.now() > patienceEnds) throw new Error(`no call went to ${name}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

function logged(): { lines: { msg: string; detail?: string; backend?: string }[]; options: ProxyOptions } {
  const lines: { msg: string; detail?: string; backend?: string }[] = []
  const write = (line: string) => lines.push(JSON.parse(line))
  return { lines, options: { logger: pino({ level: 'info' }, { write }), log: { access: false } } }
}

async function scene(t: Test) {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const file = join(t.testdir({}), 'endpoints.yaml')
  return { a, b, file, source: { file } }
}

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
    ['- { address: "https://api.test:1", weight: 0 }', /entry 1: weight: .*0/],
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
