/** The suite's own backend: refuses what it cannot serve, sees what is missing, and takes idle connections. */
import t from 'tap'
import { startBackend } from '../../../bench/load/backend-process.ts'
import type { IdleReport } from '../../../bench/load/idle.ts'
import { Child } from '../../../bench/measure/child.ts'
import { NODE } from '../../../bench/subjects/node.ts'
import { grpcMessage } from '../../../bench/subjects/world.ts'
import type { Field } from '../../support/hpack.ts'
import { RawClient } from '../../support/raw-client.ts'
import { backend } from './rig.ts'

const request = (path: string, more: readonly Field[] = []): Field[] => [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', path],
  [':authority', 'bench'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
  ...more,
]
const sizes = (...values: number[]): Field[] =>
  ['x-request-messages', 'x-request-bytes', 'x-response-messages', 'x-response-bytes'].map(
    (name, i) => [name, String(values[i])] as const,
  )

/** Of a stream that has ended: its grpc-status and message, wherever they came, and its bytes. */
async function outcome(
  client: RawClient,
  streamId: number,
): Promise<{ status?: string; message: string; body: Buffer }> {
  const received = await client.ended(streamId)
  const fields = received.flatMap(item => (item.kind === 'headers' ? item.fields : []))
  const textOf = (name: string): string | undefined => fields.find(field => field.name === name)?.value
  return {
    status: textOf('grpc-status'),
    message: decodeURI(textOf('grpc-message') ?? ''),
    body: client.body(streamId),
  }
}

const port = await backend(t)

t.test('answers', async t => {
  const client = await RawClient.connect(t, port)
  const call = async (path: string, metadata: readonly Field[], body: Buffer | undefined) => {
    const streamId = client.request(request(path, metadata), { endStream: body === undefined })
    if (body !== undefined) await client.upload(streamId, body, { endStream: true })
    return outcome(client, streamId)
  }
  const duplex = '/verbatim.bench.Shapes/Duplex'
  const upload = '/verbatim.bench.Shapes/ClientStream'

  for (const body of [undefined, grpcMessage(39), Buffer.alloc(100_000)]) {
    const { status, body: answer } = await call('/verbatim.bench.Echo/Unary.grpc', [], body)
    t.same([status, answer], ['0', grpcMessage(39)], `Echo answers to ${body?.length} bytes`)
  }
  t.equal((await call('/verbatim.bench.Echo/Bulk.grpc', [], grpcMessage(39))).body.length, 1_048_576)

  const good = await call(upload, sizes(2, 39, 1, 39), Buffer.concat([grpcMessage(39), grpcMessage(39)]))
  t.same([good.status, good.body], ['0', grpcMessage(39)])
  const less = await call(upload, sizes(2, 39, 1, 39), grpcMessage(39))
  t.same([less.status, less.message, less.body.length], ['3', 'request: 39 bytes came instead of 78', 0])
  const none = await call(upload, sizes(2, 39, 1, 39), undefined)
  t.match(none.message, /0 bytes came instead of 78/)
  const wrong = await call(upload, sizes(2, 39, 1, 39), Buffer.concat([grpcMessage(40), grpcMessage(38)]))
  t.match([wrong.status, wrong.message], ['3', /prefix of message 1/])
  const more = await call(duplex, sizes(1, 39, 1, 39), Buffer.concat([grpcMessage(39), grpcMessage(39)]))
  t.match([more.status, more.message], ['3', /78 bytes came instead of 39/])

  t.match(await call('/no.Such/Method', [], grpcMessage(39)), { status: '3', message: /no method \/no.Such\/Method/ })
  t.match(await call(duplex, [], grpcMessage(39)), { status: '3', message: /x-request-messages must be a number/ })
})

t.test('ping-pong answers only what came whole', async t => {
  const client = await RawClient.connect(t, port)
  const streamId = client.request(request('/verbatim.bench.Shapes/PingPong', sizes(2, 39, 2, 39)))
  const message = grpcMessage(39)
  client.data(streamId, message.subarray(0, 30))
  await client.roundTrip()
  t.equal(client.dataBytes(streamId), 0)
  client.data(streamId, message.subarray(30))
  await client.received(streamId, 39)
  await client.roundTrip()
  t.equal(client.dataBytes(streamId), 39)
  client.data(streamId, message, { endStream: true })
  t.match(await outcome(client, streamId), { status: '0', body: Buffer.concat([message, message]) })
})

t.test('says how many streams it takes, and why it does not start', async t => {
  for (const [at, streams] of [
    [port, 1_000],
    [await backend(t, { maxConcurrentStreams: 7 }), 7],
  ] as const) {
    const client = await RawClient.connect(t, at)
    const settings = client.log.find(item => item.kind === 'settings' && !item.ack)
    t.match(settings, { values: { 3: streams } })
  }
  await t.rejects(startBackend({ cert: '/nowhere/cert.pem' }), { message: /both/ })
  await t.rejects(startBackend({ cert: '/nowhere/cert.pem', key: '/nowhere/key.pem' }), { message: /nowhere/ })
})

t.test('idle connections', async t => {
  const path = new URL('../../../bench/load/idle.ts', import.meta.url).pathname
  const child = new Child({ command: NODE, args: [path, String(port), '250', '0'], core: 1 })
  t.teardown(() => child.kill())
  t.same(JSON.parse(await child.line(20_000)) as IdleReport, { open: 250, greeted: 250 })
})
