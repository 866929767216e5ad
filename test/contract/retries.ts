/** Transparent retry (gRFC A6): once, the same request, and only while nothing is committed. */
import type { Test } from 'tap'
import { Code } from '../support/frames.ts'
import {
  answer,
  answered,
  arrived,
  broken,
  type Call,
  goesOn,
  open,
  type Pairing,
  pairs,
  RESPONSE,
  rig,
} from './rig.ts'

export function retries(t: Test, pairing: Pairing): void {
  t.test('REFUSED_STREAM: tried once more, the same request', async t => {
    const here = await rig(t, pairing)
    const first = await open(here, {
      endStream: true,
      extra: [
        ['x-a', '1'],
        ['x-secret', 's', 'never'],
      ],
    })
    first.backend.rst(first.backendId, Code.REFUSED_STREAM)
    const second = await arrived(here, first.id)
    t.same(pairs(second.headers.fields), pairs(first.headers.fields))
    t.equal(second.headers.endStream, true)
    t.match(second.headers.fields.at(-1), { name: 'x-secret', neverIndexed: true })
    answer(second)
    await answered(t, second)
  })

  // A6, "Transparent Retries": once when the server refused.
  t.test('REFUSED_STREAM twice: no third attempt, the client may make one', async t => {
    const here = await rig(t, pairing)
    const first = await open(here, { endStream: true })
    first.backend.rst(first.backendId, Code.REFUSED_STREAM)
    const second = await arrived(here, first.id)
    second.backend.rst(second.backendId, Code.REFUSED_STREAM)
    t.match(await first.client.ended(first.id), [{ kind: 'rst', code: Code.REFUSED_STREAM }])
    t.equal(here.backend.requests.length, 2)
    await goesOn(t, here)
  })

  t.test('REFUSED_STREAM: the body so far is replayed exactly, the rest follows', async t => {
    const here = await rig(t, pairing)
    const first = await open(here)
    const bytes = Buffer.alloc(40_000, '0123456789abc')
    for (const [start, end] of [
      [0, 1],
      [1, 9_000],
      [9_000, 20_000],
    ] as const) {
      first.client.data(first.id, bytes.subarray(start, end))
    }
    await first.backend.received(first.backendId, 20_000)
    first.backend.rst(first.backendId, Code.REFUSED_STREAM)
    const second = await arrived(here, first.id)
    await second.backend.received(second.backendId, 20_000)
    first.client.data(first.id, bytes.subarray(20_000, 36_000))
    first.client.data(first.id, bytes.subarray(36_000))
    first.client.data(first.id, '', { endStream: true })
    await second.backend.ended(second.backendId)
    t.ok(second.backend.body(second.backendId).equals(bytes))
    answer(second)
    await answered(t, second)
  })

  t.test('REFUSED_STREAM after the half-close: body and end are replayed', async t => {
    const here = await rig(t, pairing)
    const first = await open(here)
    first.client.data(first.id, 'all of it', { endStream: true })
    await first.backend.ended(first.backendId)
    first.backend.rst(first.backendId, Code.REFUSED_STREAM)
    const second = await arrived(here, first.id)
    await second.backend.ended(second.backendId)
    t.equal(second.backend.body(second.backendId).toString(), 'all of it')
    answer(second)
    await answered(t, second)
  })

  // A6: "a call is committed when response headers arrived".
  t.test('REFUSED_STREAM after response headers: not tried again', async t => {
    const here = await rig(t, pairing)
    const call = await open(here, { endStream: true })
    call.backend.headers(call.backendId, RESPONSE)
    await call.client.next('headers', call.id)
    call.backend.rst(call.backendId, Code.REFUSED_STREAM)
    await broken(t, call, 14, 'upstream-refused')
    await goesOn(t, here)
    t.equal(here.backend.requests.length, 2, 'the call, and the one after')
  })

  for (const [what, refuse] of [
    ['REFUSED_STREAM', (call: Call) => call.backend.rst(call.backendId, Code.REFUSED_STREAM)],
    ['a GOAWAY below it', (call: Call) => call.backend.goaway(0, Code.NO_ERROR)],
  ] as const) {
    t.test(`${what} after more body than is kept: not tried again here, the client may`, async t => {
      const here = await rig(t, pairing, { proxy: { limits: { replayBytes: 1000 } } })
      const call = await open(here)
      call.client.data(call.id, Buffer.alloc(5_000))
      await call.backend.received(call.backendId, 5_000)
      refuse(call)
      t.match(await call.client.ended(call.id), [{ kind: 'rst', code: Code.REFUSED_STREAM }])
      await goesOn(t, here)
      t.equal(here.backend.requests.length, 2)
    })
  }

  t.test('REFUSED_STREAM for a client that is gone: not tried again', async t => {
    const here = await rig(t, pairing)
    const call = await open(here)
    call.client.rst(call.id, Code.CANCEL)
    await call.client.roundTrip()
    call.backend.rst(call.backendId, Code.REFUSED_STREAM)
    await goesOn(t, here)
    t.equal(here.backend.requests.length, 2)
  })
}
