/** What the health service of a proxy says while backends go and configurations change, and where its calls show. */
import t, { type Test } from 'tap'
import { healthRequest, readHealthResponse } from '../../src/grpc/health-message.ts'
import { prefixed } from '../../src/grpc/message.ts'
import { createProxy, type ProxyOptions } from '../../src/index.ts'
import { ask } from '../backend/health/replica.ts'
import { field, requestFields } from '../contract/rig.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'
import { until } from '../support/until.ts'

const CHECK = '/grpc.health.v1.Health/Check'
const SILENT = { level: 'silent' } as const
const WATCH = '/grpc.health.v1.Health/Watch'

async function health(client: RawClient, service: string): Promise<string> {
  const id = client.request(requestFields([], CHECK))
  client.data(id, prefixed(healthRequest(service)), { endStream: true })
  const last = (await client.ended(id)).at(-1)
  const status = field(last, 'grpc-status')
  return status === '0' ? String(readHealthResponse(client.body(id).subarray(5))) : `status ${status}`
}

async function scene(t: Test, options: ProxyOptions) {
  const proxy = createProxy({ log: SILENT, ...options })
  t.teardown(() => proxy.close())
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  return { proxy, client: await RawClient.connect(t, port) }
}

t.test('a backend that cannot be reached is NOT_SERVING, and the proxy too where it is required', async t => {
  const server = await RawServer.listen(t)
  const { client } = await scene(t, {
    backends: { main: { endpoints: [server.url], required: true }, other: { endpoints: ['127.0.0.1:1'] } },
    routes: [{ backend: 'main' }],
    healthService: { services: { 'greeter.Greeter': 'main', 'other.Other': 'other' } },
  })
  t.same([await health(client, ''), await health(client, 'greeter.Greeter')], ['1', '1'])
  await server.refuse()
  // Nobody knows before somebody tries.
  await ask(client)
  while ((await health(client, 'greeter.Greeter')) !== '2') await ask(client)
  t.equal(await health(client, ''), '2')
  t.equal(await health(client, 'other.Other'), '1', 'nobody has called it')
})

t.test('a change of the configuration holds for calls that watch already', async t => {
  const backends = { main: { endpoints: ['127.0.0.1:1'] } }
  const { proxy, client } = await scene(t, { backends, healthService: true })
  const id = client.request(requestFields([], WATCH))
  client.data(id, prefixed(healthRequest('greeter.Greeter')), { endStream: true })
  await client.received(id, 7)
  t.equal(client.body(id).at(-1), 3)
  await proxy.apply({ log: SILENT, backends, healthService: { services: { 'greeter.Greeter': 'main', '': 'main' } } })
  await client.received(id, 14)
  t.equal(client.body(id).at(-1), 1)
  t.equal(await health(client, ''), '1')
  await proxy.apply({ log: SILENT, backends })
  await client.received(id, 21)
  t.equal(client.body(id).at(-1), 3, 'the service is gone')
  t.equal(await health(client, ''), 'status 14', 'such a call goes to the backend')
})

t.test('its calls are counted and shown as others are', async t => {
  const { proxy, client } = await scene(t, {
    backends: { main: { endpoints: ['127.0.0.1:1'] } },
    healthService: true,
    metrics: true,
  })
  t.same([await health(client, ''), await health(client, 'nobody')], ['1', 'status 5'])
  await until('they are counted', () => proxy.metrics().includes('status="NOT_FOUND"'))
  const [ok, unknown] = ['OK', 'NOT_FOUND'].map(status =>
    proxy
      .metrics()
      .split('\n')
      .find(line => line.startsWith('grpc_verbatim_calls_ended_total') && line.includes(`status="${status}"`)),
  )
  for (const line of [ok, unknown])
    t.match(line, /method="\/?grpc.health.v1.Health\/Check".*backend="grpc.health.v1.Health".* 1$/)
  const id = client.request(requestFields([], WATCH))
  client.data(id, prefixed(healthRequest('')), { endStream: true })
  await client.received(id, 7)
  t.match(proxy.state().calls, [{ path: WATCH, backend: 'grpc.health.v1.Health' }])
})

t.test('a name that is no backend is a mistake, and so is what is no map', async t => {
  const backends = { main: { endpoints: ['127.0.0.1:1'] } }
  const made = (healthService: unknown) => () => createProxy({ backends, healthService } as ProxyOptions)
  t.throws(
    made({ services: { 'greeter.Greeter': 'mian' } }),
    /healthService\.services\["greeter\.Greeter"\]: there is no backend "mian"; there is main/,
  )
  t.throws(made('yes'), /healthService/)
})
