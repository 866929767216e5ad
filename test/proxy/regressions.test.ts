/** What was wrong once: targets shared between calls, drains that never end, listens that lie. */
import { once } from 'node:events'
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createProxy, type Director, defineBackend } from '../../src/index.ts'
import { answer, answered, field, open, refused, requestFields } from '../contract/rig.ts'
import { Code } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'
import { LONG_MS, rig } from './rig.ts'

for (const when of ['before', 'after'] as const) {
  t.test(
    `a session without calls, its preface sent ${when} the drain began: closed, though another has calls`,
    async t => {
      const here = await rig(t)
      const call = await open(here, { endStream: true })
      const other = await RawClient.connect(t, here.port, { greet: when === 'before' })
      const drained = here.proxy.drain(LONG_MS)
      other.greet()
      t.match(await other.next('goaway'), { lastStreamId: 2 ** 31 - 1, code: Code.NO_ERROR })
      t.match(await other.next('goaway'), { lastStreamId: 0, code: Code.NO_ERROR })
      await other.closed
      answer(call)
      await answered(t, call)
      await drained
    },
  )
}

t.test('the last call of a session ends before its client answers the PING: the session is closed', async t => {
  const here = await rig(t)
  const stays = await open(here, { endStream: true })
  const other = await RawClient.connect(t, here.port, { auto: { ping: false } })
  const call = await open({ ...here, client: other }, { endStream: true })
  const drained = here.proxy.drain(LONG_MS)
  const ping = await other.next('ping', item => !item.ack)
  answer(call)
  await answered(t, call)
  other.ping(ping.data, { ack: true })
  t.match(await other.next('goaway', item => item.lastStreamId < 2 ** 31 - 1), { lastStreamId: call.id })
  await other.closed
  answer(stays)
  await answered(t, stays)
  await drained
})

t.test('a director changes and returns the same target: each call gets its own metadata', async t => {
  const target = { backend: 'main', metadata: {} as Record<string, string> }
  const director: Director = call => {
    target.metadata['x-user'] = call.metadata.get('user') ?? ''
    return target
  }
  const here = await rig(t, { proxy: { director } })
  for (const user of ['alice', 'bob']) {
    const call = await open(here, { extra: [['user', user]], endStream: true })
    t.equal(field(call.headers, 'x-user'), user)
    answer(call)
    await answered(t, call)
  }
})

t.test('a director names a new definition after close: UNAVAILABLE, and nothing is dialled', async t => {
  const backend = await RawServer.listen(t)
  const proxy = createProxy({ director: () => ({ backend: defineBackend(backend.url) }), log: { level: 'silent' } })
  const server = createServer()
  server.on('stream', proxy.handler)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const client = await RawClient.connect(t, (server.address() as AddressInfo).port)
  await proxy.close()
  await refused(t, client, client.request(requestFields(), { endStream: true }), 14)
  t.equal(backend.connections.length, 0)
})

for (const end of ['close', 'drain'] as const) {
  for (const address of [
    { host: '127.0.0.1', port: 0 },
    { host: 'localhost', port: 0 },
  ]) {
    t.test(`${end} during listen on ${address.host}: listen is rejected`, { timeout: 5_000 }, async t => {
      const proxy = createProxy({ backends: { main: { endpoints: ['127.0.0.1:1'] } }, log: { level: 'silent' } })
      const listening = proxy.listen(address).then(
        () => 'bound',
        error => error.message,
      )
      await proxy[end]()
      t.equal(await listening, 'the proxy is closed')
    })
  }
}

t.test('close resolves when the connections to backends are gone too', async t => {
  const here = await rig(t)
  const call = await open(here, { endStream: true })
  answer(call)
  await answered(t, call)
  await here.proxy.close()
  t.equal(here.proxy.counts().backendSessions, 0)
})
