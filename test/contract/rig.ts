/** A raw client, the proxy, and a raw backend; and the few things that every contract test does with them. */
import type { Test } from 'tap'
import { createProxy, type Director, type ProxyOptions } from '../../src/index.ts'
import type { Certificates } from '../support/certs.ts'
import type { Field } from '../support/hpack.ts'
import { type ClientOptions, RawClient } from '../support/raw-client.ts'
import type { RawConnection } from '../support/raw-connection.ts'
import { RawServer, type ServerOptions } from '../support/raw-server.ts'
import type { Received, ReceivedHeaders } from '../support/received.ts'
import { until } from '../support/until.ts'

/** Which transports the proxy uses on its two sides. */
export interface Pairing {
  readonly name: string
  readonly downstream: 'native' | 'frames'
  readonly upstream: 'native' | 'frames'
}

export interface RigOptions {
  readonly backend?: ServerOptions
  readonly client?: ClientOptions
  /** Of the proxy's backend. */
  readonly upstream?: Partial<NonNullable<ProxyOptions['backends']>[string]>
  readonly proxy?: Partial<ProxyOptions>
  /** The listener speaks TLS. */
  readonly certificates?: Certificates
}

export interface Rig extends Running {
  readonly backend: RawServer
  readonly client: RawClient
}

export interface Running {
  readonly proxy: ReturnType<typeof createProxy>
  readonly port: number
}

/** A proxy that listens, and is closed when the test ends. */
export async function running(
  t: Test,
  pairing: Pairing,
  options: Partial<ProxyOptions>,
  tls?: Certificates,
): Promise<Running> {
  const proxy = createProxy({ log: { level: 'silent' }, ...options })
  t.teardown(() => proxy.close())
  const listener = await proxy.listen({
    host: '127.0.0.1',
    port: 0,
    transport: pairing.downstream,
    ...(tls && { tls: { cert: tls.server.cert, key: tls.server.key } }),
  })
  return { proxy, port: listener.port }
}

/** One backend `main` with one endpoint, and a client that is connected. */
export async function rig(t: Test, pairing: Pairing, options: RigOptions = {}): Promise<Rig> {
  const backend = await RawServer.listen(t, options.backend)
  const main = { endpoints: [backend.url], transport: pairing.upstream, ...options.upstream }
  const { proxy, port } = await running(t, pairing, { backends: { main }, ...options.proxy }, options.certificates)
  const client = await RawClient.connect(t, port, options.client)
  return { proxy, port, backend, client }
}

/** With `sessions.ready`: the first session is there, so that no call waits for it in a queue with a short time. */
export function isReady({ backend }: Rig): Promise<void> {
  const acknowledged = () => backend.connections[0]?.log.some(item => item.kind === 'settings' && item.ack) ?? false
  return until('a session to the backend', acknowledged, () => backend.describe())
}

/** A proxy whose one backend is at an address where nobody of ours listens; and a client. */
export async function rigTo(
  t: Test,
  pairing: Pairing,
  endpoints: string[],
  upstream: RigOptions['upstream'] = {},
): Promise<RawClient> {
  const main = { endpoints, transport: pairing.upstream, ...upstream }
  const { port } = await running(t, pairing, { backends: { main } })
  return RawClient.connect(t, port)
}

/** Like `rig`, with a director. */
export function directed(t: Test, pairing: Pairing, director: Director): Promise<Rig> {
  return rig(t, pairing, { proxy: { director } })
}

export const PATH = '/pkg.Service/Method'

/** What every gRPC request has (PROTOCOL-HTTP2.md, "Requests"), and `extra`. */
export function requestFields(extra: readonly Field[] = [], path = PATH): Field[] {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'backend.test'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ...extra,
  ]
}

export const RESPONSE: readonly Field[] = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
]
export const TRAILERS: readonly Field[] = [['grpc-status', '0']]

/** A length-prefixed message. */
export function message(text: string): Buffer {
  const out = Buffer.alloc(5 + text.length)
  out.writeUInt32BE(text.length, 1)
  out.write(text, 5, 'latin1')
  return out
}

/** Names and values, in order. */
export function pairs(fields: readonly { readonly name: string; readonly value: string }[]): [string, string][] {
  return fields.map(field => [field.name, field.value])
}

export function field(headers: Received | undefined, name: string): string | undefined {
  return headers?.kind === 'headers' ? headers.fields.find(f => f.name === name)?.value : undefined
}

/** One call, seen from both ends. */
export interface Call {
  readonly client: RawClient
  /** The client's stream. */
  readonly id: number
  readonly backend: RawConnection
  /** The backend's stream. */
  readonly backendId: number
  /** As the backend got it. */
  readonly headers: ReceivedHeaders
}

export interface OpenOptions {
  readonly extra?: readonly Field[]
  readonly path?: string
  readonly endStream?: boolean
}

/** Sends a request's HEADERS and waits for them at the backend. */
export async function open(rig: Rig, options: OpenOptions = {}): Promise<Call> {
  const id = rig.client.request(requestFields(options.extra, options.path), { endStream: options.endStream ?? false })
  return arrived(rig, id)
}

/** The next request that the backend gets, as the other end of the client's stream `id`. */
export async function arrived(rig: Rig, id: number): Promise<Call> {
  const { connection, streamId, headers } = await rig.backend.request()
  return { client: rig.client, id, backend: connection, backendId: streamId, headers }
}

/** The backend answers with one message and status 0. */
export function answer(call: Pick<Call, 'backend' | 'backendId'>, text = 'hello'): void {
  call.backend.headers(call.backendId, RESPONSE)
  call.backend.data(call.backendId, message(text))
  call.backend.headers(call.backendId, TRAILERS, { endStream: true })
}

/** The client got `answer` and nothing else. */
export async function answered(t: Test, call: Pick<Call, 'client' | 'id'>, text = 'hello'): Promise<void> {
  const came = await call.client.ended(call.id)
  const [first, last] = [came[0], came.at(-1)]
  t.match(first, { kind: 'headers', endStream: false, fields: [{ name: ':status', value: '200' }] })
  t.ok(call.client.body(call.id).equals(message(text)), 'the message')
  t.match(last, { kind: 'headers', endStream: true, fields: [{ name: 'grpc-status', value: '0' }] })
}

/** The session is as good as before: a call goes through. */
export async function goesOn(t: Test, rig: Rig): Promise<void> {
  await rig.client.roundTrip()
  const call = await open(rig, { endStream: true, path: '/after/all' })
  t.equal(field(call.headers, ':path'), '/after/all', 'nothing else reached the backend')
  answer(call)
  await answered(t, call)
  t.notOk(
    rig.client.log.some(item => item.kind === 'goaway'),
    'no GOAWAY',
  )
}

/**
 * The proxy's own answer: Trailers-Only, which is one HEADERS frame with END_STREAM
 * (PROTOCOL-HTTP2.md, "Responses").
 */
export async function refused(t: Test, client: RawClient, id: number, status: number, text?: string): Promise<void> {
  const came = await client.ended(id)
  t.equal(came.length, 1, 'one frame')
  const [only] = came
  t.match(only, { kind: 'headers', endStream: true })
  if (only?.kind !== 'headers') return
  t.same(pairs(only.fields).slice(0, 2), [
    [':status', '200'],
    ['content-type', 'application/grpc'],
  ])
  t.equal(field(only, 'grpc-status'), String(status), `grpc-status ${status}`)
  if (text !== undefined) t.equal(field(only, 'grpc-message'), text)
}

/** The proxy ended a response that had begun, between two messages: trailers of its own, and never a clean end. */
export async function broken(
  t: Test,
  call: Pick<Call, 'client' | 'id'>,
  status: number,
  token?: string,
): Promise<void> {
  const last = (await call.client.ended(call.id)).at(-1)
  t.match(last, { kind: 'headers', endStream: true }, 'trailers')
  t.equal(field(last, 'grpc-status'), String(status), `grpc-status ${status}`)
  t.ok(field(last, 'grpc-message'), 'a message')
  const mark = field(last, 'x-grpc-verbatim-error')
  if (token === undefined) t.ok(mark, 'marked as ours')
  else t.equal(mark, token, 'marked as ours')
}

/** Whatever came on the stream, nothing of it was a clean end. */
export function neverEnded(t: Test, connection: RawConnection, streamId: number): void {
  const ends = connection.stream(streamId).filter(item => 'endStream' in item && item.endStream)
  t.equal(ends.length, 0, 'no END_STREAM')
}
