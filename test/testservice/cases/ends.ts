/** Ends that one side brings about: cancellation, deadlines. The server is asked what it saw. */
import type { AwaitCallReply, PingReply } from '../../../src/demo/messages.ts'
import { Status } from '../../../src/grpc/status.ts'
import { callId, type TestServiceClient } from '../client.ts'
import type { Cases } from '../suite.ts'

const FOREVER_MS = 3_600_000
/** One of them is long enough to reach the server first, however busy the machine is. */
const DEADLINES_MS = [100, 1_000, 10_000, 60_000]
const LONG_DEADLINE_MS = 60_000

export const endCases: Cases = {
  'the server records how a call ended': async (t, { client }) => {
    const id = callId()
    await client.unary('Ping', {}, { metadata: [['x-call-id', id]] })
    t.match(await ask(client, id), { end: 'FINISHED', requests: 1, replies: 1 })
  },

  'cancel: PingStream in the middle': async (t, { client }) => {
    const id = callId()
    const call = client.open<PingReply>('PingStream', { metadata: [['x-call-id', id]] })
    call.send({ value: 'a' })
    t.match(await call.next(), { value: 'a' })
    // grpc-js half-closes before it resets (as node's close does), so a server that only waits for
    // the next request may end the call in between: let it be busy with one.
    await call.send({ delay_ms: FOREVER_MS })
    call.cancel()
    t.equal((await call.end).code, Status.CANCELLED)
    t.match(await ask(client, id), { end: 'CANCELLED', replies: 1 })
  },

  'cancel: PingList between replies': async (t, { client }) => {
    const id = callId()
    const request = { count: 2, delay_ms: FOREVER_MS }
    const call = client.list<PingReply>('PingList', request, { metadata: [['x-call-id', id]] })
    await call.headers
    call.cancel()
    t.equal((await call.end).code, Status.CANCELLED)
    t.match(await ask(client, id), { end: 'CANCELLED', requests: 1, replies: 0 })
  },

  'cancel: PingList while the client does not read': async (t, { client }) => {
    const id = callId()
    const request = { count: 100_000, payload_size: 16 * 1024 }
    const call = client.list<PingReply>('PingList', request, { metadata: [['x-call-id', id]] })
    t.match(await call.next(), { counter: 0 })
    call.cancel()
    t.equal((await call.end).code, Status.CANCELLED)
    const seen = await ask(client, id)
    t.equal(seen?.end, 'CANCELLED')
    t.ok(seen!.replies < request.count, `the server stopped after ${seen?.replies} replies`)
  },

  'cancel: a unary call that waits for its reply': async (t, { client }) => {
    const id = callId()
    const request = { headers_first: true, delay_ms: FOREVER_MS }
    const call = client.list<PingReply>('PingError', request, { metadata: [['x-call-id', id]] })
    // The server has the call once its headers are here.
    await call.headers
    call.cancel()
    t.equal((await call.end).code, Status.CANCELLED)
    t.match(await ask(client, id), { end: 'CANCELLED' })
  },

  'cancel: many calls, and the connection goes on': async (t, { client }) => {
    const ends = Array.from({ length: 200 }, async () => {
      const call = client.list<PingReply>('PingList', { count: 1, delay_ms: FOREVER_MS })
      await call.headers
      call.cancel()
      return (await call.end).code
    })
    t.ok((await Promise.all(ends)).every(code => code === Status.CANCELLED))
    t.equal((await client.unary('PingEmpty', {})).code, Status.OK)
  },

  'deadline: the server is told of it, and of none': async (t, { client }) => {
    const { reply } = await client.unary<PingReply>('Ping', {}, { timeoutMs: LONG_DEADLINE_MS })
    t.ok(reply!.deadline_ms > 0 && reply!.deadline_ms <= LONG_DEADLINE_MS, `${reply?.deadline_ms} ms were left`)
    t.match(await client.unary<PingReply>('Ping', {}), { reply: { deadline_ms: 0 } })
  },

  'deadline: a unary call that takes too long': async (t, { client }) => {
    const settings = { timeoutMs: 20 }
    const answer = await client.unary<PingReply>('Ping', { delay_ms: FOREVER_MS }, settings)
    t.equal(answer.code, Status.DEADLINE_EXCEEDED)
  },

  'deadline: in the middle of a stream, the server stops too': async (t, { client }) => {
    for (const timeoutMs of DEADLINES_MS) {
      const id = callId()
      const call = client.open<PingReply>('PingStream', { metadata: [['x-call-id', id]], timeoutMs })
      const reached = (await call.headers).length > 0
      // Busy, as above.
      await call.send({ delay_ms: FOREVER_MS })
      t.equal((await call.end).code, Status.DEADLINE_EXCEEDED)
      if (!reached) continue
      t.match(await ask(client, id), { end: 'CANCELLED' })
      return
    }
    t.fail('no deadline left the time to reach the server')
  },
}

/** What the server saw of the call with this id, once that call is over there. */
async function ask(client: TestServiceClient, id: string): Promise<AwaitCallReply | undefined> {
  const answer = await client.unary<AwaitCallReply>('AwaitCall', { call_id: id }, { timeoutMs: LONG_DEADLINE_MS })
  return answer.reply
}
