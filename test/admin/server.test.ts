/** The admin address: who gets what, and what it does. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import t, { type Test } from 'tap'
import {
  type AdminOptions,
  type AdminRoute,
  type AdminRoutes,
  AdminServer,
  json,
  text,
} from '../../src/admin/server.ts'
import { certificates } from '../support/certs.ts'

const ROUTES: AdminRoutes = new Map<string, AdminRoute>([
  ['GET /live', { access: 'anyone', handle: () => text(200, 'it lives') }],
  ['GET /metrics', { access: 'reader', handle: () => text(200, 'numbers') }],
  ['GET /state', { access: 'operator', handle: ({ query }) => json({ page: query.get('page') }) }],
  ['POST /drain', { access: 'operator', handle: () => text(202, 'it drains') }],
  [
    'GET /broken',
    {
      access: 'anyone',
      handle: () => {
        throw new Error('of ours')
      },
    },
  ],
])

interface Scene {
  readonly server: AdminServer
  readonly port: number
  readonly faults: string[]
  ask(
    what: string,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: string; headers: http.IncomingHttpHeaders }>
}

async function scene(t: Test, options: Partial<AdminOptions> = {}): Promise<Scene> {
  const faults: string[] = []
  const server = new AdminServer({ host: '127.0.0.1', port: 0, ...options }, ROUTES, (error, path) =>
    faults.push(`${path}: ${(error as Error).message}`),
  )
  const address = await server.listen()
  t.teardown(() => server.close())
  const port = Number(address.split(':').at(-1))
  const ask: Scene['ask'] = (what, headers = {}) => {
    const [method, path] = what.split(' ')
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<Scene['ask']>>>()
    const to = {
      method,
      path,
      headers,
      ...(options.path === undefined ? { host: '127.0.0.1', port } : { socketPath: options.path }),
      agent: false as const,
      rejectUnauthorized: false,
    }
    const request = options.tls === undefined ? http.request(to) : https.request(to)
    request.on('error', reject).on('response', response => {
      let body = ''
      response.setEncoding('utf8').on('data', part => (body += part))
      response.on('end', () => resolve({ status: response.statusCode!, body, headers: response.headers }))
    })
    request.end()
    return promise
  }
  return { server, port, faults, ask }
}

const status = async (answer: Promise<{ status: number }>) => (await answer).status

t.test('on this machine, without a token: everything, by an address or as localhost', async t => {
  const { ask, port, faults } = await scene(t)
  t.match(await ask('GET /live'), {
    status: 200,
    body: 'it lives\n',
    headers: { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' },
  })
  t.match(await ask('GET /state?page=2'), { status: 200, body: /"page": "2"/ })
  t.equal(await status(ask('POST /drain')), 202)
  t.equal(await status(ask('GET /state', { host: `localhost:${port}` })), 200)
  t.equal(await status(ask('GET /state', { host: `[::1]:${port}` })), 200)
  t.match(await ask('HEAD /state'), { status: 200, body: '' })
  t.match(await ask('GET /nothing'), { status: 404, body: /there are: GET \/live, / })
  t.match(await ask('GET /drain'), { status: 405, body: '/drain needs POST\n' })
  t.match(await ask('GET /broken'), { status: 500, body: /the log has it/ })
  t.same(faults, ['/broken: of ours'])
})

t.test('a page from elsewhere gets nothing, although its browser is on this machine', async t => {
  const { ask, port } = await scene(t)
  const strangers: Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'http://evil.example.com' },
    { origin: 'null' },
    { origin: `http://127.0.0.1:${port + 1}` },
  ]
  for (const headers of strangers) {
    t.equal(await status(ask('POST /drain', headers)), 403, JSON.stringify(headers))
    t.equal(await status(ask('GET /metrics', headers)), 403, JSON.stringify(headers))
  }
  t.equal(
    await status(ask('POST /drain', { origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' })),
    202,
  )
  t.equal(await status(ask('GET /state', { host: `evil.example.com:${port}` })), 421, 'DNS rebinding')
  t.equal(await status(ask('GET /live', { host: 'probe.example.com' })), 200, 'a load balancer may call it anything')
})

t.test('with a token: operators and Prometheus need it, load balancers do not', async t => {
  const token = 'correct-horse-battery'
  const { ask, server } = await scene(t, { token })
  t.equal(await status(ask('GET /live')), 200)
  for (const authorization of [undefined, 'Bearer ', `Bearer ${token}x`, `Basic ${token}`, token]) {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
    t.match(await ask('GET /metrics', headers), { status: 401, headers: { 'www-authenticate': 'Bearer' } })
    t.equal(await status(ask('POST /drain', headers)), 401)
    t.equal(await status(ask('GET /nothing', headers)), 401, 'nor what there is not')
  }
  const authorization = `Bearer ${token}`
  t.equal(await status(ask('POST /drain', { authorization, host: 'proxy.example.com' })), 202)
  server.update({ host: '127.0.0.1', port: 0, token: 'another-token-entirely' })
  t.equal(await status(ask('POST /drain', { authorization })), 401, 'not with the one from before')
})

const other = Object.values(networkInterfaces())
  .flat()
  .find(each => each?.family === 'IPv4' && !each.internal)?.address
const alone = other === undefined && 'this machine has no address but loopback'
t.test('from another machine without a token: probes and metrics only', { skip: alone }, async t => {
  const { port } = await scene(t, { host: '0.0.0.0' })
  const get = async (path: string) => (await fetch(`http://${other}:${port}${path}`)).status
  t.same([await get('/live'), await get('/metrics'), await get('/state')], [200, 200, 403])
})

t.test('a unix socket, and TLS whose certificate changes', async t => {
  // The path of a socket has some 100 characters at most.
  const folder = mkdtempSync(join(tmpdir(), 'admin-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'admin.sock')
  const killed = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', killed])
  const local = await scene(t, { path })
  t.equal(await status(local.ask('GET /state')), 200, 'in place of one that a killed process left')
  const { server: first, client: second } = await certificates()
  const { ask, server, port } = await scene(t, { tls: first })
  t.equal(await status(ask('GET /state')), 200)
  server.update({ host: '127.0.0.1', port: 0, tls: second })
  const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await new Promise(resolve => socket.once('secureConnect', resolve))
  t.equal(socket.getPeerCertificate().subject.CN, 'client')
  socket.destroy()
})

t.test('connections that say nothing, or nonsense, end; more than there are places for are refused', async t => {
  const { port, ask } = await scene(t)
  const garbage = net.connect(port, '127.0.0.1')
  garbage.on('error', () => {})
  garbage.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  const answer = await new Promise(resolve => garbage.once('data', resolve))
  t.match(String(answer), /^HTTP\/1\.1 400 /)
  const idle = Array.from({ length: 70 }, () => net.connect(port, '127.0.0.1').on('error', () => {}))
  t.teardown(() => idle.forEach(socket => void socket.destroy()))
  const closed = await Promise.race(
    idle.map(socket => new Promise<string>(resolve => socket.once('close', () => resolve('closed')))),
  )
  t.equal(closed, 'closed')
  for (const socket of idle) socket.destroy()
  t.equal(await status(ask('GET /live').catch(() => ask('GET /live'))), 200)
})
