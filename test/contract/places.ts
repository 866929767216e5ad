/** Connections that do nothing, against the bound on connections: whoever wants to call finds a place. */
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Test } from 'tap'
import { certificates } from '../support/certs.ts'
import { Code } from '../support/frames.ts'
import { dial, RawClient } from '../support/raw-client.ts'
import { closing } from '../support/teardown.ts'
import { until } from '../support/until.ts'
import { answer, answered, goesOn, open, type Pairing, rig } from './rig.ts'

const PLACES = 5

export function places(t: Test, pairing: Pairing): void {
  for (const over of ['TCP', 'TLS'] as const) {
    t.test(`${over}: idle sessions fill all places: the longest idle one goes, and the newcomer is served`, async t => {
      const made = over === 'TLS' ? await certificates() : undefined
      const client = { tls: made && { ca: made.ca.cert } }
      const proxy = { limits: { maxClientSessions: PLACES } }
      // The first one is busy all the time.
      const here = await rig(t, pairing, { proxy, certificates: made, client })
      const busy = await open(here)
      const idle: RawClient[] = []
      for (let i = 1; i < PLACES; i++) idle.push(await RawClient.connect(t, here.port, client))
      const [first, second] = idle
      // It had a call since: it is not idle for longest any more.
      const used = await open({ ...here, client: first! }, { endStream: true })
      answer(used)
      await answered(t, used)

      const newcomer = await RawClient.connect(t, here.port, client)
      await goesOn(t, { ...here, client: newcomer })
      t.match(await second!.next('goaway'), { code: Code.NO_ERROR, lastStreamId: 0 })
      await second!.closed
      t.equal(here.proxy.counts().clientConnections, PLACES)
      for (const other of idle.filter(one => one !== second)) await other.roundTrip()
      answer(busy)
      await answered(t, busy)
    })

    t.test(`${over}: those who never said a preface make room too`, async t => {
      const made = over === 'TLS' ? await certificates() : undefined
      const client = { tls: made && { ca: made.ca.cert } }
      const proxy = { limits: { maxClientSessions: PLACES } }
      const here = await rig(t, pairing, { proxy, certificates: made, client })
      const busy = await open(here)
      for (let i = 1; i < PLACES; i++) {
        const silent = closing(t, i % 2 === 0 ? await dial(here.port, client.tls) : connect(here.port, '127.0.0.1'))
        silent.on('error', () => {})
        await until('it is there', () => here.proxy.counts().clientConnections === 1 + i)
      }
      for (let i = 1; i < PLACES; i++) {
        await goesOn(t, { ...here, client: await RawClient.connect(t, here.port, client) })
      }
      answer(busy)
      await answered(t, busy)
    })

    t.test(`${over}: all are busy: the newcomer is refused, and there is a place once one has gone`, async t => {
      const made = over === 'TLS' ? await certificates() : undefined
      const client = { tls: made && { ca: made.ca.cert } }
      const here = await rig(t, pairing, { proxy: { limits: { maxClientSessions: 2 } }, certificates: made, client })
      const other = await RawClient.connect(t, here.port, client)
      const calls = [await open(here), await open({ ...here, client: other })]
      const refused = closing(t, connect(here.port, '127.0.0.1'))
      refused.on('error', () => {})
      await once(refused.resume(), 'close')
      for (const call of calls) {
        answer(call)
        await answered(t, call)
      }
      await other.close()
      await until('it is forgotten', () => here.proxy.counts().clientConnections === 1)
      await goesOn(t, { ...here, client: await RawClient.connect(t, here.port, client) })
    })
  }

  t.test('a bound for each address: its own longest idle connection makes room', async t => {
    const limits = { maxClientSessionsPerAddress: 2 }
    const here = await rig(t, pairing, { proxy: { limits } })
    const second = await RawClient.connect(t, here.port)
    const third = await RawClient.connect(t, here.port)
    t.match(await here.client.next('goaway'), { code: Code.NO_ERROR })
    const call = await open({ ...here, client: second })
    await goesOn(t, { ...here, client: third })
    const fourth = await RawClient.connect(t, here.port)
    t.match(await third.next('goaway'), { code: Code.NO_ERROR }, 'not the busy one')
    await goesOn(t, { ...here, client: fourth })
    answer(call)
    await answered(t, call)
  })

  // test/transport/places.test.ts has the times, on a clock that is turned by hand.
  t.test('a session without calls is drained after the idle timeout', async t => {
    const { client } = await rig(t, pairing, { proxy: { limits: { clientIdleTimeoutMs: 50 } } })
    // RFC 9113 §6.8: gracefully, the largest id first.
    t.match(await client.next('goaway'), { code: Code.NO_ERROR, lastStreamId: 2 ** 31 - 1 })
    await client.closed
  })
}
