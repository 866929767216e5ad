/** Retries by a policy of the route (gRFC A6), with exact frames. The rules one by one: test/call/relay-policy-retry.test.ts. */
import type { Test } from 'tap'
import type { ProxyOptions } from '../../src/index.ts'
import { Code } from '../support/frames.ts'
import type { Field } from '../support/hpack.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'
import { until } from '../support/until.ts'
import {
  answer,
  answered,
  arrived,
  broken,
  type Call,
  field,
  goesOn,
  open,
  type Pairing,
  pairs,
  RESPONSE,
  type Rig,
  requestFields,
  rig,
  running,
} from './rig.ts'

type Routes = NonNullable<ProxyOptions['routes']>
type Retry = NonNullable<Routes[number]['retry']>

const SOON = { initialBackoffMs: 1, maxBackoffMs: 1 }
const unavailable = (more: readonly Field[] = []): Field[] => [...RESPONSE, ['grpc-status', '14'], ...more]

function rigWith(t: Test, pairing: Pairing, retry: Retry = {}, proxy: Partial<ProxyOptions> = {}): Promise<Rig> {
  return rig(t, pairing, { proxy: { routes: [{ backend: 'main', retry: { ...SOON, ...retry } }], ...proxy } })
}

/** Trailers-Only, one HEADERS frame. */
function fails(call: Call, more: readonly Field[] = []): void {
  call.backend.headers(call.backendId, unavailable(more), { endStream: true })
}

export function policyRetries(t: Test, pairing: Pairing): void {
  t.test(
    'UNAVAILABLE alone: the same request again, with its number, and the client gets the second answer alone',
    async t => {
      const here = await rigWith(t, pairing)
      const first = await open(here, { extra: [['x-a', '1']] })
      first.client.data(first.id, 'all of it', { endStream: true })
      await first.backend.ended(first.backendId)
      fails(first)
      const second = await arrived(here, first.id)
      t.same(pairs(second.headers.fields), [...pairs(first.headers.fields), ['grpc-previous-rpc-attempts', '1']])
      await second.backend.ended(second.backendId)
      t.equal(second.backend.body(second.backendId).toString(), 'all of it')
      answer(second)
      await answered(t, second)
      t.notOk(
        first.backend.stream(first.backendId).some(({ kind }) => kind === 'rst'),
        'both sides had ended the first',
      )
      await goesOn(t, here)
    },
  )

  t.test(
    'UNAVAILABLE before the request has ended: the first stream is reset, the rest goes to the second',
    async t => {
      const here = await rigWith(t, pairing)
      const first = await open(here)
      first.client.data(first.id, 'half ')
      await first.backend.received(first.backendId, 5)
      fails(first)
      const second = await arrived(here, first.id)
      await first.backend.next('rst', first.backendId)
      first.client.data(first.id, 'and half', { endStream: true })
      await second.backend.ended(second.backendId)
      t.equal(second.backend.body(second.backendId).toString(), 'half and half')
      answer(second)
      await answered(t, second)
      await goesOn(t, here)
    },
  )

  t.test('the last attempt: its answer as it came', async t => {
    const here = await rigWith(t, pairing, { maxAttempts: 2 })
    const first = await open(here, { endStream: true })
    fails(first)
    const last = await arrived(here, first.id)
    t.equal(field(last.headers, 'grpc-previous-rpc-attempts'), '1')
    const more: Field[] = [
      ['grpc-message', 'no%20more'],
      ['x-why', 'because'],
    ]
    fails(last, more)
    const [only, ...rest] = await here.client.ended(first.id)
    t.same(rest, [])
    t.match(only, { kind: 'headers', endStream: true })
    if (only?.kind === 'headers') t.same(pairs(only.fields), unavailable(more))
  })

  t.test('headers that are not the whole answer commit the call', async t => {
    const here = await rigWith(t, pairing)
    const call = await open(here, { endStream: true })
    call.backend.headers(call.backendId, RESPONSE)
    call.backend.headers(call.backendId, [['grpc-status', '14']], { endStream: true })
    t.equal(field((await call.client.ended(call.id)).at(-1), 'grpc-status'), '14')
    const other = await open(here, { endStream: true })
    other.backend.headers(other.backendId, RESPONSE)
    await other.client.next('headers', other.id)
    other.backend.rst(other.backendId, Code.REFUSED_STREAM)
    await broken(t, other, 14)
    await goesOn(t, here)
    t.equal(here.backend.requests.length, 3)
  })

  for (const pushback of ['-1', 'never', '1e3', '']) {
    t.test(`pushback ${JSON.stringify(pushback)}: not again`, async t => {
      const here = await rigWith(t, pairing)
      const call = await open(here, { endStream: true })
      fails(call, [['grpc-retry-pushback-ms', pushback]])
      const [only] = await call.client.ended(call.id)
      t.equal(field(only, 'grpc-retry-pushback-ms'), pushback)
      await goesOn(t, here)
      t.equal(here.backend.requests.length, 2)
    })
  }

  t.test('more body than is kept: not again', async t => {
    const here = await rigWith(t, pairing, {}, { limits: { replayBytes: 1_000 } })
    const call = await open(here)
    call.client.data(call.id, Buffer.alloc(5_000), { endStream: true })
    await call.backend.ended(call.backendId)
    fails(call)
    t.equal(field((await call.client.ended(call.id))[0], 'grpc-status'), '14')
    await goesOn(t, here)
    t.equal(here.backend.requests.length, 2)
  })

  t.test('refused, then UNAVAILABLE: the first is not counted', async t => {
    const here = await rigWith(t, pairing, { maxAttempts: 2 })
    const first = await open(here, { endStream: true })
    first.backend.rst(first.backendId, Code.REFUSED_STREAM)
    const second = await arrived(here, first.id)
    t.equal(field(second.headers, 'grpc-previous-rpc-attempts'), undefined)
    fails(second)
    const third = await arrived(here, first.id)
    t.equal(field(third.headers, 'grpc-previous-rpc-attempts'), '1')
    answer(third)
    await answered(t, third)
  })

  t.test('a connection that is lost before an answer', async t => {
    const here = await rigWith(t, pairing)
    const first = await open(here, { endStream: true })
    first.backend.destroy()
    const second = await arrived(here, first.id)
    answer(second)
    await answered(t, second)
  })

  t.test('an attempt that takes too long is reset, and the client gets the second answer', async t => {
    const here = await rigWith(t, pairing, { perAttemptTimeoutMs: 100, maxAttempts: 5 })
    const first = await open(here, { endStream: true })
    t.match(await first.backend.next('rst', first.backendId), { code: Code.CANCEL })
    // On a machine that is busy an answer may come too late: then there is another attempt.
    const answering = async () => {
      for (;;) answer(await arrived(here, first.id))
    }
    answering().catch(() => {}) // The server is closed.
    await answered(t, first)
  })

  t.test('the client leaves before the next attempt: there is none', async t => {
    const here = await rigWith(t, pairing, { initialBackoffMs: 60_000, maxBackoffMs: 60_000 })
    const call = await open(here, { endStream: true })
    fails(call)
    await call.backend.roundTrip()
    call.client.rst(call.id, Code.CANCEL)
    await goesOn(t, here)
    t.equal(here.backend.requests.length, 2)
  })

  t.test('the next attempt goes to another endpoint', async t => {
    const servers = [await RawServer.listen(t), await RawServer.listen(t)]
    const main = { endpoints: servers.map(({ url }) => url), transport: pairing.upstream }
    const { port } = await running(t, pairing, { backends: { main }, routes: [{ backend: 'main', retry: SOON }] })
    const client = await RawClient.connect(t, port)
    const total = () => servers[0]!.requests.length + servers[1]!.requests.length
    const seen = new Set<object>()
    const newest = async (calls: number) => {
      await until('a request', () => total() === calls)
      const all = servers.flatMap(({ requests }, at) => requests.map(request => ({ request, at })))
      const { request, at } = all.find(one => !seen.has(one.request))!
      seen.add(request)
      const one = { ...request, at }
      return { client, id: 0, backend: one.connection, backendId: one.streamId, headers: one.headers, at: one.at }
    }
    let calls = 0
    // Both have a session first.
    while (servers.some(({ requests }) => requests.length === 0) && calls < 50) {
      const id = client.request(requestFields(), { endStream: true })
      const call = await newest(++calls)
      answer(call)
      await client.ended(id)
    }
    for (let i = 0; i < 4; i++) {
      const id = client.request(requestFields(), { endStream: true })
      const first = await newest(++calls)
      fails(first)
      const second = await newest(++calls)
      t.not(second.at, first.at)
      answer(second)
      await client.ended(id)
    }
  })
}
