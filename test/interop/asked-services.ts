/**
 * Real services that gates ask: `npm run test:gates:real`. Open Policy Agent with its plugin for Envoy (ext_authz), and the rate
 * limit service of envoyproxy. What each of them says of a call holds, also of many at a time; each is killed under load and
 * started again. A service that cannot be built here is skipped, and that is said.
 *
 * Building takes some five minutes where Go has none of it yet.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import path from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import type { Gate } from '../../src/gates/index.ts'
import { authorization, globalRateLimit } from '../../src/gates/index.ts'
import { createProxy } from '../../src/index.ts'
import { build, main, type Running, scratchFolder, start, Unavailable } from './go-program.ts'

const BUILD_TIMEOUT_MS = 900_000
/** Under load on two busy cores; nothing here is about a service that is slow. */
const ANSWER_MS = 10_000
const LOAD_CALLS = 2_000
const AT_ONCE = 50
const MESSAGE = Buffer.from([0, 0, 0, 0, 0])

const OK = '0'
const PERMISSION_DENIED = '7'
const RESOURCE_EXHAUSTED = '8'
const UNAVAILABLE = '14'
const UNAUTHENTICATED = '16'

type Transport = 'frames' | 'native'

/** How a call ended, and what the backend and the client got besides. */
interface Ended {
  readonly status: string
  /** Undefined: the call did not come to the backend. */
  readonly request: IncomingHttpHeaders | undefined
  readonly response: IncomingHttpHeaders
}

class Scene {
  readonly #sessions: ClientHttp2Session[] = []
  readonly #ends: (() => unknown)[] = []
  readonly #arrived = new Map<string, IncomingHttpHeaders>()
  #calls = 0

  /** A proxy with this gate, in front of a backend that answers OK. @returns what makes calls through it */
  async through(gate: Gate, transport: Transport, servicePort: number) {
    const backend = createServer()
    backend.on('session', session => void this.#ends.push(() => session.destroy()))
    backend.on('stream', (stream: ServerHttp2Stream, headers) => {
      this.#arrived.set(String(headers['x-call']), headers)
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': OK }))
      stream.resume().end(MESSAGE)
    })
    await new Promise<void>(resolve => backend.listen(0, '127.0.0.1', resolve))
    const { port: backendPort } = backend.address() as AddressInfo
    const proxy = createProxy({
      log: { level: 'silent' },
      gates: [gate],
      backends: {
        main: { endpoints: [`http://127.0.0.1:${backendPort}`] },
        asked: { endpoints: [`http://127.0.0.1:${servicePort}`], transport, connectTimeoutMs: 1_000 },
      },
      routes: [{ backend: 'main' }],
    })
    this.#ends.push(
      () => proxy.close(),
      () => backend.close(),
    )
    const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
    const session = connect(`http://127.0.0.1:${port}`)
    this.#sessions.push(session)
    return (headers: Record<string, string> = {}, method = '/demo.Echo/Say') => this.#call(session, headers, method)
  }

  #call(session: ClientHttp2Session, headers: Record<string, string>, method: string): Promise<Ended> {
    const name = String(++this.#calls)
    const own = {
      ':method': 'POST',
      ':path': method,
      'content-type': 'application/grpc',
      te: 'trailers',
      'x-call': name,
    }
    const stream = session.request({ ...own, ...headers })
    return new Promise((resolve, reject) => {
      let response: IncomingHttpHeaders = {}
      stream.on('response', got => (response = got)).on('trailers', got => (response = { ...response, ...got }))
      stream.on('error', reject)
      stream.on('close', () => {
        const request = this.#arrived.get(name)
        this.#arrived.delete(name)
        resolve({ status: String(response['grpc-status']), request, response })
      })
      stream.resume().end(MESSAGE)
    })
  }

  async end(): Promise<void> {
    for (const session of this.#sessions) session.destroy()
    for (const end of this.#ends) await end()
  }
}

function check(what: string, holds: boolean, is: unknown): void {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(is)}`)
  console.log(`ok  ${what}`)
}

/** So many calls, some of them at a time. @returns their ends, in the order in which they began */
async function load<T>(count: number, call: (index: number) => Promise<T>): Promise<T[]> {
  const ends: T[] = []
  let next = 0
  const running = Array.from({ length: AT_ONCE }, async () => {
    while (next < count) {
      const index = next++
      ends[index] = await call(index)
    }
  })
  await Promise.all(running)
  return ends
}

async function freePort(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/** Calls until one ends so: a service that was started needs a moment, and so does the proxy that has lost one. */
async function endsWith(status: string, call: () => Promise<Ended>, what: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if ((await call()).status === status) return
    await after(100)
  }
  throw new Error(`${what}: no call ended with ${status}`)
}

async function stop(running: Running): Promise<void> {
  process.kill(running.pid, 'SIGKILL')
  await running.ended
}

/** What its users write: https://www.openpolicyagent.org/docs/envoy */
const POLICY = `
package demo

import rego.v1

request := input.attributes.request.http

token := trim_prefix(request.headers.authorization, "Bearer ")

users := {"alice": "admin", "bob": "user"}

default decision := {"allowed": false, "http_status": 401, "body": "who are you?"}

decision := {"allowed": false, "http_status": 403, "body": "not for you", "headers": {"x-why": "role"}} if {
	users[token] == "user"
	input.parsed_path == ["demo.Echo", "Admin"]
} else := {
	"allowed": true,
	"headers": {"x-user": token, "x-role": users[token], "x-from": input.attributes.source.address.socketAddress.address, "x-context": input.attributes.contextExtensions.from},
	"request_headers_to_remove": ["x-secret"],
	"response_headers_to_add": {"x-decided": "by opa"},
} if {
	users[token]
}
`

async function opa(program: string, transport: Transport): Promise<void> {
  const folder = scratchFolder()
  const [port, restPort] = [await freePort(), await freePort()]
  const plugin = { addr: `127.0.0.1:${port}`, path: 'demo/decision' }
  writeFileSync(path.join(folder, 'policy.rego'), POLICY)
  writeFileSync(path.join(folder, 'opa.yaml'), JSON.stringify({ plugins: { envoy_ext_authz_grpc: plugin } }))
  const files = ['--config-file', path.join(folder, 'opa.yaml'), path.join(folder, 'policy.rego')]
  const begin = () =>
    start(program, ['run', '--server', '--addr', `127.0.0.1:${restPort}`, '--disable-telemetry', ...files])
  let running = begin()
  const scene = new Scene()
  try {
    const gate = authorization({
      ...{ backend: 'asked', timeoutMs: ANSWER_MS, maxAsks: LOAD_CALLS },
      ...{ vouchesFor: ['x-user', 'x-role'], context: { from: 'edge' } },
    })
    const call = await scene.through(gate, transport, port)
    const alice = { authorization: 'Bearer alice' }
    const bob = { authorization: 'Bearer bob' }
    await endsWith(OK, () => call(alice), 'opa has started')
    const stranger = await call()
    check('a stranger is UNAUTHENTICATED', stranger.status === UNAUTHENTICATED && !stranger.request, stranger)
    const denied = await call(bob, '/demo.Echo/Admin')
    check(
      'a user without the role is PERMISSION_DENIED',
      denied.status === PERMISSION_DENIED && !denied.request,
      denied,
    )
    check('and is told what the service says to those who are', denied.response['x-why'] === 'role', denied.response)
    const passed = await call({ ...bob, 'x-user': 'alice', 'x-role': 'admin', 'x-secret': 's', 'x-own': 'mine' })
    const { request, response } = passed
    const { 'x-user': user, 'x-role': role, 'x-from': from, 'x-context': context, 'x-secret': secret } = request ?? {}
    const got = { user, role, from, context, secret, own: request?.['x-own'] }
    check(
      'the backend gets what the service says, and not what the client said under these names',
      JSON.stringify(got) ===
        JSON.stringify({ user: 'bob', role: 'user', from: '127.0.0.1', context: 'edge', own: 'mine' }),
      got,
    )
    check('the client gets what the service says', response['x-decided'] === 'by opa', response)
    for (const path of [
      '/demo.Echo/%41dmin',
      '/demo.Echo/Admin?a=b',
      '//demo.Echo/Admin',
      '/demo.Echo//Admin',
      '/demo.Echo/./Admin',
    ]) {
      const { status, request } = await call(bob, path)
      check(`${path} is not another way to /demo.Echo/Admin`, status !== OK && request === undefined, status)
    }
    const callers = [alice, bob, {}, { authorization: 'Bearer ' }, { authorization: 'Bearer nobody' }]
    const expected = [OK, PERMISSION_DENIED, UNAUTHENTICATED, UNAUTHENTICATED, UNAUTHENTICATED]
    const ends = await load(LOAD_CALLS, i => call(callers[i % callers.length], '/demo.Echo/Admin'))
    const wrong = ends.filter(({ status }, i) => status !== expected[i % expected.length])
    check(`each of ${LOAD_CALLS} calls has its own answer`, wrong.length === 0, wrong[0])
    const during = load(LOAD_CALLS, i => call(callers[i % callers.length], '/demo.Echo/Admin'))
    await stop(running)
    const astray = (await during).filter(
      ({ status }, i) => status !== UNAVAILABLE && status !== expected[i % expected.length],
    )
    check('when it dies, nobody passes who would not have passed', astray.length === 0, astray[0])
    await endsWith(UNAVAILABLE, () => call(alice), 'opa is gone')
    running = begin()
    await endsWith(OK, () => call(alice), 'opa is there again')
    check('when it is there again, calls pass', true, '')
  } finally {
    await scene.end()
    await stop(running)
  }
}

/** By year: no limit begins anew while this runs, but at the end of December. */
const LIMITS = `
domain: edge
descriptors:
  - { key: tenant, value: small, rate_limit: { unit: year, requests_per_unit: 5 } }
  - { key: tenant, value: large, rate_limit: { unit: year, requests_per_unit: 100 } }
  - { key: tenant, value: tried, shadow_mode: true, rate_limit: { unit: year, requests_per_unit: 1 } }
  - key: method
    value: /demo.Echo/Rare
    descriptors:
      - { key: tenant, rate_limit: { unit: hour, requests_per_unit: 1 } }
`

async function rateLimits(program: string, transport: Transport): Promise<void> {
  const root = scratchFolder()
  mkdirSync(path.join(root, 'limits/config'), { recursive: true })
  writeFileSync(path.join(root, 'limits/config/edge.yaml'), LIMITS)
  const [port, httpPort, debugPort] = [await freePort(), await freePort(), await freePort()]
  const begin = () =>
    start(program, [], {
      env: {
        ...process.env,
        ...{ HOST: '127.0.0.1', PORT: String(httpPort), DEBUG_HOST: '127.0.0.1', DEBUG_PORT: String(debugPort) },
        ...{ GRPC_HOST: '127.0.0.1', GRPC_PORT: String(port), RUNTIME_ROOT: root, RUNTIME_SUBDIRECTORY: 'limits' },
        ...{ RUNTIME_WATCH_ROOT: 'false', DISABLE_STATS: 'true', LIMIT_RESPONSE_HEADERS_ENABLED: 'true' },
      },
    })
  let running = begin()
  const scene = new Scene()
  try {
    const gate = (failure: 'open' | 'closed') =>
      globalRateLimit({
        ...{ backend: 'asked', timeoutMs: ANSWER_MS, maxAsks: LOAD_CALLS, domain: 'edge', failure },
        descriptors: [{ tenant: 'metadata:x-tenant' }, { method: 'method', tenant: 'metadata:x-tenant' }],
      })
    const one = await scene.through(gate('closed'), transport, port)
    const other = await scene.through(gate('open'), transport, port)
    await endsWith(OK, () => one({ 'x-tenant': 'nobody' }), 'the service has started')
    const small = { 'x-tenant': 'small' }
    const through = [await one(small), await other(small), await one(small), await other(small), await one(small)]
    check(
      'two proxies have a limit together',
      through.every(({ status }) => status === OK),
      through,
    )
    const over = [await one(small), await other(small)]
    check(
      'and both refuse above it',
      over.every(({ status, request }) => status === RESOURCE_EXHAUSTED && !request),
      over,
    )
    const pushbackMs = Number(over[0]!.response['grpc-retry-pushback-ms'])
    check('with the time until it begins anew', pushbackMs > 0 && pushbackMs < 2 ** 31, pushbackMs)
    const { 'ratelimit-limit': limit, 'ratelimit-remaining': left } = through[0]!.response
    check('the client gets what the service says', /^5\b/.test(String(limit)) && left === '4', { limit, left })
    check('another tenant is not limited by it', (await one({ 'x-tenant': 'other' })).status === OK, '')
    check('without a value there is no question', (await one()).status === OK, '')
    const tried = [await one({ 'x-tenant': 'tried' }), await one({ 'x-tenant': 'tried' })]
    check(
      'a limit in shadow mode refuses nobody',
      tried.every(({ status }) => status === OK),
      tried,
    )
    const rare = await load(10, i => (i % 2 ? one : other)({ 'x-tenant': `t${i}` }, '/demo.Echo/Rare'))
    check(
      'two keys together: each tenant has its own',
      rare.every(({ status }) => status === OK),
      rare,
    )
    const large = await load(1_000, i => (i % 2 ? one : other)({ 'x-tenant': 'large' }))
    const passed = large.filter(({ status }) => status === OK).length
    check('of a thousand calls by two proxies exactly the hundred pass', passed === 100, passed)
    const told = large.filter(({ request }) => request !== undefined).length
    check('and no other comes to the backend', told === 100, told)
    const during = load(LOAD_CALLS, i => (i % 2 ? one : other)(small))
    await stop(running)
    const ends = await during
    const closed = ends.filter((_, i) => i % 2 === 1)
    check(
      'when it dies, `closed` ends calls',
      closed.every(({ status }) => status === RESOURCE_EXHAUSTED || status === UNAVAILABLE),
      closed.map(({ status }) => status).find(status => status === OK),
    )
    await endsWith(UNAVAILABLE, () => one(small), 'the service is gone')
    check('and `open` lets them pass', (await other(small)).status === OK, '')
    running = begin()
    await endsWith(OK, () => one({ 'x-tenant': 'nobody' }), 'the service is there again')
    check('when it is there again, calls pass', true, '')
  } finally {
    await scene.end()
    await stop(running)
  }
}

const SERVICES = [
  { name: 'Open Policy Agent', folder: 'opa-go', scene: opa },
  { name: "envoyproxy's rate limit service", folder: 'ratelimit-go', scene: rateLimits },
]

await main('test:gates:real', async () => {
  for (const { name, folder, scene } of SERVICES) {
    try {
      const program = await build(path.join(import.meta.dirname, folder), { timeoutMs: BUILD_TIMEOUT_MS })
      for (const transport of ['frames', 'native'] as const) {
        console.log(`${name}, asked by ${transport}`)
        await scene(program, transport)
      }
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      console.log(`SKIPPED: ${name}, because ${error.message}`)
    }
  }
  return true
})
