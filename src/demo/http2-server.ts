/**
 * A small gRPC server on node:http2 that carries the test service: the backend of the `demo`
 * command, and a server that a test can have in its own process.
 */
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import { Status } from '../grpc/status.ts'
import { parseTimeout } from '../grpc/timeout.ts'
import { type AnyHandler, CallError } from './call.ts'
import { refuse, ServerCall } from './http2-server-call.ts'
import { METHODS } from './proto.ts'
import { createTestService, type TestService, type TestServiceOptions } from './service.ts'

export interface TestServer {
  /** Listening or not: it also takes connections by `accept` and `connect`. */
  readonly server: Http2Server
  readonly service: TestService
  /** Serves a client at the other end of any byte stream. */
  accept(connection: Duplex): void
  /** A connection to this server inside the process; fits a backend's `connect`. */
  connect(): Duplex
  /** Ends every connection at once, calls in flight included, and stops listening. */
  close(): Promise<void>
}

export interface StartedTestServer extends TestServer {
  readonly port: number
  /** `127.0.0.1:41234`. */
  readonly address: string
}

/**
 * Clients of tests cancel thousands of calls a second; by default about 1,000 of them end the connection with GOAWAY.
 */
const RESETS_PER_SECOND = 1_000_000

/** Makes a server that does not listen yet. */
export function createTestServer(options: TestServiceOptions): TestServer {
  const service = createTestService(options)
  const server = createServer({
    streamResetBurst: RESETS_PER_SECOND,
    streamResetRate: RESETS_PER_SECOND,
  })
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', session => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', () => {})
  })
  server.on('sessionError', () => {})
  server.on('stream', (stream, headers, _flags, rawHeaders) => {
    // The call learns of a broken stream by 'close'.
    stream.on('error', () => {})
    void serve(stream as ServerHttp2Stream, headers, rawHeaders, service)
  })
  const accept = (connection: Duplex): void => {
    connection.on('error', () => {})
    server.emit('connection', connection)
  }
  return {
    server,
    service,
    accept,
    connect() {
      const [ours, theirs] = duplexPair()
      accept(ours)
      return theirs
    },
    async close() {
      const closed = server.listening ? new Promise<void>(resolve => server.close(() => resolve())) : undefined
      for (const session of sessions) session.destroy()
      await closed
    },
  }
}

/**
 * Makes a server and listens.
 * @param options host: 127.0.0.1 by default; port: 0 by default, a free one
 * @throws the error of `listen`, such as EADDRINUSE
 */
export async function startTestServer(
  options: TestServiceOptions & {
    readonly host?: string
    readonly port?: number
  },
): Promise<StartedTestServer> {
  const { host = '127.0.0.1', port = 0 } = options
  const testServer = createTestServer(options)
  await new Promise<void>((resolve, reject) => {
    testServer.server.once('error', reject)
    testServer.server.listen(port, host, resolve)
  })
  const bound = (testServer.server.address() as AddressInfo).port
  return {
    ...testServer,
    port: bound,
    address: `${host.includes(':') ? `[${host}]` : host}:${bound}`,
  }
}

async function serve(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  service: TestService,
): Promise<void> {
  // "If Content-Type does not begin with "application/grpc", gRPC servers SHOULD respond with HTTP
  // status of 415" (PROTOCOL-HTTP2.md, "Requests").
  if (!headers['content-type']?.startsWith('application/grpc')) {
    stream.respond({ ':status': 415 }, { endStream: true })
    stream.resume()
    return
  }
  const path = headers[':path'] ?? ''
  const method = METHODS.get(path)
  const handler = service.handlers.get(path)
  const timeout = headers['grpc-timeout']?.toString()
  const timeoutMs = timeout === undefined ? undefined : parseTimeout(timeout)
  if (method === undefined || handler === undefined) {
    refuse(stream, new CallError(Status.UNIMPLEMENTED, `unknown method ${path}`))
  } else if (timeout !== undefined && timeoutMs === undefined) {
    refuse(stream, new CallError(Status.INTERNAL, `malformed grpc-timeout ${timeout}`))
  } else {
    await run(new ServerCall(stream, rawHeaders, method, timeoutMs), handler)
  }
}

async function run(call: ServerCall, handler: AnyHandler): Promise<void> {
  try {
    await handler(call)
    call.finish()
  } catch (error) {
    call.finish(error)
  }
}
