/** Backends for tests of the load: the suite's own as a process, and servers that answer as a test says. */
import { once } from 'node:events'
import http2, { type Http2SecureServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type BackendOptions, startBackend } from '../../../bench/load/backend-process.ts'
import type { LoadOptions, Shape } from '../../../bench/load/shape.ts'
import { Child } from '../../../bench/measure/child.ts'
import { NODE } from '../../../bench/subjects/node.ts'
import { BULK_BYTES, BULK_PATH, grpcMessage, SMALL_BYTES } from '../../../bench/subjects/world.ts'
import type { Scope } from '../../support/teardown.ts'

const LIMIT_MS = 60_000

export const SMALL: Shape = { kind: 'unary', requestBytes: SMALL_BYTES, responseBytes: SMALL_BYTES }
/** Too large for an image, so that streams of the wire layer carry it. */
export const LARGER: Shape = { kind: 'unary', requestBytes: 2_000, responseBytes: SMALL_BYTES }

/** @returns its port */
export async function backend(t: Scope, options: BackendOptions = {}): Promise<number> {
  const { child, port } = await startBackend(options)
  t.teardown(() => child.kill())
  return port
}

/** A program of bench/load with one argument, whatever becomes of it. */
async function run(program: string, ...args: string[]): Promise<{ code: number; child: Child }> {
  const path = fileURLToPath(new URL(`../../../bench/load/${program}`, import.meta.url))
  const child = new Child({ command: NODE, args: [path, ...args], core: 1 })
  const timer = setTimeout(() => child.killNow(), LIMIT_MS)
  const code = await child.ended
  clearTimeout(timer)
  return { code, child }
}

export function runGenerator(options: LoadOptions): Promise<{ code: number; child: Child }> {
  return run('generate.ts', JSON.stringify(options))
}

export interface NodeServer {
  readonly port: number
  /** Connections that came. */
  readonly sessions: () => number
}

/** A server of `node:http2` that answers each call with one message, as large as call-plan.ts says. */
export async function nodeServer(t: Scope, tls?: { cert: string; key: string }): Promise<NodeServer> {
  const server: Http2Server | Http2SecureServer = tls ? http2.createSecureServer(tls) : http2.createServer()
  let sessions = 0
  const open = new Set<{ destroy(): void }>()
  server.on('session', session => {
    sessions++
    open.add(session)
    session.on('close', () => open.delete(session))
    session.on('error', () => {})
  })
  server.on('stream', (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    const echoed = headers[':path'] === BULK_PATH ? BULK_BYTES : SMALL_BYTES
    const message = grpcMessage(Number(headers['x-response-bytes'] ?? echoed))
    stream.on('error', () => {})
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.end(message)
    })
    stream.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const session of open) session.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, sessions: () => sessions }
}
