/** The proxy says goodbye properly: RFC 9113 §6.8, protocol.md "GOAWAY, REFUSED_STREAM, retry". */
import type { Test } from 'tap'
import { Code, Setting } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import {
  answer,
  answered,
  arrived,
  broken,
  message,
  neverEnded,
  open,
  type Pairing,
  RESPONSE,
  requestFields,
  rig,
} from './rig.ts'

/** "a GOAWAY frame with the last stream identifier set to 2^31-1 and a NO_ERROR code". */
const NOTICE = { lastStreamId: 2 ** 31 - 1, code: Code.NO_ERROR }
const LONG_MS = 60_000

export function drain(t: Test, pairing: Pairing): void {
  t.test('drain: GOAWAY(2^31-1), PING, GOAWAY with the real id; the call in flight completes', async t => {
    const here = await rig(t, pairing)
    const call = await open(here)
    const drained = here.proxy.drain(LONG_MS)
    t.match(await here.client.next('goaway'), NOTICE)
    await here.client.next('ping', item => !item.ack)
    t.match(await here.client.next('goaway'), { lastStreamId: call.id, code: Code.NO_ERROR })
    const order = here.client.log.filter(item => item.kind === 'goaway' || (item.kind === 'ping' && !item.ack))
    t.same(
      order.map(item => item.kind),
      ['goaway', 'ping', 'goaway'],
    )

    call.client.data(call.id, message('the last word'), { endStream: true })
    await call.backend.ended(call.backendId)
    answer(call)
    await answered(t, call)
    await here.client.closed
    await drained
  })

  // §6.8: "allows for any streams that were in flight to be processed", which is what the round trip is for.
  // nghttp2 ignores new streams from its first GOAWAY on, and Node has no call for a mere notice: there the
  // second GOAWAY tells the client that the call was not processed.
  const served = pairing.downstream !== 'native'
  t.test(
    `drain: a call that crossed the first GOAWAY is ${served ? 'served' : 'above the id of the second'}`,
    async t => {
      const here = await rig(t, pairing, { client: { auto: { ping: false } } })
      const first = await open(here)
      const drained = here.proxy.drain(LONG_MS)
      t.match(await here.client.next('goaway'), NOTICE)
      const ping = await here.client.next('ping', item => !item.ack)
      const crossing = here.client.request(requestFields(), { endStream: true })
      const calls = served ? [await arrived(here, crossing), first] : [first]
      t.equal(here.client.log.filter(item => item.kind === 'goaway').length, 1, 'one GOAWAY until the PING is answered')
      here.client.ping(ping.data, { ack: true })
      t.match(await here.client.next('goaway'), { lastStreamId: calls[0]!.id, code: Code.NO_ERROR })
      first.client.data(first.id, '', { endStream: true })
      for (const call of calls) {
        answer(call)
        await answered(t, call)
      }
      await here.client.closed
      await drained
      t.equal(here.backend.requests.length, calls.length)
    },
  )

  t.test('drain: an idle session is closed, a new connection is not accepted', async t => {
    const here = await rig(t, pairing)
    await here.client.roundTrip()
    const drained = here.proxy.drain(LONG_MS)
    t.match(await here.client.next('goaway'), NOTICE)
    await here.client.closed
    await drained
    await t.rejects(RawClient.connect(t, here.port), { code: 'ECONNREFUSED' })
  })

  t.test('drain: what is left after the grace period is told so', async t => {
    const here = await rig(t, pairing)
    const waiting = await open(here)
    const halfway = await open(here)
    halfway.backend.headers(halfway.backendId, RESPONSE)
    await halfway.client.next('headers', halfway.id)
    const drained = here.proxy.drain(1)
    const came = await waiting.client.ended(waiting.id)
    t.match(came, [{ kind: 'headers', endStream: true }], 'before response headers: an answer')
    if (came[0]?.kind === 'headers') t.match(came[0].fields, [{}, {}, { name: 'grpc-status', value: '14' }])
    await broken(t, halfway, 14, 'shutting-down')
    await drained
    await here.client.closed
  })

  // A stream that a drain ends is UNAVAILABLE: RST_STREAM has no code for that, the end of a connection means it.
  t.test('drain: in the middle of a message no reset, the end of the connection', async t => {
    const here = await rig(t, pairing)
    const call = await open(here)
    const part = message('half').subarray(0, -1)
    call.backend.headers(call.backendId, RESPONSE)
    call.backend.data(call.backendId, part)
    await call.client.received(call.id, part.length)
    const drained = here.proxy.drain(1)
    await here.client.closed
    t.notOk(here.client.stream(call.id).some(item => item.kind === 'rst'))
    neverEnded(t, call.client, call.id)
    t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
    await drained
  })

  t.test('drain: a client that reads nothing of a long stream does not hold it up', async t => {
    const here = await rig(t, pairing, {
      client: { auto: { window: false }, settings: { [Setting.INITIAL_WINDOW_SIZE]: 1000 } },
    })
    const call = await open(here)
    call.backend.headers(call.backendId, RESPONSE)
    call.backend.data(call.backendId, Buffer.alloc(16_000))
    await call.client.received(call.id, 1000)
    const drained = here.proxy.drain(1)
    await here.client.closed
    neverEnded(t, call.client, call.id)
    await drained
  })

  t.test('close: calls in flight never end clean, connections are gone', async t => {
    const here = await rig(t, pairing)
    const call = await open(here)
    call.backend.headers(call.backendId, RESPONSE)
    await call.client.next('headers', call.id)
    await here.proxy.close()
    await here.client.closed
    await call.backend.closed
    await broken(t, call, 14, 'shutting-down')
    neverEnded(t, call.backend, call.backendId)
  })
}
