/** GOAWAY from a backend: RFC 9113 §6.8, protocol.md "GOAWAY, REFUSED_STREAM, retry". */
import type { Test } from 'tap'
import { Code } from '../support/frames.ts'
import { fewNumbers } from '../support/last-numbers.ts'
import type { RawConnection } from '../support/raw-connection.ts'
import { idle } from '../support/until.ts'
import {
  answer,
  answered,
  arrived,
  goesOn,
  message,
  open,
  type Pairing,
  pairs,
  RESPONSE,
  refused,
  requestFields,
  rig,
  TRAILERS,
} from './rig.ts'

const EVERY_STREAM = 2 ** 31 - 1

const FAREWELLS: readonly (readonly [string, (connection: RawConnection) => void])[] = [
  ['hangs up', connection => connection.socket.end()],
  ['sends GOAWAY(NO_ERROR)', connection => connection.goaway(0, Code.NO_ERROR)],
  [
    'sends GOAWAY(ENHANCE_YOUR_CALM) and hangs up',
    connection => {
      connection.goaway(0, Code.ENHANCE_YOUR_CALM)
      connection.socket.end()
    },
  ],
]

export function goaway(t: Test, pairing: Pairing): void {
  fromBackends(t, pairing)
  withoutUse(t, pairing)
  spent(t, pairing)
}

function withoutUse(t: Test, pairing: Pairing): void {
  for (const [what, say] of FAREWELLS) {
    t.test(`an endpoint that greets and ${what}, each time: two dials, then it is left alone for a while`, async t => {
      const backoff = { initialMs: 60_000, jitter: 0 }
      const here = await rig(t, pairing, { upstream: { backoff } })
      here.backend.onConnection(connection => say(connection))
      for (let call = 0; call < 20; call++) {
        const id = here.client.request(requestFields(), { endStream: true })
        await refused(t, here.client, id, 14)
      }
      t.equal(here.backend.connections.length, 2)
    })
  }

  t.test('an endpoint that says goodbye after each call: dialled anew for the next', async t => {
    const here = await rig(t, pairing, { upstream: { backoff: { initialMs: 60_000 } } })
    for (let time = 0; time < 5; time++) {
      const call = await open(here, { endStream: true })
      answer(call)
      call.backend.goaway(call.backendId, Code.NO_ERROR)
      await answered(t, call)
      await call.backend.closed
    }
    t.equal(here.backend.connections.length, 5)
  })

  t.test('sessions that were told to go and still have calls: the oldest is ended at the bound', async t => {
    const here = await rig(t, pairing, { upstream: { sessions: { maxDraining: 2 } } })
    const calls = []
    for (let time = 0; time < 4; time++) {
      const call = await open(here)
      call.backend.headers(call.backendId, RESPONSE)
      await call.client.next('headers', call.id)
      call.backend.goaway(call.backendId, Code.NO_ERROR)
      await call.backend.roundTrip()
      calls.push(call)
    }
    for (const call of calls.slice(0, 2)) {
      await call.backend.closed
      await call.client.ended(call.id)
    }
    for (const call of calls.slice(2)) {
      call.client.data(call.id, '', { endStream: true })
      call.backend.data(call.backendId, message('still here'))
      call.backend.headers(call.backendId, TRAILERS, { endStream: true })
      t.match((await call.client.ended(call.id)).at(-1), { kind: 'headers', fields: [{ value: '0' }] })
    }
    await goesOn(t, here)
  })
}

// RFC 9113 §5.1.1: "A client that is unable to establish a new stream identifier can establish a new connection for
// new streams."
function spent(t: Test, pairing: Pairing): void {
  t.test('stream numbers are used up: another session takes over, the calls of the old one run on', async t => {
    fewNumbers(t, pairing.upstream, 3)
    const here = await rig(t, pairing, { upstream: { sessions: { max: 1 } } })
    const calls = []
    for (let time = 0; time < 6; time++) calls.push(await open(here))
    t.same(
      calls.map(call => call.backendId),
      [1, EVERY_STREAM - 4, EVERY_STREAM - 2, EVERY_STREAM, 1, 3],
    )
    const [old, next] = here.backend.connections
    t.equal(here.backend.connections.length, 2)
    for (const call of calls) {
      call.client.data(call.id, message('still here'), { endStream: true })
      await call.backend.ended(call.backendId)
      answer(call)
      await answered(t, call)
    }
    await old!.closed
    t.match(old!.log.at(-1), { kind: 'goaway', code: Code.NO_ERROR })
    t.notOk(
      next!.log.some(item => item.kind === 'goaway'),
      'the new one stays',
    )
    await idle(here.proxy)
    await goesOn(t, here)
  })
}

function fromBackends(t: Test, pairing: Pairing): void {
  t.test('GOAWAY(NO_ERROR): streams up to the id run on, those above go to another session', async t => {
    const here = await rig(t, pairing)
    const below = await open(here)
    const above = await open(here, { extra: [['x-call', 'above']] })
    above.client.data(above.id, message('kept'))
    await above.backend.received(above.backendId, message('kept').length)
    below.backend.goaway(below.backendId, Code.NO_ERROR)

    const again = await arrived(here, above.id)
    t.ok(again.backend !== above.backend, 'another session')
    t.same(pairs(again.headers.fields), pairs(above.headers.fields), 'the same request')
    above.client.data(above.id, message(' and more'), { endStream: true })
    await again.backend.ended(again.backendId)
    t.ok(again.backend.body(again.backendId).equals(Buffer.concat([message('kept'), message(' and more')])))
    answer(again, 'from the other')
    await answered(t, again, 'from the other')

    below.client.data(below.id, message('still here'), { endStream: true })
    await below.backend.ended(below.backendId)
    answer(below)
    await answered(t, below)
    await goesOn(t, here)
  })

  t.test('GOAWAY(NO_ERROR): no new streams on that session', async t => {
    const here = await rig(t, pairing)
    const first = await open(here)
    first.backend.goaway(EVERY_STREAM, Code.NO_ERROR)
    await first.backend.roundTrip()
    const second = await open(here)
    t.ok(second.backend !== first.backend, 'another session')
    const third = await open(here)
    t.ok(third.backend === second.backend, 'one new session for all')
    for (const call of [first, second, third]) {
      answer(call)
      await answered(t, call)
    }
  })

  t.test('GOAWAY(NO_ERROR) twice, the second with the real id: what is above it goes elsewhere', async t => {
    const here = await rig(t, pairing)
    const below = await open(here, { endStream: true })
    const above = await open(here, { endStream: true })
    below.backend.goaway(EVERY_STREAM, Code.NO_ERROR)
    below.backend.goaway(below.backendId, Code.NO_ERROR)
    const again = await arrived(here, above.id)
    t.ok(again.backend !== above.backend, 'another session')
    for (const call of [again, below]) {
      answer(call)
      await answered(t, call)
    }
  })

  t.test('GOAWAY with an error: streams above the id are tried again', async t => {
    const here = await rig(t, pairing)
    const below = await open(here, { endStream: true })
    const above = await open(here, { endStream: true })
    below.backend.goaway(below.backendId, Code.ENHANCE_YOUR_CALM, 'too_many_pings')
    const again = await arrived(here, above.id)
    t.ok(again.backend !== above.backend, 'another session')
    answer(again)
    await answered(t, again)
  })

  // node:http2 destroys a session at GOAWAY(≠0): what was in flight on it is lost, whatever its id.
  if (pairing.upstream === 'native') {
    t.test('GOAWAY with an error: streams up to the id are lost, UNAVAILABLE', async t => {
      const here = await rig(t, pairing)
      const below = await open(here, { endStream: true })
      below.backend.goaway(below.backendId, Code.ENHANCE_YOUR_CALM, 'too_many_pings')
      await refused(t, below.client, below.id, 14)
      t.equal(here.backend.requests.length, 1, 'not tried again: it may have been processed')
      await goesOn(t, here)
    })
  } else {
    t.test('GOAWAY with an error: streams up to the id run on, those above go to another session', async t => {
      const here = await rig(t, pairing)
      const below = [await open(here), await open(here)]
      const above = [await open(here, { endStream: true }), await open(here, { endStream: true })]
      const { backend, backendId } = below[1]!
      backend.goaway(backendId, Code.ENHANCE_YOUR_CALM, 'too_many_pings')
      const again = [await arrived(here, above[0]!.id), await arrived(here, above[1]!.id)]
      t.notOk(
        again.some(call => call.backend === backend),
        'another session',
      )
      for (const call of below) {
        call.client.data(call.id, message('still here'), { endStream: true })
        await call.backend.ended(call.backendId)
        t.ok(call.backend.body(call.backendId).equals(message('still here')))
      }
      for (const call of [...below, ...again]) {
        answer(call)
        await answered(t, call)
      }
      t.equal(here.backend.requests.length, 6, 'four calls, and two once more')
      await backend.closed
      await goesOn(t, here)
    })
  }

  const skip = pairing.downstream === 'native' && 'node:http2 destroys a session at GOAWAY(≠0)'
  t.test('GOAWAY with an error from a client: its calls run on', { skip }, async t => {
    const here = await rig(t, pairing)
    const calls = [await open(here), await open(here)]
    here.client.goaway(0, Code.INTERNAL_ERROR, 'out of sorts')
    await here.client.roundTrip()
    for (const call of calls) {
      call.client.data(call.id, message('still here'), { endStream: true })
      await call.backend.ended(call.backendId)
      answer(call)
      await answered(t, call)
    }
    t.notOk(
      calls.some(call => call.backend.log.some(item => item.kind === 'rst' || item.kind === 'goaway')),
      'the backend heard nothing of it',
    )
  })
}
