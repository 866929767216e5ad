/** The proxy inside somebody else's server, when the proxy is closed and the server is not. */
import { once } from 'node:events'
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createProxy, type Director } from '../../src/index.ts'
import { open, type Rig, refused, requestFields } from '../contract/rig.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'
import { idle } from '../support/until.ts'
import { LONG_MS } from './rig.ts'

async function embedded(t: Test, director: Director): Promise<Rig> {
  const backend = await RawServer.listen(t)
  const proxy = createProxy({ backends: { main: { endpoints: [backend.url] } }, director, log: { level: 'silent' } })
  t.teardown(() => proxy.close())
  const server = createServer()
  server.on('stream', proxy.handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return { proxy, port, backend, client: await RawClient.connect(t, port) }
}

t.test('a director is pending at close: the call is answered, its signal aborts', async t => {
  const asked = Promise.withResolvers<AbortSignal>()
  const here = await embedded(t, call => {
    asked.resolve(call.signal)
    return new Promise(() => {})
  })
  const id = here.client.request(requestFields(), { endStream: true })
  const signal = await asked.promise
  await here.proxy.close()
  await refused(t, here.client, id, 14, 'the proxy is shutting down')
  t.equal(signal.aborted, true)
  await idle(here.proxy)
})

t.test('a call waits for its answer at close, and at the end of a drain: it is answered', async t => {
  for (const end of ['close', 'drain'] as const) {
    const here = await embedded(t, () => ({ backend: 'main' }))
    const call = await open(here)
    await here.proxy[end](1)
    await refused(t, here.client, call.id, 14, 'the proxy is shutting down')
    await call.backend.closed
    await idle(here.proxy)
  }
})

t.test('a call in flight completes before a drain is over', async t => {
  const here = await embedded(t, () => ({ backend: 'main' }))
  const call = await open(here, { endStream: true })
  const drained = here.proxy.drain(LONG_MS)
  call.backend.headers(call.backendId, [[':status', '200']])
  call.backend.headers(call.backendId, [['grpc-status', '0']], { endStream: true })
  await call.client.ended(call.id)
  await drained
  await call.backend.closed
  t.equal(here.proxy.counts().calls, 0)
})

t.test('a call that comes after close: UNAVAILABLE, and no session is opened for it', async t => {
  const here = await embedded(t, () => ({ backend: 'main' }))
  await here.proxy.close()
  await refused(t, here.client, here.client.request(requestFields(), { endStream: true }), 14)
  await idle(here.proxy)
  t.equal(here.proxy.counts().backendSessions, 0)
  t.equal(here.backend.connections.length, 0)
})
