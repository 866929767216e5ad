/** Drain, close and listen, in any order and more than once. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type BoundAddress, createProxy } from '../../src/index.ts'
import { answer, answered, arrived, open, type Rig, refused, requestFields } from '../contract/rig.ts'
import { Code } from '../support/frames.ts'
import { PATIENCE_MS } from '../support/inbox.ts'
import { dial, RawClient } from '../support/raw-client.ts'
import { closing } from '../support/teardown.ts'
import { until } from '../support/until.ts'
import { LONG_MS, rig } from './rig.ts'

const NOBODY = { calls: 0, clientConnections: 0, clientSessions: 0, waitingCalls: 0, timers: 0 }
const CLOSED = { message: 'the proxy is closed' }

for (const [first, second] of [
  [LONG_MS, 1],
  [1, LONG_MS],
] as const) {
  t.test(
    `drain(${first}), then drain(${second}): the shorter one holds, and both resolve`,
    { timeout: PATIENCE_MS },
    async t => {
      const here = await rig(t)
      const call = await open(here)
      const drained = [here.proxy.drain(first), here.proxy.drain(second)]
      await refused(t, call.client, call.id, 14, 'the proxy is shutting down')
      await Promise.all(drained)
      await here.client.closed
      t.match(here.proxy.counts(), NOBODY)
    },
  )
}

t.test('drain twice, and the call in flight completes: both resolve', { timeout: PATIENCE_MS }, async t => {
  const here = await rig(t)
  const call = await open(here, { endStream: true })
  const drained = [here.proxy.drain(LONG_MS), here.proxy.drain(LONG_MS)]
  await here.client.next('goaway')
  answer(call)
  await answered(t, call)
  await Promise.all(drained)
  t.match(here.proxy.counts(), NOBODY)
})

t.test('close during a drain ends it, and drain after close is over at once', async t => {
  const here = await rig(t)
  const call = await open(here)
  const drained = here.proxy.drain(LONG_MS)
  await here.client.next('goaway')
  await here.proxy.close()
  await refused(t, call.client, call.id, 14, 'the proxy is shutting down')
  await drained
  await here.proxy.drain(LONG_MS)
  t.match(here.proxy.counts(), NOBODY)
})

/** A connection that says nothing: it goes only because the proxy closes it, after a moment. */
async function silent(t: Test, here: Rig) {
  const before = here.proxy.counts().clientConnections
  const socket = closing(t, await dial(here.port))
  socket.on('error', () => {})
  await until('the connection is accepted', () => here.proxy.counts().clientConnections > before)
  return socket
}

t.test('close twice: the second resolves only when the connections are gone', async t => {
  const here = await rig(t)
  await silent(t, here)
  await open(here)
  const first = here.proxy.close()
  const second = here.proxy.close()
  t.equal(here.proxy.counts().clientConnections, 2, 'they are there still')
  await second
  t.match(here.proxy.counts(), NOBODY)
  await first
  await here.proxy.close()
})

t.test('a connection accepted before a drain, its preface sent after: told to go, its calls are not taken', async t => {
  const here = await rig(t)
  const call = await open(here)
  const late = await RawClient.connect(t, here.port, { greet: false })
  await until('the connection is accepted', () => here.proxy.counts().clientConnections === 2)
  const drained = here.proxy.drain(LONG_MS)
  await here.client.next('goaway')
  late.greet()
  t.match(await late.next('goaway'), { lastStreamId: 2 ** 31 - 1, code: Code.NO_ERROR })
  late.request(requestFields([], '/late/Call'), { endStream: true })
  await here.client.roundTrip()
  t.equal(here.proxy.counts().calls, 1, 'the call in flight goes on')
  call.client.data(call.id, '', { endStream: true })
  await call.backend.ended(call.backendId)
  answer(call)
  await answered(t, call)
  await drained
  await late.closed
  t.equal(here.backend.requests.length, 1, 'the late call did not arrive')
})

t.test('a drain without calls ended connections at once: calls that were on their way were lost', async t => {
  const here = await rig(t)
  const fresh = await RawClient.connect(t, here.port, { greet: false })
  await until('the connection is accepted', () => here.proxy.counts().clientConnections === 2)
  const drained = here.proxy.drain(LONG_MS)
  // Neither has heard of the drain yet.
  fresh.greet()
  const ids = [here.client, fresh].map(client => client.request(requestFields(), { endStream: true }))
  for (const [i, client] of [here.client, fresh].entries()) {
    const call = await arrived({ ...here, client }, ids[i]!)
    answer(call)
  }
  for (const [i, client] of [here.client, fresh].entries()) await answered(t, { client, id: ids[i]! })
  await drained
  t.match(here.proxy.counts(), NOBODY)
})

t.test('a drain does not wait for connections that say nothing', { timeout: PATIENCE_MS }, async t => {
  const here = await rig(t)
  await silent(t, here)
  await here.proxy.drain(10 * PATIENCE_MS)
  t.match(here.proxy.counts(), NOBODY)
})

t.test('listen after close, and after drain: rejected, and nothing listens', async t => {
  for (const end of ['close', 'drain'] as const) {
    const here = await rig(t)
    await here.proxy[end]()
    const before = servers()
    await t.rejects(here.proxy.listen({ host: '127.0.0.1', port: 0 }), CLOSED, end)
    t.equal(servers(), before)
  }
})

t.test('listen during a drain: rejected', async t => {
  const here = await rig(t)
  const call = await open(here, { endStream: true })
  const drained = here.proxy.drain(LONG_MS)
  await t.rejects(here.proxy.listen({ host: '127.0.0.1', port: 0 }), CLOSED)
  answer(call)
  await answered(t, call)
  await drained
})

/** Listening sockets of this process. */
function servers(): number {
  return process.getActiveResourcesInfo().filter(name => name === 'TCPServerWrap' || name === 'PipeServerWrap').length
}

t.test('close during listen: nothing is left listening', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'grpc-verbatim-test-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'socket')
  await until('the servers of other tests are gone', () => servers() === 0)
  for (const address of [{ host: '127.0.0.1', port: 0 }, { host: 'localhost', port: 0 }, { path }]) {
    for (const end of ['close', 'drain'] as const) {
      const proxy = createProxy({ backends: { main: { endpoints: ['127.0.0.1:1'] } }, log: { level: 'silent' } })
      let bound: BoundAddress | undefined
      const took = (address: BoundAddress) => {
        bound = address
      }
      proxy.listen(address).then(took, () => {})
      await proxy[end]()
      await until('no server is left', () => servers() === 0)
      if (bound !== undefined && bound.port > 0) await t.rejects(dial(bound.port), { code: 'ECONNREFUSED' })
      t.equal(servers(), 0, `${JSON.stringify(address)}, ${end}`)
      t.notOk(existsSync(path))
    }
  }
})
