/** Many messages: server streaming, client streaming, both at once. */
import { crc32 } from 'node:zlib'
import type { PingReply, PingSumReply } from '../../../src/demo/messages.ts'
import { payloadOf } from '../../../src/demo/service.ts'
import { Status } from '../../../src/grpc/status.ts'
import { joined, type TestServiceClient } from '../client.ts'
import type { Cases } from '../suite.ts'

const PING_PONGS = 200
const CONCURRENT_STREAMS = 50
const KIB = 1024

export const streamCases: Cases = {
  'PingList: all replies in order, header and trailer': async (t, { client }) => {
    const call = client.list<PingReply>('PingList', { count: 100, payload_size: 777, value: 'v' })
    const server = joined(await call.headers, 'x-test-server')
    const replies = await call.rest()
    const payload = payloadOf(777)
    t.strictSame(
      replies.map(reply => reply.counter),
      Array.from({ length: 100 }, (_, i) => i),
    )
    t.ok(replies.every(reply => reply.value === 'v' && reply.server === server && reply.payload.equals(payload)))
    const end = await call.end
    t.equal(end.code, Status.OK)
    t.equal(joined(end.trailers, 'x-test-count'), '100')
  },

  'PingList: no replies at all, still header and trailer': async (t, { client }) => {
    const call = client.list<PingReply>('PingList', { count: 0 })
    t.not(joined(await call.headers, 'x-test-server'), '')
    t.strictSame(await call.rest(), [])
    const end = await call.end
    t.equal(end.code, Status.OK)
    t.equal(joined(end.trailers, 'x-test-count'), '0')
  },

  'PingList: replies that come with delays': async (t, { client }) => {
    const call = client.list<PingReply>('PingList', { count: 3, delay_ms: 5 })
    t.equal((await call.rest()).length, 3)
    t.equal((await call.end).code, Status.OK)
  },

  'PingList: headers come before the first reply': async (t, { client }) => {
    const call = client.list<PingReply>('PingList', { count: 1, delay_ms: 3_600_000 })
    t.not(joined(await call.headers, 'x-test-server'), '')
    call.cancel()
    t.equal((await call.end).code, Status.CANCELLED)
  },

  'PingList: a reader that stops holds up no other call, and misses nothing': async (t, { client }) => {
    const count = 1000
    const call = client.list<PingReply>('PingList', { count, payload_size: 8 * KIB })
    t.match(await call.next(), { counter: 0 })
    for (let i = 0; i < 20; i++) {
      const { reply } = await client.unary<PingReply>('Ping', { value: `${i}`, payload_size: 4 * KIB })
      t.equal(reply?.value, `${i}`)
    }
    const rest = await call.rest()
    t.equal(rest.length, count - 1)
    t.ok(rest.every((reply, i) => reply.counter === i + 1 && reply.payload.length === 8 * KIB))
    t.equal((await call.end).code, Status.OK)
  },

  'PingStream: headers come before the first request': async (t, { client }) => {
    const call = client.open<PingReply>('PingStream')
    t.not(joined(await call.headers, 'x-test-server'), '')
    call.halfClose()
    t.strictSame(await call.rest(), [])
    const end = await call.end
    t.equal(end.code, Status.OK)
    t.equal(joined(end.trailers, 'x-test-count'), '0')
  },

  'PingStream: ping-pong, one message at a time': async (t, { client }) => {
    t.equal(await pingPong(client, 'solo', PING_PONGS), PING_PONGS)
  },

  'PingStream: many ping-pongs at once': async (t, { client }) => {
    const calls = Array.from({ length: CONCURRENT_STREAMS }, (_, i) => pingPong(client, `stream ${i}`, 20))
    const rounds = await Promise.all(calls)
    t.ok(rounds.every(count => count === 20))
  },

  'PingStream: replies go on after the half-close': async (t, { client }) => {
    const call = client.open<PingReply>('PingStream')
    for (let i = 0; i < 5; i++) call.send({ value: `${i}`, delay_ms: 2 })
    call.halfClose()
    t.strictSame(
      (await call.rest()).map(reply => reply.value),
      ['0', '1', '2', '3', '4'],
    )
    t.equal((await call.end).code, Status.OK)
  },

  'PingStream: bulk both ways at the same time': async (t, { client }) => {
    const count = 64
    const payload = payloadOf(64 * KIB)
    const sum = crc32(payload)
    const call = client.open<PingReply>('PingStream')
    for (let i = 0; i < count; i++) call.send({ payload, payload_size: payload.length })
    call.halfClose()
    const replies = await call.rest()
    t.equal(replies.length, count)
    t.ok(replies.every(reply => reply.received_crc32 === sum && reply.payload.equals(payload)))
    t.equal((await call.end).code, Status.OK)
  },

  'PingSum: counts what came': async (t, { client }) => {
    const payloads = [payloadOf(1), payloadOf(0), payloadOf(70_000), payloadOf(5)]
    const requests = payloads.map(payload => ({ payload }))
    const { code, reply } = await client.sum<PingSumReply>('PingSum', requests)
    t.equal(code, Status.OK)
    t.match(reply, { count: 4, bytes: 70_006, crc32: crc32(Buffer.concat(payloads)) })
  },

  'PingSum: half-close without a message': async (t, { client }) => {
    const { code, reply } = await client.sum<PingSumReply>('PingSum', [])
    t.equal(code, Status.OK)
    t.match(reply, { count: 0, bytes: 0, crc32: 0 })
  },

  'PingSum: empty messages count': async (t, { client }) => {
    const { reply } = await client.sum<PingSumReply>('PingSum', Array(100).fill({}))
    t.match(reply, { count: 100, bytes: 0 })
  },

  'PingSum: 8 MiB': async (t, { client }) => {
    const payload = payloadOf(128 * KIB)
    const { code, reply } = await client.sum<PingSumReply>('PingSum', Array(64).fill({ payload }))
    t.equal(code, Status.OK)
    t.match(reply, { count: 64, bytes: 64 * payload.length })
  },
}

/** Sends a message when the last was answered. @returns how many answers were right, if the end was */
async function pingPong(client: TestServiceClient, value: string, rounds: number): Promise<number> {
  const call = client.open<PingReply>('PingStream')
  let right = 0
  for (let i = 0; i < rounds; i++) {
    call.send({ value: `${value} ${i}` })
    const reply = await call.next()
    if (reply?.value === `${value} ${i}` && reply.counter === i) right += 1
  }
  call.halfClose()
  const extra = await call.next()
  const end = await call.end
  const clean = extra === undefined && end.code === Status.OK && joined(end.trailers, 'x-test-count') === `${rounds}`
  return clean ? right : -1
}
