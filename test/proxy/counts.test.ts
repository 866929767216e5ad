/** What is open, as the proxy counts it. */
import t from 'tap'
import { answer, answered, arrived, open, requestFields } from '../contract/rig.ts'
import { Code, Setting } from '../support/frames.ts'
import { idle, until } from '../support/until.ts'
import { rig } from './rig.ts'

const NOTHING = {
  calls: 0,
  clientConnections: 0,
  clientSessions: 0,
  waitingCalls: 0,
  backendSessions: 0,
  backendStreams: 0,
  timers: 0,
}

t.test('a call and its end', async t => {
  const here = await rig(t)
  const idleCounts = { ...NOTHING, clientConnections: 1, clientSessions: 1 }
  // Until a peer has acknowledged our SETTINGS a timer waits for it.
  await here.client.roundTrip()
  t.strictSame(here.proxy.counts(), idleCounts)
  const call = await open(here, { extra: [['grpc-timeout', '1H']], endStream: true })
  await until('the deadline alone has a timer', () => here.proxy.counts().timers === 1)
  t.strictSame(here.proxy.counts(), { ...idleCounts, calls: 1, backendSessions: 1, backendStreams: 1, timers: 1 })
  answer(call)
  await answered(t, call)
  await idle(here.proxy)
  t.strictSame(here.proxy.counts(), { ...idleCounts, backendSessions: 1 })
  await here.client.close()
  await until('the client is forgotten', () => here.proxy.counts().clientConnections === 0)
  t.strictSame(here.proxy.counts(), { ...NOTHING, backendSessions: 1 })
  await here.proxy.close()
  await until('the session is forgotten', () => here.proxy.counts().backendSessions === 0)
  t.strictSame(here.proxy.counts(), NOTHING)
})

t.test('a call that waits for a stream, and one that gave up waiting', async t => {
  const here = await rig(t, {
    backend: { settings: { [Setting.MAX_CONCURRENT_STREAMS]: 1 } },
    upstream: { sessions: { max: 1 } },
  })
  const call = await open(here, { endStream: true })
  const waiting = here.client.request(requestFields(), { endStream: true })
  const givesUp = here.client.request(requestFields())
  await here.client.roundTrip()
  // One timer for all of a queue: how long its first may stay.
  t.match(here.proxy.counts(), { calls: 3, waitingCalls: 2, backendSessions: 1, backendStreams: 1, timers: 1 })
  here.client.rst(givesUp, Code.CANCEL)
  await until('it is gone from the queue', () => here.proxy.counts().waitingCalls === 1)
  answer(call)
  await answered(t, call)
  const next = await arrived(here, waiting)
  t.match(here.proxy.counts(), { calls: 1, waitingCalls: 0, backendStreams: 1, timers: 0 })
  answer(next)
  await answered(t, next)
  await idle(here.proxy)
})

t.test('a client that vanishes takes its calls along', async t => {
  const here = await rig(t)
  const calls = [await open(here), await open(here, { extra: [['grpc-timeout', '1H']] })]
  t.match(here.proxy.counts(), { calls: 2, backendStreams: 2, timers: 1 })
  here.client.resetConnection()
  for (const call of calls) t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
  await idle(here.proxy)
  await until('the client is forgotten', () => here.proxy.counts().clientConnections === 0)
  t.strictSame(here.proxy.counts(), { ...NOTHING, backendSessions: 1 })
})
