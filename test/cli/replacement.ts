/** A proxy process under load whose successor takes over: new connections, calls on old ones, and long streams. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2'
import net, { type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { field, requestFields } from '../contract/rig.ts'
import { certificates } from '../support/certs.ts'
import { RawClient } from '../support/raw-client.ts'
import type { Scope } from '../support/teardown.ts'
import { until } from '../support/until.ts'
import { type Running, start } from './run.ts'

const HEADERS = { ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc', te: 'trailers' }
const RESPONSE = { ':status': 200, 'content-type': 'application/grpc' }

/** Answers at once, or sends back what comes until the request ends. */
async function backend(t: Scope): Promise<string> {
  const server = http2.createServer()
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    if (headers[':path'] !== '/a.B/Echo') {
      stream.respond({ ...RESPONSE, 'grpc-status': '0' }, { endStream: true })
      return
    }
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.respond(RESPONSE, { waitForTrailers: true })
    stream.pipe(stream)
  })
  server.on('session', session => t.teardown(() => session.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** How a client reaches one of the listeners. */
export interface Door {
  readonly name: string
  readonly connect: () => Promise<Socket>
}

export interface Replaceable {
  readonly proxy: Running
  /** Its exit code; `proxy.exit` waits for all who have its standard output, so for its successor too. */
  readonly ended: Promise<number | null>
  readonly doors: readonly Door[]
  readonly config: string
  readonly pidFile: string
  readonly folder: string
  /** Process ids, the last is in charge. */
  pid(): number
  args(...more: string[]): string[]
}

/** Two TCP listeners, one with TLS, a unix socket, and an admin address. @param graceMs of its drain */
export async function replaceable(t: Scope, graceMs: number): Promise<Replaceable> {
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-replace-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const { server, ca } = await certificates()
  const [config, pidFile, socket] = ['proxy.yaml', 'pid', 'proxy.sock'].map(name => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const listeners = [
    { address: '127.0.0.1:0' },
    { address: '127.0.0.1:0', tls: { cert: server.cert, key: server.key } },
    { address: `unix:${socket}` },
  ]
  const text = {
    listeners,
    backends: { main: { endpoints: [await backend(t)], required: true } },
    admin: { address: '127.0.0.1:0' },
    log: { access: false },
    drain: { graceMs },
  }
  writeFileSync(config, JSON.stringify(text))
  const args = (...more: string[]) => ['serve', '--config', config, '--pid-file', pidFile, ...more]
  const proxy = start(t, ...args())
  const ended = once(proxy.child, 'exit').then(([code]) => code as number | null)
  const [, plain, secure] = await proxy.output(/listening on 127\.0\.0\.1:(\d+)".*listening on 127\.0\.0\.1:(\d+)"/s)
  await proxy.output(/listening on unix:/)
  const pid = () => Number(readFileSync(pidFile, 'utf8'))
  // Successors are not our children.
  t.teardown(() => end(pid))
  const dialTls = () =>
    tls.connect({
      port: Number(secure),
      host: '127.0.0.1',
      servername: 'localhost',
      ca: ca.cert,
      ALPNProtocols: ['h2'],
    })
  const doors = [
    { name: 'tcp', connect: () => connected(net.connect(Number(plain), '127.0.0.1'), 'connect') },
    { name: 'tls', connect: () => connected(dialTls(), 'secureConnect') },
    { name: 'unix', connect: () => connected(net.connect(socket), 'connect') },
  ]
  return { proxy, ended, doors, config, pidFile, folder, pid, args }
}

function end(pid: () => number): void {
  try {
    // A test may have written its own.
    if (pid() !== process.pid) process.kill(pid(), 'SIGKILL')
  } catch {
    // It has ended, and its file has gone with it.
  }
}

async function connected(socket: Socket, event: string): Promise<Socket> {
  await once(socket, event)
  return socket
}

/** What calls came to. */
export class Tally {
  calls = 0
  /** Calls that did not end with OK, and connections that were not to be had: none may be. */
  readonly wrong: string[] = []
  readonly latenciesMs: number[] = []

  async count(what: string, call: () => Promise<unknown>): Promise<void> {
    const begin = performance.now()
    try {
      const status = await call()
      if (status !== '0') this.wrong.push(`${what}: grpc-status ${status}`)
    } catch (error) {
      this.wrong.push(`${what}: ${error}`)
    }
    this.calls++
    this.latenciesMs.push(performance.now() - begin)
  }
}

/** A connection, one call, and its end. The request goes out with the preface. @returns its status */
export async function callOnce({ connect }: Door): Promise<string | undefined> {
  const client = new RawClient(await connect(), 'client', {})
  const id = client.request(requestFields(), { endStream: true })
  const came = await client.ended(id)
  client.destroy()
  return field(came.at(-1), 'grpc-status')
}

/**
 * Calls on one connection, as long as the proxy has it; then on the next. A call that came too late for a connection was
 * not processed (RFC 9113 §6.8), and goes to the next one as it does with every gRPC client.
 */
export async function callOn(door: Door, tally: Tally, over: () => boolean): Promise<void> {
  let client = await session(door)
  const once = async (): Promise<unknown> => {
    if (client.leaving) client = await session(door)
    try {
      return await statusOf(client.session.request(HEADERS, { endStream: true }))
    } catch (error) {
      if (!client.leaving || !/REFUSED_STREAM|GOAWAY_SESSION/.test(`${(error as NodeJS.ErrnoException).code} ${error}`))
        throw error
      return once()
    }
  }
  while (!over()) await tally.count(`a call on ${door.name}`, once)
  client.session.close()
}

interface Session {
  readonly session: ClientHttp2Session
  leaving: boolean
}

async function session(door: Door): Promise<Session> {
  const socket = await door.connect()
  const session = http2.connect('http://localhost', { createConnection: () => socket })
  const made = { session, leaving: false }
  session.on('goaway', () => {
    made.leaving = true
  })
  session.on('error', () => {
    // Its calls tell it.
  })
  return made
}

function statusOf(stream: ClientHttp2Stream): Promise<unknown> {
  return new Promise((resolve, reject) => {
    stream.on('response', headers => resolve(headers['grpc-status']))
    stream.on('error', reject)
    stream.on('close', () => reject(new Error('ended without an answer')))
    stream.resume()
  })
}

/** A call that lasts, and what is said in it comes back. */
export class LongStream {
  readonly #stream: ClientHttp2Stream
  said = 0
  heard = 0
  status: unknown
  readonly ended: Promise<void>

  constructor(socket: Socket) {
    const client = http2.connect('http://localhost', { createConnection: () => socket })
    client.on('error', () => {})
    const stream = client.request({ ...HEADERS, ':path': '/a.B/Echo' })
    stream.on('data', (bytes: Buffer) => {
      this.heard += bytes.length
    })
    stream.on('trailers', trailers => {
      this.status = trailers['grpc-status']
    })
    stream.on('error', error => {
      this.status ??= String(error)
    })
    this.ended = new Promise(resolve => stream.on('close', () => resolve(client.close())))
    this.#stream = stream
  }

  static async open(door: Door): Promise<LongStream> {
    const one = new LongStream(await door.connect())
    await one.say()
    return one
  }

  /** Resolves when it came back. Five bytes: an empty message. */
  async say(): Promise<void> {
    this.said += 5
    this.#stream.write(Buffer.alloc(5))
    await until('what was said comes back', () => this.heard === this.said || this.#stream.destroyed)
  }

  finish(): Promise<void> {
    this.#stream.end()
    return this.ended
  }
}
