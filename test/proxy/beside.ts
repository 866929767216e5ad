/** A host's http2 server with gRPC through the proxy, and something else, beside each other. */
import { once } from 'node:events'
import http2, {
  type Http2SecureServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Session,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { credentials } from '@grpc/grpc-js'
import type { Test } from 'tap'
import { createProxy, type GrpcProxy, type ProxyOptions } from '../../src/index.ts'
import { listening } from '../abuse/scene.ts'
import { certificates } from '../support/certs.ts'
import { TestServiceClient } from '../testservice/client.ts'
import { grpcServers } from '../testservice/rig.ts'

export type Security = 'h2c' | 'TLS'
export type AnyServer = Http2Server | Http2SecureServer

export interface WebAnswer {
  readonly status: number
  readonly text: string
}

export interface Beside {
  readonly port: number
  readonly client: TestServiceClient
  /** What the proxy logged at warn and above. */
  readonly lines: readonly object[]
  web(path: string, options?: { headers?: OutgoingHttpHeaders; body?: string }): Promise<WebAnswer>
}

/** As an application has it. */
export type Listener = (request: Http2ServerRequest, response: Http2ServerResponse) => void

/** An http2 server of that kind. */
export async function serverOf(security: Security, listener?: Listener): Promise<AnyServer> {
  if (security === 'h2c') return http2.createServer(listener)
  const { server } = await certificates()
  return http2.createSecureServer(server, listener)
}

/** @param make gives the server, not listening yet, with the proxy's handler on it */
export async function beside(
  t: Test,
  security: Security,
  make: (proxy: GrpcProxy) => AnyServer | Promise<AnyServer>,
  options: Partial<ProxyOptions> = {},
): Promise<Beside> {
  const [backend] = await grpcServers(t, 1)
  const { logger, lines } = listening()
  const proxy = createProxy({ backends: { main: { endpoints: [backend!.address] } }, logger, ...options })
  t.teardown(() => proxy.close())
  const server = await make(proxy)
  const sessions = new Set<Http2Session>()
  server.on('session', session => sessions.add(session))
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const { ca } = await certificates()
  const client = new TestServiceClient(
    `127.0.0.1:${port}`,
    security === 'TLS' ? credentials.createSsl(Buffer.from(ca.cert)) : credentials.createInsecure(),
    { 'grpc.ssl_target_name_override': 'localhost' },
  )
  const scheme = security === 'TLS' ? 'https' : 'http'
  const browser = http2.connect(`${scheme}://127.0.0.1:${port}`, { ca: ca.cert })
  t.teardown(() => {
    client.close()
    browser.destroy()
  })
  const web: Beside['web'] = async (path, { headers = {}, body } = {}) => {
    const method = body === undefined ? 'GET' : 'POST'
    const stream = browser.request({ ':path': path, ':method': method, ...headers }, { endStream: body === undefined })
    if (body !== undefined) stream.end(body)
    stream.setEncoding('utf8')
    let text = ''
    stream.on('data', part => {
      text += part
    })
    const [[head]] = await Promise.all([once(stream, 'response'), once(stream, 'close')])
    return { status: Number((head as Record<string, unknown>)[':status']), text }
  }
  return { port, client, lines, web }
}

/** Calls of every kind, one of each. */
export async function callsGoThrough(t: Test, { client }: Pick<Beside, 'client'>): Promise<void> {
  const ping = await client.unary<{ value: string }>('Ping', { value: 'there' })
  t.match(ping, { code: 0, reply: { value: 'there' } })
  const list = client.list<{ counter: number }>('PingList', { count: 3, payload_size: 20_000 })
  t.same(
    (await list.rest()).map(({ counter }) => counter),
    [0, 1, 2],
  )
  t.match(await list.end, { code: 0, trailers: [['x-test-count', '3']] })
  const talk = client.open<{ value: string }>('PingStream')
  for (const value of ['one', 'two']) {
    await talk.send({ value })
    t.match(await talk.next(), { value })
  }
  talk.halfClose()
  t.match(await talk.end, { code: 0 })
  const sum = await client.sum<{ count: number }>('PingSum', [{ value: 'a' }, { value: 'b' }])
  t.match(sum, { code: 0, reply: { count: 2 } })
  for (const headers_first of [false, true]) {
    const error = { code: 9, message: 'not so' }
    t.match(await client.unary('PingError', { error, headers_first }), error)
  }
}

const ROUNDS = 2

/** Web and gRPC at the same time: GET /hello and POST /echo answer as the test's applications do. */
export async function bothAreServed(t: Test, here: Beside): Promise<void> {
  const rounds = Array.from({ length: ROUNDS }, async (_, i) => {
    const body = JSON.stringify({ i })
    const headers = { 'content-type': 'application/json', 'content-length': body.length }
    const [, hello, echo, none] = await Promise.all([
      callsGoThrough(t, here),
      here.web('/hello'),
      here.web('/echo', { headers, body }),
      here.web('/none'),
    ])
    t.match(hello, { status: 200, text: 'hello' })
    t.match(echo, { status: 201, text: body })
    t.equal(none.status, 404)
  })
  await Promise.all(rounds)
}
