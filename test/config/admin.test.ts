/** The admin address of a proxy: what it tells of it, what it does to it, and how it changes with the configuration. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pino from 'pino'
import t, { type Test } from 'tap'
import { type ConfigError, createProxy, type GrpcProxy, type ProxyOptions } from '../../src/index.ts'
import { ask, client, server } from '../proxy/change-rig.ts'
import { certificates } from '../support/certs.ts'

const TOKEN = 'a-token-that-nobody-guesses'

async function administered(t: Test, options: ProxyOptions) {
  const lines: { msg: string; address?: string }[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const proxy = createProxy({
    listeners: [{ address: '127.0.0.1:0' }],
    admin: { address: '127.0.0.1:0' },
    logger,
    ...options,
  })
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  const admin = () => lines.findLast(({ msg }) => msg.startsWith('admin address'))!.address!
  const get = async (path: string, init?: RequestInit) => {
    const answer = await fetch(`http://${admin()}${path}`, init)
    return { status: answer.status, text: await answer.text() }
  }
  return { proxy, logger, address: bound!.address, get, admin, post: (path: string) => get(path, { method: 'POST' }) }
}

t.test('metrics agree with the calls, in both formats', async t => {
  const one = await server(t, 'one')
  const { address, get, admin, proxy } = await administered(t, { backends: { main: { endpoints: [one.url] } } })
  const by = client(t, address)
  for (let i = 0; i < 5; i++) await ask(by)
  await by.unary('PingError', { error: { code: 5, message: 'none', details: new Uint8Array() } }).catch(() => {})
  const { text } = await get('/metrics')
  const ended = (line: string) =>
    Number(new RegExp(`^grpc_verbatim_calls_ended_total\\{${line}\\} (.*)$`, 'm').exec(text)?.[1])
  const method = /method="(\/[^"]*Ping)"/.exec(text)![1]
  t.equal(ended(`method="${method}",backend="main",status="OK",ended_by="backend"`), 5)
  t.equal(ended('method="other",backend="main",status="NOT_FOUND",ended_by="backend"'), 1)
  t.match(text, /^grpc_verbatim_calls_in_flight 0$/m)
  const open = await fetch(`http://${admin()}/metrics`, {
    headers: { accept: 'application/openmetrics-text;version=1.0.0' },
  })
  t.match([open.headers.get('content-type'), await open.text()], [/^application\/openmetrics-text/, /# EOF\n$/])
  t.equal(proxy.metrics().split('\n')[0], text.split('\n')[0])
})

t.test('without admin and metrics nothing is counted', async t => {
  const proxy = createProxy('localhost:1')
  t.teardown(() => proxy.close())
  t.throws(() => proxy.metrics(), /its options need `metrics: true`/)
})

t.test('ready, not ready while it drains, and the drain from there', async t => {
  const one = await server(t, 'one')
  const { get, post, address, proxy } = await administered(t, { backends: { main: { endpoints: [one.url] } } })
  t.match(await get('/ready'), { status: 200 })
  const call = ask(client(t, address), 60_000).catch(() => {})
  while (proxy.counts().backendStreams === 0) await new Promise(setImmediate)
  t.match(await post('/drain'), { status: 202 })
  t.match(await get('/ready'), { status: 503, text: /it is draining/ })
  t.match(await get('/live'), { status: 200 })
  await proxy.close()
  await call
  await t.rejects(get('/live'))
})

t.test('what is in force, without secrets', async t => {
  const { server: identity, ca } = await certificates()
  const { get } = await administered(t, {
    backends: {
      main: { endpoints: ['https://localhost:1'], tls: { ca: ca.cert, cert: identity.cert, key: identity.key } },
      other: {
        endpoints: [
          {
            name: 'tunnel',
            connect: () => {
              throw new Error('no')
            },
          },
        ],
      },
    },
    routes: [
      { match: { service: 'a.B' }, backend: 'main', addMetadata: { authorization: 'Bearer backend-secret' } },
      { backend: 'other' },
    ],
  })
  const { text } = await get('/config')
  const shown = JSON.parse(text)
  t.same(shown.routes[0].addMetadata, { authorization: '[hidden]' })
  t.equal(shown.backends.main.endpoints[0].tls.key, '[hidden]')
  t.equal(shown.backends.other.endpoints[0].connect, '[a function]')
  t.notMatch(text, /PRIVATE|backend-secret/)
})

t.test('the level of the log, for a while', async t => {
  const { post, logger, proxy } = await administered(t, { backends: { main: { endpoints: ['localhost:1'] } } })
  t.match(await post('/log-level?level=loud'), { status: 400, text: /one of fatal, error/ })
  t.match(await post('/log-level?level=debug&forMs=-1'), { status: 400 })
  t.match(await post('/log-level?level=debug&forMs=1'), { status: 200, text: /debug for 1 ms, then info again/ })
  while (logger.level !== 'info') await new Promise(resolve => setTimeout(resolve, 1))
  t.match(await post('/log-level?level=error'), { status: 200 })
  t.equal(logger.level, 'error')
  t.match(await post('/reload'), { status: 409, text: /without a configuration file/ })
  await proxy.close()
})

t.test('it changes with the configuration: another token, another address, none', async t => {
  const options: ProxyOptions = {
    listeners: [{ address: '127.0.0.1:0' }],
    backends: { main: { endpoints: ['localhost:1'] } },
  }
  const { proxy, get, admin, logger } = await administered(t, options)
  const apply = (more: ProxyOptions) => (proxy as GrpcProxy).apply({ ...options, logger, ...more })
  await apply({ admin: { address: '127.0.0.1:0', token: TOKEN } })
  t.equal((await get('/config')).status, 401)
  t.equal((await get('/config', { headers: { authorization: `Bearer ${TOKEN}` } })).status, 200)
  const before = admin()
  await apply({ admin: { address: '[::1]:0' } })
  t.notMatch(admin(), before)
  await t.rejects(fetch(`http://${before}/live`))
  t.equal((await get('/live')).status, 200)
  await apply({})
  await t.rejects(get('/live'))
})

t.test('a change that fails leaves the admin address as it was', async t => {
  const options: ProxyOptions = {
    listeners: [{ address: '127.0.0.1:0' }],
    backends: { main: { endpoints: ['localhost:1'] } },
  }
  const { proxy, get, logger } = await administered(t, options)
  await t.rejects(proxy.apply({ ...options, logger, admin: { address: '192.0.2.1:9' } }), { code: 'EADDRNOTAVAIL' })
  await t.rejects(proxy.apply({ ...options, logger, admin: undefined, listeners: [{ address: '192.0.2.1:9' }] }))
  t.equal((await get('/live')).status, 200)
})

t.test('a token in a file, and what is wrong with tokens', async t => {
  const folder = t.testdir({ token: `${TOKEN}\n`, short: 'x' })
  const file = join(folder, 'token')
  const { get } = await administered(t, {
    admin: { address: '127.0.0.1:0', token: { file } },
    backends: { main: { endpoints: ['localhost:1'] } },
  })
  t.equal((await get('/config', { headers: { authorization: `Bearer ${TOKEN}` } })).status, 200)
  const wrong = (token: NonNullable<ProxyOptions['admin']>['token']) => {
    try {
      createProxy({ admin: { address: '127.0.0.1:0', token }, backends: { main: { endpoints: ['localhost:1'] } } })
    } catch (error) {
      return (error as ConfigError).message
    }
    return undefined
  }
  t.match(wrong('short'), /admin\.token/)
  t.match(wrong({ file: join(folder, 'short') }), /too short or has spaces/)
  t.match(wrong({ file: join(folder, 'none') }), /no such file/)
  writeFileSync(file, `${TOKEN}${TOKEN}`)
})

t.test('not ready while no endpoint of a required backend can be used', async t => {
  const one = await server(t, 'one')
  const { get, address } = await administered(t, {
    backends: { gone: { endpoints: ['127.0.0.1:1'], required: true }, main: { endpoints: [one.url] } },
    routes: [{ match: { metadata: { 'x-to': 'main' } }, backend: 'main' }, { backend: 'gone' }],
  })
  t.equal((await get('/ready')).status, 200, 'nothing is known against it')
  await client(t, address)
    .unary('Ping', {})
    .catch(() => {})
  t.match(await get('/ready'), { status: 503, text: /no endpoint of gone can be used/ })
})

t.test('state, in pages', async t => {
  const endpoints = Array.from({ length: 30 }, (_, i) => `127.0.0.1:${i + 1}`)
  const { get } = await administered(t, {
    backends: { main: { endpoints }, other: { endpoints: ['127.0.0.1:1'] } },
    routes: [{ backend: 'main' }],
  })
  const state = JSON.parse((await get('/state?backend=main&first=20&most=5')).text)
  t.match(state, { backendCount: 1, backends: [{ name: 'main', endpointCount: 30 }] })
  t.equal(state.backends[0].endpoints.length, 5)
  t.equal(state.backends[0].endpoints[0].address, 'http://127.0.0.1:21')
  for (const wrong of ['first=-1', 'most=x', 'most=1.5', 'most=10001'])
    t.equal((await get(`/state?${wrong}`)).status, 400, wrong)
  const { text } = await get('/metrics')
  t.match(text, /^grpc_verbatim_backend_endpoints\{backend="main"\} 30$/m)
})

t.test('profiles of CPU and heap, one at a time', async t => {
  const { get } = await administered(t, { backends: { main: { endpoints: ['localhost:1'] } } })
  const { nodes } = JSON.parse((await get('/profile?seconds=0.05')).text)
  t.ok(nodes.length > 0)
  t.ok(JSON.parse((await get('/heap?seconds=0.05')).text).head)
  const leaves = new AbortController()
  const long = get('/profile?seconds=60', { signal: leaves.signal }).catch(() => {})
  while ((await get('/heap?seconds=0')).status !== 409);
  leaves.abort()
  await long
  // Whoever has left makes nobody wait for the rest of the minute.
  while ((await get('/heap?seconds=0')).status !== 200);
  for (const wrong of ['61', '-1', 'x', '']) t.equal((await get(`/profile?seconds=${wrong}`)).status, 400, wrong)
})

t.test('a backend that has been removed and finishes is one with another of its name', async t => {
  const one = await server(t, 'one')
  const to = (transport: 'frames' | 'native'): ProxyOptions => ({
    backends: { main: { endpoints: [one.url], transport } },
  })
  const { proxy, address, get, logger } = await administered(t, to('frames'))
  const call = ask(client(t, address), 60_000).catch(() => {})
  while (proxy.counts().backendStreams === 0) await new Promise(setImmediate)
  const admin = { address: '127.0.0.1:0' }
  await proxy.apply({ listeners: [{ address: '127.0.0.1:0' }], admin, logger, ...to('native') })
  const { text } = await get('/metrics')
  t.same(text.match(/^grpc_verbatim_backend_calls_in_flight.*$/gm), [
    'grpc_verbatim_backend_calls_in_flight{backend="main"} 1',
  ])
  await proxy.close()
  await call
})

t.test('the live page: for everybody who has the token, and a link from elsewhere may open it', async t => {
  const { admin, get } = await administered(t, {
    admin: { address: '127.0.0.1:0', token: TOKEN },
    backends: { main: { endpoints: ['localhost:1'] } },
  })
  const page = await fetch(`http://${admin()}/`)
  t.equal(page.status, 200)
  const security = page.headers.get('content-security-policy')!
  t.match(security, "default-src 'none'; script-src 'self'; style-src 'self'")
  t.match(security, /trusted-types 'none'; frame-ancestors 'none'$/)
  const from = (dest: string, path = '/') =>
    get(path, { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': dest } })
  t.equal((await from('document')).status, 200)
  for (const dest of ['iframe', 'script', 'empty']) t.equal((await from(dest)).status, 403, dest)
  t.equal((await from('document', '/state')).status, 403)
  t.match(await get('/page/main.js'), { status: 200, text: /import/ })
  for (const path of [
    '/page/',
    '/page/none.js',
    '/page/../server.ts',
    '/page/%2e%2e%2fserver.ts',
    '/page/..%2fserver.js',
  ])
    t.not((await get(path)).status, 200, path)
  t.equal((await get('/events')).status, 401)
})

t.test('events: the same numbers as the metrics, each second, and the level of the log', async t => {
  const one = await server(t, 'one')
  const { address, admin, proxy } = await administered(t, { backends: { main: { endpoints: [one.url] } } })
  const answer = await fetch(`http://${admin()}/events`)
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
  const next = async () => JSON.parse((await reader.read()).value!.replace(/^data: /, ''))
  t.match(await next(), { hasMetrics: true, canReload: false, logLevel: 'info', notReady: [], backendCount: 1 })
  const by = client(t, address)
  for (let i = 0; i < 5; i++) await ask(by)
  const { traffic, backends, process: rates } = await next()
  t.match(traffic, { total: 5, failed: 0, methods: [{ backend: 'main', total: 5, failures: {} }] })
  t.match(backends[0].endpoints, [{ address: one.url, share: 1, inUse: true }])
  t.match(rates, { processes: 1 })
  t.ok(rates.residentBytes > 1e6 && traffic.latency.p50 > 0)
  await reader.cancel()
  await proxy.close()
})

t.test('whoever listens to events has to show a new token', async t => {
  const backends = { main: { endpoints: ['localhost:1'] } }
  const { admin, proxy, logger } = await administered(t, { admin: { address: '127.0.0.1:0', token: TOKEN }, backends })
  const answer = await fetch(`http://${admin()}/events`, { headers: { authorization: `Bearer ${TOKEN}` } })
  const reader = answer.body!.getReader()
  const ended = async () => {
    while (!(await reader.read()).done);
  }
  const to = (token: string) =>
    proxy.apply({ listeners: [{ address: '127.0.0.1:0' }], admin: { address: '127.0.0.1:0', token }, backends, logger })
  await to(TOKEN)
  t.notOk((await reader.read()).done, 'the same one')
  await Promise.all([t.rejects(ended()), to(`${TOKEN}-new`)])
})
