/** A backend whose endpoints come from a source. */
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
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
