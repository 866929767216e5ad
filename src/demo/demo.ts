/**
 * The `demo` command: two backends, the proxy before them, a few calls of each kind through it,
 * described in plain words. Then it serves until it is closed.
 */

import { createProxy } from '../config/create-proxy.ts'
import { statusName } from '../grpc/status.ts'
import { CallError, textOf } from './call.ts'
import { connectTestClient, type TestClient } from './http2-client.ts'
import { startTestServer } from './http2-server.ts'
import type { PingReply } from './messages.ts'
import { usageLines } from './usage-lines.ts'

const DEFAULT_PORT = 8080
const BACKEND_NAMES = ['amber', 'birch']

export interface DemoOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** 0 takes a free one. Default: the environment's PORT, else 8080. */
  readonly port?: number
  /** Takes each line; default: standard output. */
  readonly out?: (line: string) => void
}

export interface Demo {
  readonly port: number
  /** `127.0.0.1:8080`. */
  readonly address: string
  /** Lets calls in flight finish for so long, then closes. Default: the proxy's own. */
  drain(graceMs?: number): Promise<void>
  /** Ends everything at once. */
  close(): Promise<void>
}

/** The demo cannot run, for a reason that its user can change: the message is one clear sentence. */
export class DemoError extends Error {
  override readonly name = 'DemoError'
  /** The system's code, such as EADDRINUSE, where there is one. */
  readonly code: string | undefined

  constructor(message: string, cause?: NodeJS.ErrnoException) {
    super(message, { cause })
    this.code = cause?.code
  }
}

/**
 * Starts the demo, shows its calls, and leaves it serving.
 * @throws DemoError when the port is busy, not permitted or not a port
 */
export async function runDemo(options: DemoOptions = {}): Promise<Demo> {
  const {
    host = '127.0.0.1',
    port = portOf(process.env.PORT),
    out = line => void process.stdout.write(`${line}\n`),
  } = options
  const backends = await Promise.all(BACKEND_NAMES.map(name => startTestServer({ name })))
  const proxy = createProxy({
    backends: { demo: { endpoints: backends.map(({ address }) => `http://${address}`) } },
    // The demo tells its story below; the log is only for what goes wrong.
    log: { level: 'warn' },
  })
  const closeBackends = (): Promise<unknown> => Promise.all(backends.map(backend => backend.close()))
  const demo = {
    async drain(graceMs?: number) {
      await proxy.drain(graceMs)
      await closeBackends()
    },
    async close() {
      await proxy.close()
      await closeBackends()
    },
  }
  try {
    const bound = await proxy.listen({ host, port }).catch(error => Promise.reject(listenFailure(error, host, port)))
    out('Started two gRPC servers, and the proxy before them:')
    for (const backend of backends) out(`  endpoint "${backend.service.name}"  ${backend.address}`)
    out(`  proxy             ${bound.address}`)
    out('')
    await showCalls(bound.address, out)
    for (const line of usageLines(bound.address)) out(line)
    return { ...demo, port: bound.port, address: bound.address }
  } catch (error) {
    await demo.close()
    throw error
  }
}

/** @throws DemoError when PORT is not a port */
function portOf(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_PORT
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw new DemoError(`PORT is "${text}", which is not a port: give a number from 0 to 65535, 0 for a free one.`)
}

function listenFailure(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const other = port === DEFAULT_PORT ? DEFAULT_PORT + 1 : DEFAULT_PORT
  const advice = `choose another: PORT=${other} npm start (or PORT=0 for any that is free)`
  switch (error.code) {
    case 'EADDRINUSE':
      return new DemoError(`Port ${port} on ${host} is in use by another program; ${advice}.`, error)
    case 'EACCES':
      return new DemoError(`This user may not listen on port ${port}; ${advice}.`, error)
    default:
      return error
  }
}

async function showCalls(address: string, out: (line: string) => void): Promise<void> {
  const client = connectTestClient(address)
  out('Calls through the proxy, all on one client connection:')
  try {
    await showUnary(client, out)
    await showServerStream(client, out)
    await showBidirectional(client, out)
    await showError(client, out)
  } finally {
    client.close()
  }
  out('')
}

async function showUnary(client: TestClient, out: (line: string) => void): Promise<void> {
  for (const value of ['one', 'two', 'three']) {
    const reply = await client.unary<PingReply>('Ping', { value })
    out(`  unary           sent "${reply.value}", one reply; answered by "${reply.server}"`)
  }
}

async function showServerStream(client: TestClient, out: (line: string) => void): Promise<void> {
  const call = client.call<PingReply>('PingList', [{ count: 5, payload_size: 1000 }])
  let count = 0
  let bytes = 0
  let server = ''
  for await (const reply of call.replies) {
    count += 1
    bytes += reply.payload.length
    server = reply.server
  }
  out(`  server stream   one request, ${count} replies with ${bytes} bytes; answered by "${server}"`)
}

async function showBidirectional(client: TestClient, out: (line: string) => void): Promise<void> {
  const words = ['ping', 'and', 'again']
  const call = client.call<PingReply>(
    'PingStream',
    words.map(value => ({ value })),
    [['x-echo', 'hello']],
  )
  const echo = textOf(await call.headers, 'x-echo')
  const replies: PingReply[] = []
  for await (const reply of call.replies) replies.push(reply)
  const echoed = replies.map(({ value }) => `"${value}"`).join(' ')
  out(`  bidirectional   each message came back: ${echoed}; answered by "${replies[0]?.server}"`)
  out(`                  and our metadata came back as a response header: x-echo: ${echo}`)
}

async function showError(client: TestClient, out: (line: string) => void): Promise<void> {
  const error = { code: 5, message: 'there is no such thing' }
  // An error has no reply that could name the server, but the headers name it.
  const call = client.call('PingError', [{ error, headers_first: true }])
  const server = textOf(await call.headers, 'x-test-server')
  try {
    for await (const _ of call.replies);
  } catch (failure) {
    if (!(failure instanceof CallError)) throw failure
    out(
      `  error           status ${failure.code} ${statusName(failure.code)}: "${failure.message}"; answered by "${server}"`,
    )
  }
}
