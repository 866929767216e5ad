/** The backend's SETTINGS_MAX_CONCURRENT_STREAMS is honoured: RFC 9113 §5.1.2, protocol.md "Sessions". */
import type { Test } from 'tap'
import { Code, Setting } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import { answer, answered, arrived, goesOn, isReady, open, type Pairing, refused, requestFields, rig } from './rig.ts'

const limited = (streams: number) => ({ settings: { [Setting.MAX_CONCURRENT_STREAMS]: streams } })
const sessions = (max: number) => ({ sessions: { max } })

export function streamLimits(t: Test, pairing: Pairing): void {
  t.test('calls over the limit go to another session', async t => {
    const here = await rig(t, pairing, { backend: limited(2), upstream: sessions(3) })
    const calls = [await open(here), await open(here), await open(here), await open(here), await open(here)]
    const counts = here.backend.connections.map(c => calls.filter(call => call.backend === c).length)
    t.same(counts, [2, 2, 1])
    for (const call of calls) {
      answer(call)
      await answered(t, call)
    }
  })

  t.test('calls over the limit of all sessions wait for a stream to end', async t => {
    const here = await rig(t, pairing, { backend: limited(2), upstream: sessions(1) })
    const first = await open(here, { endStream: true })
    const second = await open(here, { endStream: true })
    const waiting = [0, 1, 2].map(() => here.client.request(requestFields(), { endStream: true }))
    await here.client.roundTrip()
    await first.backend.roundTrip()
    t.equal(here.backend.requests.length, 2, 'two and no more')
    t.equal(here.backend.connections.length, 1)
    let busy = [first, second]
    for (const id of waiting) {
      const [done, still] = busy
      answer(done!)
      await answered(t, done!)
      const next = await arrived(here, id)
      busy = [still!, next]
    }
    for (const call of busy) {
      answer(call)
      await answered(t, call)
    }
  })

  t.test('more calls than the limit that wait for a session: it takes as many as it may', async t => {
    const here = await rig(t, pairing, { backend: { ...limited(2), greet: false }, upstream: sessions(1) })
    const ids = [0, 1, 2].map(() => here.client.request(requestFields(), { endStream: true }))
    const connection = await here.backend.connection()
    await here.client.roundTrip()
    connection.greet()
    const first = await arrived(here, ids[0]!)
    const second = await arrived(here, ids[1]!)
    await connection.roundTrip()
    t.equal(here.backend.requests.length, 2)
    answer(first)
    await answered(t, first)
    const third = await arrived(here, ids[2]!)
    t.equal(here.backend.connections.length, 1, 'on one session, as configured')
    for (const call of [second, third]) {
      answer(call)
      await answered(t, call)
    }
  })

  t.test('a stream that was reset makes room too, after a moment', async t => {
    const upstream = { sessions: { max: 1, reserve: 0 } }
    const here = await rig(t, pairing, { backend: limited(1), upstream })
    const first = await open(here)
    const id = here.client.request(requestFields(), { endStream: true })
    first.client.rst(first.id, Code.CANCEL)
    const second = await arrived(here, id)
    t.ok(second.backend === first.backend, 'the same session')
    answer(second)
    await answered(t, second)
  })

  t.test('a client that gives up while it waits is not sent', async t => {
    const here = await rig(t, pairing, { backend: limited(1), upstream: sessions(1) })
    const first = await open(here, { endStream: true })
    const id = here.client.request(requestFields(), { endStream: true })
    here.client.rst(id, Code.CANCEL)
    await here.client.roundTrip()
    answer(first)
    await answered(t, first)
    await goesOn(t, here)
    t.equal(here.backend.requests.length, 2)
  })

  // §6.5.3: a limit may be lowered while streams are open; it holds from the acknowledgement on.
  t.test('a limit that is lowered later is honoured', async t => {
    const here = await rig(t, pairing, { backend: limited(10), upstream: sessions(2) })
    const first = await open(here)
    await first.backend.next('settings', item => item.ack)
    first.backend.settings({ [Setting.MAX_CONCURRENT_STREAMS]: 1 })
    await first.backend.next('settings', item => item.ack)
    const second = await open(here)
    t.ok(second.backend !== first.backend, 'another session')
  })

  t.test('a limit that is raised later lets the waiting go', async t => {
    const here = await rig(t, pairing, { backend: limited(1), upstream: sessions(1) })
    const first = await open(here)
    const id = here.client.request(requestFields())
    await here.client.roundTrip()
    await first.backend.roundTrip()
    t.equal(here.backend.requests.length, 1)
    first.backend.settings({ [Setting.MAX_CONCURRENT_STREAMS]: 2 })
    const second = await arrived(here, id)
    t.ok(second.backend === first.backend, 'the same session')
  })

  // python-h2 ends the connection for a stream above the limit that it counts from our first ACK.
  t.test('a limit that is lowered in the same read as it was given: no stream between the two', async t => {
    const here = await rig(t, pairing, { backend: { greet: false }, upstream: sessions(1) })
    const ids = Array.from({ length: 6 }, () => here.client.request(requestFields(), { endStream: true }))
    const connection = await here.backend.connection()
    await here.client.roundTrip()
    connection.socket.cork()
    connection.settings({ [Setting.MAX_CONCURRENT_STREAMS]: 100 })
    connection.settings({ [Setting.MAX_CONCURRENT_STREAMS]: 1 })
    connection.settings({}, { ack: true })
    connection.socket.uncork()
    for (let i = 0; i < ids.length; i++) {
      const { connection, streamId } = await here.backend.request()
      await connection.roundTrip()
      t.equal(here.backend.requests.length, i + 1, 'one at a time')
      answer({ backend: connection, backendId: streamId })
      await answered(t, { client: here.client, id: ids[i]! })
    }
  })

  // protocol.md "When the proxy must answer by itself": the backend's capacity is UNAVAILABLE.
  t.test('a full queue: UNAVAILABLE', async t => {
    const upstream = { ...sessions(1), queue: { maxCalls: 1 } }
    const here = await rig(t, pairing, { backend: limited(1), upstream })
    const first = await open(here, { endStream: true })
    const waiting = here.client.request(requestFields(), { endStream: true })
    await refused(t, here.client, here.client.request(requestFields(), { endStream: true }), 14)
    answer(first)
    await answered(t, first)
    const second = await arrived(here, waiting)
    answer(second)
    await answered(t, second)
  })

  t.test('waiting too long: UNAVAILABLE', async t => {
    const upstream = { sessions: { max: 1, ready: 1 }, queue: { timeoutMs: 50 } }
    const here = await rig(t, pairing, { backend: limited(1), upstream })
    await isReady(here)
    const first = await open(here, { endStream: true })
    await refused(t, here.client, here.client.request(requestFields(), { endStream: true }), 14)
    answer(first)
    await answered(t, first)
  })

  t.test('clients share the sessions to a backend', async t => {
    const here = await rig(t, pairing)
    const first = await open(here)
    const other = await RawClient.connect(t, here.port)
    const second = await open({ ...here, client: other })
    t.ok(second.backend === first.backend, 'the same session')
    for (const call of [second, first]) {
      answer(call)
      await answered(t, call)
    }
  })
}
