/**
 * How long sessions live, against real servers: `npm run test:lifetimes`. A server that counts PINGs is content with those
 * that it allows, and is obeyed when it is not; a server that ends its connections each two seconds costs no call; calls at
 * a frozen server end. `-- --defaults` asks each server for 21 minutes with the default interval, and nothing else.
 */
import http2 from 'node:http2'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Status } from '../../src/grpc/status.ts'
import { createProxy, type GrpcProxy, type ProxyOptions } from '../../src/index.ts'
import { ECHO, SLOW } from './odd-requests.ts'
import { type GoLimits, grpcGo, PEERS, type Peer, type Server, Unavailable } from './programs.ts'

const { values } = parseArgs({
  options: {
    defaults: { type: 'boolean', default: false },
    transports: { type: 'string', default: 'frames,native' },
    seconds: { type: 'string', default: '30' },
    only: { type: 'string', default: '' },
    peers: { type: 'string', default: PEERS.map(({ name }) => name).join(',') },
  },
})
const asked = PEERS.filter(({ name }) => values.peers.split(',').includes(name))
type Transport = 'frames' | 'native'
type Backend = NonNullable<ProxyOptions['backends']>[string]

/** What the proxy logs at `warn` and `debug` of its endpoints. */
interface Said {
  readonly msg: string
  readonly detail?: string
}

interface Scene {
  readonly proxy: GrpcProxy
  readonly client: Client
  readonly said: Said[]
  stop(): Promise<void>
}

/** One connection to the proxy, with as many calls as are wanted. Nothing of it tries a call again. */
class Client {
  readonly #session: http2.ClientHttp2Session

  constructor(port: number) {
    this.#session = http2.connect(`http://127.0.0.1:${port}`)
    this.#session.on('error', () => {})
  }

  #open(path: string): http2.ClientHttp2Stream {
    return this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
  }

  /** A call that says one message. @param holdMs how long it stays open after the answer @returns its grpc-status */
  call(path = ECHO, holdMs = 0): Promise<string> {
    const stream = this.#open(path)
    const message = Buffer.concat([Buffer.from([0, 0, 0, 0, 8]), Buffer.from('question')])
    return new Promise(resolve => {
      let status = 'none'
      let bytes = 0
      stream.on('response', headers => (status = told(headers) ?? status))
      stream.on('trailers', trailers => (status = told(trailers) ?? status))
      stream.on('data', (chunk: Buffer) => (bytes += chunk.length))
      stream.on('error', error => (status = error.message))
      stream.on('close', () => resolve(status === '0' && bytes !== message.length ? `${bytes} bytes` : status))
      if (holdMs === 0) return stream.end(message)
      stream.write(message)
      setTimeout(() => stream.end(), holdMs)
    })
  }

  /** A call that says nothing, until it ends. @returns its grpc-status, and what the proxy says of it */
  silent(): { readonly ended: Promise<string>; cancel(): void } {
    const stream = this.#open(ECHO)
    const ended = new Promise<string>(resolve => {
      let status = 'none'
      const tell = (headers: http2.IncomingHttpHeaders) => (status = told(headers) ?? status)
      stream.on('response', tell).on('trailers', tell)
      stream.on('error', () => {}).on('close', () => resolve(status))
      stream.resume()
    })
    return { ended, cancel: () => stream.close(http2.constants.NGHTTP2_CANCEL) }
  }

  close(): void {
    this.#session.destroy()
  }
}

/** `0`, or `14 upstream-lost`. */
function told(headers: http2.IncomingHttpHeaders): string | undefined {
  const status = headers['grpc-status']
  return status === undefined ? undefined : [status, headers['x-grpc-verbatim-error']].filter(Boolean).join(' ')
}

async function scene(transport: Transport, servers: readonly Server[], backend: Omit<Backend, 'endpoints'>) {
  const said: Said[] = []
  const tell = (fields: { detail?: string }, msg: string): void => void said.push({ ...fields, msg })
  const nothing = (): void => {}
  const logger = { level: 'debug', info: nothing, debug: tell, warn: tell, error: tell, flush: nothing }
  const endpoints = servers.map(({ port }) => `127.0.0.1:${port}`)
  const proxy = createProxy({
    backends: { main: { endpoints, transport, ...backend } },
    log: { access: false },
    logger: { ...logger, child: () => logger } as never,
  })
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0, transport })
  const client = new Client(port)
  const stop = async (): Promise<void> => {
    client.close()
    await proxy.close()
    for (const server of servers) server.stop()
  }
  return { proxy, client, said, stop } satisfies Scene
}

function go(count: number, limits: GoLimits): Promise<Server[]> {
  return Promise.all(Array.from({ length: count }, () => grpcGo(limits)))
}

/** How many calls ended with which status. */
type Counts = Map<string, number>

function count(counts: Counts, status: string): void {
  counts.set(status, (counts.get(status) ?? 0) + 1)
}

function shown(counts: Counts): string {
  return [...counts].map(([status, count]) => `${count} with ${status}`).join(', ')
}

/** Why it failed, or undefined. */
type Check = (transport: Transport) => Promise<string | undefined>

const CALLING_MS = 8_000
const KEEPALIVE = { intervalMs: 1_000, timeoutMs: 5_000 }

/** The server allows one PING a second, and that is what it gets. Three too early would end the session. */
async function asOftenAsAllowed(transport: Transport): Promise<string | undefined> {
  const { client, said, stop } = await scene(transport, await go(1, { minTime: '1s' }), { keepalive: KEEPALIVE })
  const call = client.silent()
  const ended = await Promise.race([call.ended, pause(12_000, undefined)])
  call.cancel()
  await stop()
  const ends = said.filter(({ detail }) => detail?.includes('GOAWAY'))
  if (ended !== undefined || ends.length > 0) return `the call ended with ${ended}: ${JSON.stringify(said)}`
  return undefined
}

/** The server allows one each three seconds: it says so, and the interval doubles until that is so. */
async function tooMany(transport: Transport): Promise<string | undefined> {
  const { client, said, stop } = await scene(transport, await go(1, { minTime: '3s' }), { keepalive: KEEPALIVE })
  const ends: string[] = []
  // With each second, so that a session is lost two times: 1 s, 2 s, 4 s.
  for (let i = 0; i < 2; i++) ends.push(await client.silent().ended)
  const last = client.silent()
  const ended = await Promise.race([last.ended, pause(20_000, undefined)])
  last.cancel()
  await stop()
  const slower = said.filter(({ msg }) => msg === 'endpoint asked-too-often').map(({ detail }) => detail)
  if (ended !== undefined) return `the third call ended with ${ended}: ${JSON.stringify(said)}`
  if (slower.length !== 2 || !slower[1]!.includes('4000 ms')) return `it says ${slower.join('; ')}`
  if (ends.some(status => status !== '14 upstream-lost')) return `the calls ended with ${ends}`
  return undefined
}

/** Calls of all lengths to two servers, while sessions to them end or are replaced again and again. */
async function load(transport: Transport, limits: GoLimits, backend: Omit<Backend, 'endpoints'>) {
  const servers = await go(2, limits)
  const { client, said, stop } = await scene(transport, servers, backend)
  const ends = Date.now() + Number(values.seconds) * 1_000
  const counts: Counts = new Map()
  const caller = async (path: string, holdMs: number): Promise<void> => {
    while (Date.now() < ends) {
      count(counts, await client.call(path, holdMs))
    }
  }
  const callers = [
    ...Array.from({ length: 20 }, () => caller(ECHO, 0)),
    ...Array.from({ length: 10 }, () => caller(SLOW, 0)),
    // Their connection is told to leave while they last, and they end before its grace period does.
    ...Array.from({ length: 10 }, (_, i) => caller(ECHO, 100 * (i + 1))),
  ]
  await Promise.all(callers)
  await stop()
  const replaced = said.filter(({ msg }) => msg === 'endpoint connected').length - servers.length
  console.log(`  ${transport}: ${shown(counts)}; ${replaced} sessions took the place of others`)
  if (counts.size !== 1 || !counts.has('0')) return shown(counts)
  return replaced < 2 ? `only ${replaced} sessions took the place of others` : undefined
}

/** Two servers end their connections each two seconds. */
function rotations(transport: Transport): Promise<string | undefined> {
  return load(transport, { age: '2s', grace: '2s' }, {})
}

/** The proxy replaces its own sessions each second. */
function replacements(transport: Transport): Promise<string | undefined> {
  return load(transport, {}, { sessions: { max: 1, maxAgeMs: 1_000, ageGraceMs: 2_000 } })
}

/** Calls of a client of some library, one after the other, eight at a time. @returns how many ended how */
async function calls(peer: Peer, port: number): Promise<{ readonly version: string; readonly counts: Counts }> {
  const caller = await peer.call!(`127.0.0.1:${port}`)
  const ends = Date.now() + CALLING_MS
  const counts: Counts = new Map()
  const go = async (path: string): Promise<void> => {
    while (Date.now() < ends) {
      const { code, message } = await caller.call(path)
      count(counts, code === 0 ? '0' : `${code} ${message}`)
    }
  }
  await Promise.all(Array.from({ length: 8 }, (_, i) => go(i < 4 ? ECHO : SLOW)))
  caller.stop()
  return { version: caller.version, counts }
}

/**
 * The proxy tells its clients to leave after a second, again and again. A client loses no call, but one that loses some at
 * a server of grpc-go that does the same: grpclib takes the first GOAWAY for the end, tonic gives calls to a connection that
 * has just ended.
 */
async function clientsLeave(transport: Transport): Promise<string | undefined> {
  const failed: string[] = []
  for (const peer of asked) {
    if (peer.call === undefined) continue
    const [server] = await go(1, {})
    const [rotating] = await go(1, { age: '1s', grace: '1m' })
    const backends = { main: { endpoints: [`127.0.0.1:${server!.port}`], transport } }
    const proxy = createProxy({ backends, log: { level: 'silent' }, limits: { clientMaxAgeMs: 1_000 } })
    const { port } = await proxy.listen({ host: '127.0.0.1', port: 0, transport })
    try {
      const { version, counts } = await calls(peer, port)
      const direct = await calls(peer, rotating!.port)
      console.log(`  ${transport}, ${version}: ${shown(counts)}; at grpc-go: ${shown(direct.counts)}`)
      if (counts.size > 1 && direct.counts.size === 1) failed.push(`${version}: ${shown(counts)}`)
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      console.log(`  SKIPPED: ${peer.name}, because ${error.message}`)
    } finally {
      await proxy.close()
      server!.stop()
      rotating!.stop()
    }
  }
  return failed.length === 0 ? undefined : failed.join('; ')
}

/** One of two servers stands still: its calls end, new ones go to the other, and it is used again later. */
async function frozen(transport: Transport): Promise<string | undefined> {
  const servers = await go(2, { minTime: '1s' })
  const keepalive = { intervalMs: 1_000, timeoutMs: 1_000 }
  const { client, stop } = await scene(transport, servers, { keepalive })
  try {
    const calls = Array.from({ length: 8 }, () => client.silent())
    for (let i = 0; i < 4; i++) await client.call()
    process.kill(servers[0]!.pid!, 'SIGSTOP')
    const ended = await Promise.all(calls.map(({ ended }) => Promise.race([ended, pause(10_000, undefined)])))
    for (const { cancel } of calls) cancel()
    const lost = ended.filter(status => status === '14 upstream-lost').length
    if (lost !== 4 || ended.filter(status => status === undefined).length !== 4) return `calls ended with ${ended}`
    for (let i = 0; i < 20; i++) {
      const status = await client.call()
      if (status !== String(Status.OK)) return `a call after it ended with ${status}`
    }
    process.kill(servers[0]!.pid!, 'SIGCONT')
    return undefined
  } finally {
    await stop()
  }
}

/** One call each that says nothing, and time enough for four PINGs: at the third that is too early servers end a session. */
async function defaults(transport: Transport): Promise<string | undefined> {
  const failed: string[] = []
  await Promise.all(
    asked.map(async peer => {
      // Its server waits a minute for a request.
      if (peer.name === 'nghttpd') return
      const server = await peer.serve().catch((error: unknown) => {
        if (!(error instanceof Unavailable)) throw error
        console.log(`  SKIPPED: ${peer.name}, because ${error.message}`)
      })
      if (server === undefined) return
      const { client, said, stop } = await scene(transport, [server], { keepalive: {} })
      const call = client.silent()
      const ended = await Promise.race([call.ended, pause(1_260_000, undefined)])
      const ends = said.filter(({ detail }) => detail?.includes('GOAWAY'))
      if (ended !== undefined || ends.length > 0)
        failed.push(`${server.version}: the call ended with ${ended}: ${JSON.stringify(ends)}`)
      else console.log(`  ${transport}: ${server.version} is content`)
      call.cancel()
      await stop()
    }),
  )
  return failed.length === 0 ? undefined : failed.join('; ')
}

const CHECKS: Readonly<Record<string, Check>> = values.defaults
  ? { 'the default interval': defaults }
  : {
      'as many PINGs as are allowed': asOftenAsAllowed,
      'too many PINGs': tooMany,
      'connections that end each two seconds': rotations,
      'sessions that are replaced each second': replacements,
      'clients that are told to leave each second': clientsLeave,
      'a frozen server': frozen,
    }

let failures = 0
async function run(name: string, transport: Transport, check: Check): Promise<void> {
  try {
    const why = await check(transport)
    if (why !== undefined) failures++
    console.log(`${name}, ${transport}: ${why === undefined ? 'ok' : `FAILED: ${why}`}`)
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    console.log(`SKIPPED: ${name}, because ${error.message}`)
  }
}
const transports = values.transports.split(',') as Transport[]
for (const [name, check] of Object.entries(CHECKS)) {
  if (!name.includes(values.only)) continue
  await Promise.all(transports.map(transport => run(name, transport, check)))
}
console.log(`${failures} failed`)
process.exit(failures === 0 ? 0 : 1)
