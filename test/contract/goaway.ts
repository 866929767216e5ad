/** GOAWAY from a backend: RFC 9113 §6.8, protocol.md "GOAWAY, REFUSED_STREAM, retry". */
import type { Test } from 'tap'
import { Code } from '../support/frames.ts'
import { answer, answered, arrived, goesOn, message, open, type Pairing, pairs, refused, rig } from './rig.ts'

const EVERY_STREAM = 2 ** 31 - 1

export function goaway(t: Test, pairing: Pairing): void {
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
    t.test('GOAWAY with an error: streams up to the id run on', async t => {
      const here = await rig(t, pairing)
      const below = await open(here, { endStream: true })
      below.backend.goaway(below.backendId, Code.ENHANCE_YOUR_CALM, 'too_many_pings')
      await below.backend.roundTrip()
      answer(below)
      await answered(t, below)
      await goesOn(t, here)
    })
  }
}
