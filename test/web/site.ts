/** A listener that gives out the files of a folder, and requests for them. */
import { join } from 'node:path'
import type { Test } from 'tap'
import { createProxy, type GrpcProxy, type ProxyOptions } from '../../src/index.ts'
import type { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'

export const PAGE = '<!doctype html><p>hello</p>\n'

export interface Site {
  readonly folder: string
  readonly proxy: GrpcProxy
  readonly backend: RawServer
  readonly port: number
}

/** A folder with a page, beside a file that nobody may have. */
export async function site(
  t: Test,
  transport: 'frames' | 'native' = 'frames',
  rest: Partial<ProxyOptions> = {},
): Promise<Site> {
  const outer = t.testdir({
    'secret.txt': 'SECRET',
    public: {
      'index.html': PAGE,
      'app.js': 'export {}\n',
      'a b%.txt': 'spaces\n',
      'empty.css': '',
      '.env': 'SECRET',
      '.git': { config: 'SECRET' },
      docs: { 'index.html': 'docs\n' },
      bare: { 'x.unknown': 'x' },
    },
  })
  const folder = join(outer, 'public')
  const backend = await RawServer.listen(t)
  const proxy = createProxy({
    log: { level: 'silent' },
    ...rest,
    listeners: [{ address: '127.0.0.1:0', transport, web: { static: folder } }],
    backends: { main: { endpoints: [backend.url] } },
  })
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  return { folder, proxy, backend, port: bound!.port }
}

export const getFields = (path: string, extra: Record<string, string> = {}, method = 'GET') =>
  Object.entries({ ':method': method, ':scheme': 'http', ':authority': 'site.test', ':path': path, ...extra })

export interface Got {
  readonly status: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** All of a response over HTTP/2. */
export async function get(client: RawClient, ...request: Parameters<typeof getFields>): Promise<Got> {
  const id = client.request(getFields(...request), { endStream: true })
  const [head] = await client.ended(id)
  const fields = head?.kind === 'headers' ? head.fields : []
  const headers = Object.fromEntries(fields.map(({ name, value }) => [name, value]))
  return { status: headers[':status'], headers, body: client.body(id).toString('latin1') }
}

export const http1Get = (path: string, extra: Record<string, string> = {}, method = 'GET') =>
  `${method} ${path} HTTP/1.1\r\nhost: site.test\r\n${Object.entries(extra)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`
