/**
 * Requests that servers serve as `/pkg.Service/Method`, as `internal.test`, or with `x-admin: 1`, and that are not
 * written so.
 */
import http2, { type ServerHttp2Stream } from 'node:http2'
import type { ProxyOptions } from '../../src/index.ts'
import type { Field } from './hpack.ts'
import { RawClient } from './raw-client.ts'
import type { Scope } from './teardown.ts'

/** Some server, or a library that it is made with, serves each of these as `/pkg.Service/Method`. */
export const ODD_PATHS: readonly string[] = [
  ...['/pkg.Service/Method?', '/pkg.Service/Method?x=1', '/pkg.Service/Method#x', '/pkg.Service/Method;x=1'],
  ...['/pkg%2EService/Method', '/pkg%2eService/Method', '/pkg.Service%2FMethod', '/pkg.Service/%4Dethod'],
  ...['http://internal.test/pkg.Service/Method', 'https://x/pkg.Service/Method', 'pkg.Service/Method', '*'],
  ...['//pkg.Service/Method', '/pkg.Service//Method', '/pkg.Service/Method/', '/pkg.Service/Method/..'],
  ...['/./pkg.Service/Method', '/x/../pkg.Service/Method', '/x/pkg.Service/Method', '/pkg.Service\\Method', '/'],
]

/** `internal.test` in other spellings. */
export const ODD_AUTHORITIES: readonly string[] = [
  ...['internal.test.', 'INTERNAL.test', 'internal.test:8443', 'internal.test.:80', 'user@internal.test'],
  ...['u:p@Internal.Test.:1', 'intern%61l.test', 'internal%2Etest'],
]

/** Beside `:authority: public.test`. */
export const ODD_HOSTS: readonly (readonly Field[])[] = [
  [['host', 'internal.test']],
  [['host', '']],
  [
    ['host', 'public.test'],
    ['host', 'internal.test'],
  ],
  [
    ['host', 'public.test'],
    ['host', 'public.test'],
  ],
]

/** In these somebody reads `1`, and somebody else does not. */
export const ODD_METADATA: readonly (readonly string[])[] = [
  ...[['0,1'], ['0, 1'], ['1,0'], ['1 , 0']],
  ...[
    ['0', '1'],
    ['1', '0'],
    ['', '1'],
    ['0', '1,0'],
  ],
]

type Routes = NonNullable<ProxyOptions['routes']>

/** Requests, and the routes that none of them may get past: a `deny`, and a route for all the rest. */
export interface Kind {
  readonly name: string
  readonly routes: Routes
  readonly tries: readonly { readonly what: string; readonly fields: readonly Field[] }[]
}

const HEAD: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/pkg.Service/Method'],
  [':authority', 'public.test'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
]

function changed(name: string, value: string): Field[] {
  return HEAD.map((field): Field => (field[0] === name ? [name, value] : field))
}

function denying(match: NonNullable<Routes[number]['match']>): Routes {
  return [{ match, deny: 'PERMISSION_DENIED' }, { backend: 'main' }]
}

export const KINDS: readonly Kind[] = [
  {
    name: 'path',
    routes: denying({ service: 'pkg.Service' }),
    tries: ODD_PATHS.map(path => ({ what: path, fields: changed(':path', path) })),
  },
  {
    name: 'authority',
    routes: denying({ authority: 'internal.test' }),
    tries: [
      ...ODD_AUTHORITIES.map(authority => ({ what: authority, fields: changed(':authority', authority) })),
      ...ODD_HOSTS.map(hosts => ({ what: hosts.map(host => host.join(': ')).join(', '), fields: [...HEAD, ...hosts] })),
    ],
  },
  {
    name: 'metadata',
    routes: denying({ metadata: { 'x-admin': '1' } }),
    tries: ODD_METADATA.map(values => ({
      what: values.map(value => `x-admin: ${value}`).join(', '),
      fields: [...HEAD, ...values.map((value): Field => ['x-admin', value])],
    })),
  },
]

/** A usual call, which a server must serve, or nothing that it does not serve says anything. */
export const USUAL: readonly Field[] = HEAD

/** Makes a call on a connection of its own: a server may end it for what it does not like. @returns status 0 came */
export async function isServed(t: Scope, port: number, fields: readonly Field[]): Promise<boolean> {
  const client = await RawClient.connect(t, port)
  const id = client.request(fields)
  client.data(id, Buffer.alloc(5), { endStream: true })
  try {
    const came = await client.ended(id)
    return came.some(
      item => item.kind === 'headers' && item.fields.some(f => f.name === 'grpc-status' && f.value === '0'),
    )
  } catch {
    return false
  } finally {
    client.destroy()
  }
}

/** A server on Node's http2 that finds its methods as many do: by the URL of the request. @returns its port */
export async function urlServer(t: Scope): Promise<number> {
  const server = http2.createServer()
  server.on('session', session => {
    session.on('error', () => {})
    t.teardown(() => session.destroy())
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    stream.resume()
    const { pathname } = new URL(headers[':path'] ?? '', `http://${headers[':authority'] ?? headers.host}`)
    const known = decodeURIComponent(pathname).replace(/\/$/, '') === '/pkg.Service/Method'
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': known ? '0' : '12' },
      { endStream: true },
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return (server.address() as { port: number }).port
}
