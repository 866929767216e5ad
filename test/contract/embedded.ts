/** The proxy as the `'stream'` handler of somebody else's `node:http2` server. */
import { once } from 'node:events'
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { createProxy } from '../../src/index.ts'
import { Code } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'
import {
  answer,
  answered,
  broken,
  goesOn,
  message,
  neverEnded,
  open,
  type Pairing,
  pairs,
  RESPONSE,
  type Rig,
  refused,
  requestFields,
  TRAILERS,
} from './rig.ts'

async function embedded(t: Test, pairing: Pairing): Promise<Rig> {
  const backend = await RawServer.listen(t)
  const main = { endpoints: [backend.url], transport: pairing.upstream }
  const proxy = createProxy({ backends: { main }, log: { level: 'silent' }, healthService: true })
  t.teardown(() => proxy.close())
  const server = createServer()
  server.on('stream', proxy.handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return { proxy, port, backend, client: await RawClient.connect(t, port) }
}

export function embedding(t: Test, pairing: Pairing): void {
  t.test('a call goes through as it would through a listener', async t => {
    const here = await embedded(t, pairing)
    const call = await open(here, {
      extra: [
        ['x-a', '1'],
        ['x-b', '2'],
        ['x-a', '3'],
      ],
    })
    t.same(
      pairs(call.headers.fields),
      requestFields([
        ['x-a', '1'],
        ['x-b', '2'],
        ['x-a', '3'],
      ]),
    )
    call.client.data(call.id, message('in'), { endStream: true })
    await call.backend.ended(call.backendId)
    answer(call)
    await answered(t, call)
    const [head] = call.client.stream(call.id)
    if (head?.kind === 'headers') t.same(pairs(head.fields), RESPONSE, 'no date')
    await goesOn(t, here)
  })

  t.test('the health of the proxy is answered here too', async t => {
    const { client, proxy } = await embedded(t, pairing)
    const id = client.request(requestFields([], '/grpc.health.v1.Health/Watch'))
    client.data(id, Buffer.alloc(5), { endStream: true })
    await client.received(id, 7)
    t.same([...client.body(id)], [0, 0, 0, 0, 2, 8, 1], 'SERVING')
    await proxy.drain(60_000)
    await client.ended(id)
    t.same([...client.body(id).subarray(7)], [0, 0, 0, 0, 2, 8, 2], 'NOT_SERVING')
  })

  t.test('Trailers-Only, a call without a message, resets both ways, and refusals are the same too', async t => {
    const here = await embedded(t, pairing)
    const only = await open(here)
    only.backend.headers(only.backendId, [...RESPONSE, ...TRAILERS], { endStream: true })
    t.match(await only.client.ended(only.id), [{ kind: 'headers', endStream: true }])

    const cancelled = await open(here)
    cancelled.client.rst(cancelled.id, Code.CANCEL)
    t.match(await cancelled.backend.next('rst', cancelled.backendId), { code: Code.CANCEL })
    neverEnded(t, cancelled.backend, cancelled.backendId)

    const reset = await open(here)
    reset.backend.headers(reset.backendId, RESPONSE)
    await reset.client.next('headers', reset.id)
    reset.backend.rst(reset.backendId, Code.INTERNAL_ERROR)
    await broken(t, reset, 13, 'upstream-reset')

    const early = await open(here)
    early.backend.rst(early.backendId, Code.CANCEL)
    await refused(t, early.client, early.id, 1)
    await goesOn(t, here)
  })
}
