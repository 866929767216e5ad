/**
 * How long sessions live, as a configuration asks for it. test/transport/keepalive-frames.test.ts and
 * test/backend/lifetimes.test.ts have the times, on clocks that are turned by hand; these are the shortest that can be
 * configured, so the tests wait side by side.
 */
import type { Test } from 'tap'
import { Code } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { answer, answered, open, type Pairing, refused, rig } from './rig.ts'

const SHORTEST_MS = 1_000

export function lifetimes(t: Test, pairing: Pairing): void {
  t.jobs = 5

  t.test('a backend that answers no PING: its call ends, and the next one has another session', async t => {
    const keepalive = { intervalMs: SHORTEST_MS, timeoutMs: SHORTEST_MS }
    const here = await rig(t, pairing, { upstream: { keepalive }, backend: { auto: { ping: false } } })
    const call = await open(here, { endStream: true })
    await call.backend.next('ping', ({ ack }) => !ack)
    await refused(t, call.client, call.id, 14, 'the connection to the backend was lost')
    const next = await open(here, { endStream: true })
    t.not(next.backend, call.backend)
    t.equal(here.backend.requests.length, 2, 'it may have been processed, so it is not sent again')
    answer(next)
    await answered(t, next)
  })

  t.test('a backend that answers PINGs keeps its session, however long its call is silent', async t => {
    const keepalive = { intervalMs: SHORTEST_MS, timeoutMs: SHORTEST_MS }
    const here = await rig(t, pairing, { upstream: { keepalive } })
    const call = await open(here, { endStream: true })
    for (let i = 0; i < 2; i++) await call.backend.next('ping', ({ ack }) => !ack)
    answer(call)
    await answered(t, call)
    t.equal(here.backend.connections.length, 1)
  })

  t.test('a session to a backend that is too old: the next one is there before it takes no more calls', async t => {
    const here = await rig(t, pairing, { upstream: { sessions: { max: 1, maxAgeMs: SHORTEST_MS } } })
    const call = await open(here, { endStream: true })
    await here.backend.connection()
    const second = await here.backend.connection()
    await until('the old one takes no more calls', () => here.proxy.counts().backendSessions === 2)
    await second.roundTrip()
    await here.client.roundTrip()
    const next = await open(here, { endStream: true })
    t.equal(next.backend, second)
    answer(next)
    await answered(t, next)
    t.notOk(
      call.backend.log.some(({ kind }) => kind === 'goaway' || kind === 'rst'),
      'the old one goes on with what it has',
    )
    answer(call)
    await answered(t, call)
    await call.backend.closed
  })

  t.test("a client's session that is too old is drained; its call and those of others go on", async t => {
    const limits = { clientMaxAgeMs: SHORTEST_MS }
    const here = await rig(t, pairing, { proxy: { limits } })
    const call = await open(here, { endStream: true })
    t.match(await here.client.next('goaway'), { code: Code.NO_ERROR, lastStreamId: 2 ** 31 - 1, debug: 'max_age' })
    const other = await RawClient.connect(t, here.port)
    const next = await open({ ...here, client: other }, { endStream: true })
    t.equal(next.backend, call.backend, 'the session to the backend is not concerned')
    t.match(await here.client.next('goaway'), { code: Code.NO_ERROR, lastStreamId: call.id })
    answer(call)
    await answered(t, call)
    await here.client.closed
    answer(next)
    await answered(t, next)
  })

  t.test('a client that answers no PING loses its session, and the backend the call', async t => {
    const limits = { clientKeepalive: { intervalMs: SHORTEST_MS, timeoutMs: SHORTEST_MS } }
    const here = await rig(t, pairing, { proxy: { limits }, client: { auto: { ping: false } } })
    const call = await open(here, { endStream: true })
    await here.client.next('ping', ({ ack }) => !ack)
    await here.client.closed
    t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
  })
}
