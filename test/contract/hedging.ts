/** Hedging by a policy of the route (gRFC A6), with exact frames. The rules one by one: test/call/relay-hedge.test.ts. */
import type { Test } from 'tap'
import type { ProxyOptions } from '../../src/index.ts'
import { Code } from '../support/frames.ts'
import type { Field } from '../support/hpack.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'
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

type Hedge = NonNullable<NonNullable<ProxyOptions['routes']>[number]['hedge']>

const PREVIOUS = 'grpc-previous-rpc-attempts'
const UNAVAILABLE: readonly Field[] = [...RESPONSE, ['grpc-status', '14']]
/** Longer than any test. */
const NEVER_MS = 600_000

/** The last route is for `goesOn`. */
function hedged(
  t: Test,
  pairing: Pairing,
  hedge: Partial<Hedge> = {},
  proxy: Partial<ProxyOptions> = {},
): Promise<Rig> {
  const routes = [
    { match: { service: 'pkg.Service' }, backend: 'main', hedge: { delayMs: 0, ...hedge } },
    { backend: 'main' },
  ]
  return rig(t, pairing, { proxy: { routes, ...proxy } })
}

/** Trailers-Only, one HEADERS frame. */
function fails(call: Call, more: readonly Field[] = []): void {
  call.backend.headers(call.backendId, [...UNAVAILABLE, ...more], { endStream: true })
}

function reset(call: Call) {
  return call.backend.next('rst', call.backendId)
}

export function hedging(t: Test, pairing: Pairing): void {
  t.test('the same request twice; the second answers, the first is reset, and the client gets one answer', async t => {
    const here = await hedged(t, pairing, { delayMs: 20 })
    const first = await open(here, { extra: [['x-a', '1']] })
    first.client.data(first.id, 'all of it', { endStream: true })
    const second = await arrived(here, first.id)
    t.same(pairs(second.headers.fields), [...pairs(first.headers.fields), [PREVIOUS, '1']])
    for (const { backend, backendId } of [first, second]) {
      await backend.ended(backendId)
      t.equal(backend.body(backendId).toString(), 'all of it')
    }
    answer(second)
    await answered(t, second)
    t.match(await reset(first), { code: Code.CANCEL })
    await goesOn(t, here)
  })

  t.test('the first answers: the second is reset', async t => {
    const here = await hedged(t, pairing)
    const first = await open(here, { endStream: true })
    const second = await arrived(here, first.id)
    answer(first)
    await answered(t, first)
    t.match(await reset(second), { code: Code.CANCEL })
    await goesOn(t, here)
  })

  t.test('all answer at once: the client gets one of them, and whole', async t => {
    const here = await hedged(t, pairing, { maxAttempts: 5 })
    const calls = [await open(here, { endStream: true })]
    while (calls.length < 5) calls.push(await arrived(here, calls[0]!.id))
    t.same(
      calls.map(({ headers }) => field(headers, PREVIOUS)),
      [undefined, '1', '2', '3', '4'],
    )
    for (const call of calls) answer(call)
    await answered(t, calls[0]!)
    await goesOn(t, here)
  })

  t.test('a status that is not fatal: the next at once, with what came so far and what comes', async t => {
    const here = await hedged(t, pairing, { delayMs: NEVER_MS, maxAttempts: 3 })
    const first = await open(here)
    first.client.data(first.id, 'a third, ')
    await first.backend.received(first.backendId, 9)
    fails(first)
    const second = await arrived(here, first.id)
    await reset(first)
    first.client.data(first.id, 'a third, ')
    await second.backend.received(second.backendId, 18)
    second.backend.rst(second.backendId, Code.REFUSED_STREAM)
    const again = await arrived(here, first.id)
    t.equal(field(again.headers, PREVIOUS), '1', 'what was not processed does not count')
    fails(again)
    const third = await arrived(here, first.id)
    t.equal(field(third.headers, PREVIOUS), '2')
    first.client.data(first.id, 'a third', { endStream: true })
    await third.backend.ended(third.backendId)
    t.equal(third.backend.body(third.backendId).toString(), 'a third, a third, a third')
    answer(third)
    await answered(t, third)
    await goesOn(t, here)
  })

  t.test(
    'two attempts are open while the request comes: both get all of it, also frames that are forwarded in place',
    async t => {
      const here = await hedged(t, pairing, {}, { limits: { replayBytes: 1_000_000 } })
      const first = await open(here)
      const second = await arrived(here, first.id)
      const body = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251))
      for (let at = 0; at < body.length; at += 10_000) {
        const endStream = at + 10_000 === body.length
        first.client.data(first.id, body.subarray(at, at + 10_000), { endStream })
        if (at === 50_000) await first.backend.received(first.backendId, 60_000)
      }
      for (const { backend, backendId } of [first, second]) {
        await backend.ended(backendId)
        t.ok(backend.body(backendId).equals(body))
      }
      answer(second)
      await answered(t, second)
      t.match(await reset(first), { code: Code.CANCEL })
      await goesOn(t, here)
    },
  )

  t.test('with a copy at a second backend: that gets the request once', async t => {
    const mirror = await RawServer.listen(t)
    const backend = await RawServer.listen(t)
    const { port } = await running(t, pairing, {
      backends: {
        main: { endpoints: [backend.url], transport: pairing.upstream },
        next: { endpoints: [mirror.url], transport: pairing.upstream },
      },
      routes: [{ backend: 'main', hedge: { delayMs: 0, maxAttempts: 3 }, mirror: { backend: 'next' } }],
    })
    const client = await RawClient.connect(t, port)
    const here = { backend, client } as Rig
    const first = await open(here)
    const second = await arrived(here, first.id)
    client.data(first.id, 'one ')
    await second.backend.received(second.backendId, 4)
    fails(first)
    const third = await arrived(here, first.id)
    client.data(first.id, 'two', { endStream: true })
    for (const one of [second, third]) {
      await one.backend.ended(one.backendId)
      t.equal(one.backend.body(one.backendId).toString(), 'one two')
    }
    const copy = await mirror.request()
    await copy.connection.ended(copy.streamId)
    t.equal(copy.connection.body(copy.streamId).toString(), 'one two')
    answer(third)
    answer({ backend: copy.connection, backendId: copy.streamId })
    await answered(t, third)
    await client.roundTrip()
    t.equal(mirror.requests.length, 1)
  })

  t.test('a fatal status: it goes to the client, and the other is reset', async t => {
    const here = await hedged(t, pairing)
    const first = await open(here, { endStream: true })
    const second = await arrived(here, first.id)
    const answer: Field[] = [...RESPONSE, ['grpc-status', '3'], ['grpc-message', 'no'], ['x-why', 'because']]
    second.backend.headers(second.backendId, answer, { endStream: true })
    const [only, ...rest] = await here.client.ended(first.id)
    t.same(rest, [])
    if (only?.kind === 'headers') t.same(pairs(only.fields), answer)
    await reset(first)
    await goesOn(t, here)
  })

  t.test('all fail: the last answer as it came', async t => {
    const here = await hedged(t, pairing)
    const first = await open(here, { endStream: true })
    const second = await arrived(here, first.id)
    fails(second)
    await second.backend.roundTrip()
    const more: Field[] = [['grpc-message', 'no%20more']]
    fails(first, more)
    const [only, ...rest] = await here.client.ended(first.id)
    t.same(rest, [])
    if (only?.kind === 'headers') t.same(pairs(only.fields), [...UNAVAILABLE, ...more])
    await goesOn(t, here)
  })

  t.test('headers commit the call: the other is reset, and what comes then ends it', async t => {
    const here = await hedged(t, pairing)
    const first = await open(here, { endStream: true })
    const second = await arrived(here, first.id)
    second.backend.headers(second.backendId, RESPONSE)
    await reset(first)
    await here.client.next('headers', first.id)
    second.backend.rst(second.backendId, Code.REFUSED_STREAM)
    await broken(t, second, 14)
    await goesOn(t, here)
  })

  t.test('pushback "never": no other attempt, and the one that runs may answer', async t => {
    const here = await hedged(t, pairing, { delayMs: 20, maxAttempts: 5 })
    const first = await open(here, { endStream: true })
    const second = await arrived(here, first.id)
    fails(second, [['grpc-retry-pushback-ms', '-1']])
    await second.backend.roundTrip()
    const count = here.backend.requests.length
    answer(first)
    await answered(t, first)
    await goesOn(t, here)
    t.equal(here.backend.requests.length, count + 1)
  })

  t.test('more body than is kept: the attempt that has most of it goes on alone', async t => {
    const here = await hedged(t, pairing, { delayMs: NEVER_MS, maxAttempts: 5 }, { limits: { replayBytes: 1_000 } })
    const first = await open(here)
    fails(first)
    const second = await arrived(here, first.id)
    const body = Buffer.alloc(5_000, 'x')
    first.client.data(first.id, body.subarray(0, 500))
    await second.backend.received(second.backendId, 500)
    first.client.data(first.id, body.subarray(500), { endStream: true })
    await second.backend.ended(second.backendId)
    t.ok(second.backend.body(second.backendId).equals(body))
    fails(second)
    t.equal(field((await here.client.ended(first.id))[0], 'grpc-status'), '14', 'not once more')
    await goesOn(t, here)
  })

  t.test('the client leaves: all attempts are reset', async t => {
    const here = await hedged(t, pairing, { maxAttempts: 3 })
    const calls = [await open(here, { endStream: true })]
    while (calls.length < 3) calls.push(await arrived(here, calls[0]!.id))
    here.client.rst(calls[0]!.id, Code.CANCEL)
    for (const call of calls) t.match(await reset(call), { code: Code.CANCEL })
    await goesOn(t, here)
  })

  t.test('a connection that is lost with one attempt: another takes its place', async t => {
    const servers = [await RawServer.listen(t), await RawServer.listen(t)]
    const main = { endpoints: servers.map(({ url }) => url), transport: pairing.upstream }
    const routes = [{ backend: 'main', hedge: { delayMs: NEVER_MS } }]
    const { port } = await running(t, pairing, { backends: { main }, routes })
    const client = await RawClient.connect(t, port)
    const id = client.request(requestFields(), { endStream: true })
    const requests = servers.map(server => server.request())
    const at = await Promise.race(requests.map((request, i) => request.then(() => i)))
    const first = await requests[at]!
    first.connection.destroy()
    const other = await requests[1 - at]!
    t.equal(field(other.headers, PREVIOUS), '1', 'elsewhere')
    const call = { client, id, backend: other.connection, backendId: other.streamId }
    answer(call)
    await answered(t, call)
  })
}
