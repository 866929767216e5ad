/** Servers and plans for tests of `bench`. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http2, { type Http2Session, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { runBench } from '../../src/bench/command.ts'
import type { BenchOptions } from '../../src/bench/options.ts'
import { type Plan, planOf } from '../../src/bench/plan.ts'
import type { Report } from '../../src/bench/report.ts'
import { Way } from '../../src/bench/way.ts'
import type { Scope } from '../support/teardown.ts'

export const METHOD = '/pkg.Service/Method'
export const PROTO = path.join(import.meta.dirname, '../../fixtures/proto/testservice.proto')

export type Handler = (stream: ServerHttp2Stream, session: ServerHttp2Session) => void

export interface Served {
  /** `127.0.0.1:41234` */
  readonly address: string
  readonly sessions: Set<ServerHttp2Session>
  /** Connections so far. */
  connections: number
}

/** A plaintext HTTP/2 server that does with streams what it is told. */
export async function serve(t: Scope, handler: Handler): Promise<Served> {
  const server = http2.createServer()
  const served: Served = { address: '', sessions: new Set(), connections: 0 }
  server.on('session', session => {
    served.connections++
    served.sessions.add(session)
    session.on('close', () => served.sessions.delete(session))
    session.on('error', () => {})
  })
  server.on('stream', stream => {
    stream.on('error', () => {})
    stream.resume()
    handler(stream as ServerHttp2Stream, stream.session as ServerHttp2Session)
  })
  const address = await listening(t, server)
  t.teardown(() => {
    for (const session of served.sessions) session.destroy()
  })
  return Object.assign(served, { address })
}

/** Listens on a free port until the test ends. */
export async function listening(t: Scope, server: Server | http2.Http2Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A whole gRPC response: one empty message, or none, and a status. */
export function answer(stream: ServerHttp2Stream, status = 0, message?: string): void {
  if (stream.destroyed) return
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => {
    stream.sendTrailers({ 'grpc-status': status, ...(message === undefined ? {} : { 'grpc-message': message }) })
  })
  if (status === 0) stream.end(Buffer.alloc(5))
  else stream.end()
}

/** A gRPC response with status OK and this in it, in as many frames. */
export function answerWith(stream: ServerHttp2Stream, ...frames: Buffer[]): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  for (const frame of frames) stream.write(frame)
  stream.end()
}

/** The connection breaks. In a later turn: Node 22 aborts when more frames of the same read follow. */
export function lose(session: Http2Session): void {
  setImmediate(() => session.destroy())
}

/** Short: 20 slices of 10 ms, and no warm-up. */
export function quick(options: BenchOptions): BenchOptions {
  return { path: METHOD, duration: '0.2', warmUp: '0', ...options }
}

/** A way to one server, open, closed when the test ends. */
export async function wayTo(t: Scope, direct: string, options: BenchOptions = {}): Promise<Way> {
  const plan: Plan = planOf(quick({ direct, ...options }))
  const way = new Way({ ...plan, plan: plan.ways[0]! })
  t.teardown(() => way.close())
  await way.open()
  return way
}

export function folder(t: Scope): string {
  const made = mkdtempSync(path.join(os.tmpdir(), 'grpc-verbatim-bench-'))
  t.teardown(() => rmSync(made, { recursive: true }))
  return made
}

export interface Told {
  readonly code: number
  readonly out: string
  readonly error: string
  readonly report: Report | undefined
}

/** The command as a whole, in this process. */
export async function bench(t: Scope, options: BenchOptions, signal = new AbortController().signal): Promise<Told> {
  const json = path.join(folder(t), 'report.json')
  const told = { out: '', error: '' }
  const code = await runBench(quick({ json, ...options }), signal, {
    out: text => {
      told.out += `${text}\n`
    },
    error: text => {
      told.error += `${text}\n`
    },
  })
  let report: Report | undefined
  try {
    report = JSON.parse(readFileSync(json, 'utf8'))
  } catch {}
  return { code, ...told, report }
}
