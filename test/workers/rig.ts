/** `serve` with workers, as processes: a backend, clients that count how their calls ended, and the admin address. */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http2, { type ClientHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Running, start, startNode } from '../cli/run.ts'
import { arrival } from '../support/arrival.ts'
import { PATIENCE_MS } from '../support/inbox.ts'
import type { Scope } from '../support/teardown.ts'
import { until } from '../support/until.ts'

export interface Backend {
  readonly url: string
  /** Calls that it has begun to answer. */
  readonly calls: () => number
}

/** Answers each call with OK at once, but those of `/a.B/Hold` never. */
export async function backend(t: Scope): Promise<Backend> {
  const server = http2.createServer()
  let calls = 0
  server.on('session', session => {
    session.on('error', () => {})
    t.teardown(() => session.destroy())
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    calls++
    if (headers[':path'] === '/a.B/Hold') return
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.resume().end(Buffer.from([0, 0, 0, 0, 0]))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls: () => calls }
}

export interface Served {
  readonly proxy: Running
  readonly folder: string
  readonly file: string
  /** `127.0.0.1:…`, of the first listener. */
  readonly address: string
  /** The text of an admin page. */
  page(path: string, method?: 'GET' | 'POST'): Promise<string>
  /** Samples of the metrics whose line begins so, by the text up to the value. */
  metrics(begin: string): Promise<Map<string, number>>
  /** Resolves when this worker serves. */
  ready(worker: number): Promise<void>
  /** Writes the file again. */
  write(yaml: string): void
  /** Lines of the log so far, as objects. */
  lines(): Record<string, unknown>[]
}

export interface ServeOptions {
  /** Files in the folder, by name. */
  readonly files?: Readonly<Record<string, string>>
  /** Instead of the command line: gets the path of the configuration. */
  readonly program?: string
}

/** @param yaml all but the admin address; `FOLDER` in it is one for files and sockets */
export async function serve(t: Scope, yaml: string, { files = {}, program }: ServeOptions = {}): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'workers-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'proxy.yaml')
  const admin = join(folder, 'admin.sock')
  const write = (text: string) =>
    writeFileSync(file, `${text.replaceAll('FOLDER', folder)}\nadmin: { address: "unix:${admin}" }\n`)
  write(yaml)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const proxy = program === undefined ? start(t, 'serve', '--config', file) : startNode(t, program, file)
  let log = ''
  proxy.child.stdout!.on('data', text => {
    log += text
  })
  const [, address] = await proxy.output(/listening on (127\.0\.0\.1:\d+)/)
  const page = (path: string, method: 'GET' | 'POST' = 'GET') => askUnix(admin, path, method)
  const metrics = async (begin: string) => {
    const lines = (await page('/metrics')).split('\n').filter(line => line.startsWith(begin))
    return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
  }
  return {
    ...{ proxy, folder, file, write, page, metrics },
    address: address!,
    ready: worker => {
      const line = `grpc_verbatim_worker_ready{worker="${worker}"}`
      return eventually(`worker ${worker} is ready`, async () => (await metrics(line)).get(line) === 1)
    },
    lines: () =>
      log
        .split('\n')
        .slice(0, -1)
        .map(line => JSON.parse(line)),
  }
}

async function askUnix(socketPath: string, path: string, method: string): Promise<string> {
  const { request } = await import('node:http')
  const asked = request({ socketPath, path, method, agent: false }).end()
  const [response] = await once(asked, 'response')
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return text
}

export async function connect(t: Scope, address: string): Promise<ClientHttp2Session> {
  const session = http2.connect(`http://${address}`)
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  await arrival(session, 'remoteSettings')
  return session
}

/** Resolves with the grpc-status, or with `lost` for a call whose stream broke. */
export function call(session: ClientHttp2Session, path = '/a.B/C'): Promise<string> {
  return new Promise(resolve => {
    if (session.closed || session.destroyed) return resolve('lost')
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    let status = 'lost'
    const seen = (headers: http2.IncomingHttpHeaders) => {
      if (typeof headers['grpc-status'] === 'string') status = headers['grpc-status']
    }
    stream.on('response', seen).on('trailers', seen)
    stream.on('error', () => {})
    stream.on('close', () => resolve(status))
    stream.resume().end(Buffer.from([0, 0, 0, 0, 0]))
  })
}

/** As `until`, of what has to be asked for. @throws when it does not come to pass */
export async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const patienceEnds = Date.now() + PATIENCE_MS; !(await holds()); ) {
    if (Date.now() > patienceEnds) throw new Error(`it did not come to pass: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** By worker: its connections. */
export async function connectionsOf(served: Served): Promise<number[]> {
  return [...(await served.metrics('grpc_verbatim_worker_connections{')).values()]
}

/** By worker: its process. */
export async function pidsOf(served: Served): Promise<number[]> {
  const { workers } = JSON.parse(await served.page('/state')) as { workers: { pid: number }[] }
  return workers.map(({ pid }) => pid)
}

export async function ended(...pids: number[]): Promise<void> {
  await until('the processes are gone', () => pids.every(pid => !lives(pid)))
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
