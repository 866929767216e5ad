/** Endpoints that say that they are not well, and endpoints that answer wrong, with real sockets and a configuration. */
import t, { type Test } from 'tap'
import type { BackendOptions } from '../../src/index.ts'
import { ask, endpointLog, Replica } from '../backend/health/replica.ts'
import { running } from '../contract/rig.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { PAIRING } from './rig.ts'

const WARN = 40
const INFO = 30

async function behind(t: Test, upstream: 'frames' | 'native', options: BackendOptions, count = 2) {
  const replicas: Replica[] = []
  for (let i = 0; i < count; i++) replicas.push(await Replica.listen(t))
  const { logger, lines } = endpointLog()
  const main = { endpoints: replicas.map(({ server }) => server.url), transport: upstream, ...options }
  const { proxy, port } = await running(t, { ...PAIRING, upstream }, { backends: { main }, logger })
  const client = await RawClient.connect(t, port)
  /** How many of so many calls each has got. */
  const shares = async (calls: number) => {
    const before = replicas.map(replica => replica.calls)
    for (let i = 0; i < calls; i++) await ask(client)
    return replicas.map((replica, i) => replica.calls - before[i]!)
  }
  return { proxy, replicas, lines, client, shares }
}

for (const transport of ['frames', 'native'] as const) {
  t.test(`${transport}: NOT_SERVING is told at once, and SERVING again`, async t => {
    // Only what an endpoint says itself makes it unhealthy here, however slow this machine is.
    const health = { intervalMs: 100, timeoutMs: 100, unhealthyThreshold: 100, healthyThreshold: 1 }
    const { proxy, replicas, lines, shares } = await behind(t, transport, { health })
    const [a, b] = replicas as [Replica, Replica]
    await until('both have been asked', () => a.checks > 1 && b.checks > 1)
    t.same(await shares(10), [5, 5])
    b.health = 2
    await until('it is known', () => lines.length === 1)
    t.match(proxy.state().backends[0]!.endpoints, [
      { usable: true, reasons: [] },
      { usable: false, reasons: [{ by: 'health', text: 'it says NOT_SERVING' }] },
    ])
    t.same(await shares(10), [10, 0])
    b.health = 1
    await until('it is known again', () => lines.length === 2)
    t.same(await shares(10), [5, 5])
    t.match(lines, [
      { msg: 'endpoint unhealthy', level: WARN, endpoint: b.server.url, detail: 'it says NOT_SERVING' },
      { msg: 'endpoint healthy', level: INFO, endpoint: b.server.url, detail: 'it says SERVING' },
    ])
  })

  t.test(`${transport}: kind connect finds one that takes no connections`, async t => {
    const health = { kind: 'connect', intervalMs: 500, timeoutMs: 500, unhealthyThreshold: 2 } as const
    const { replicas, lines, shares } = await behind(t, transport, { health })
    await shares(2)
    const { server } = replicas[1]!
    const { url } = server
    await server.refuse()
    await until('it is known', () => lines.some(({ endpoint }) => endpoint === url))
    t.match(
      lines.find(({ endpoint }) => endpoint === url),
      { msg: 'endpoint unhealthy', detail: /^it cannot be reached: / },
    )
  })

  t.test(`${transport}: an endpoint that answers UNAVAILABLE is ejected, and comes back`, async t => {
    const outliers = { intervalMs: 100, baseEjectionMs: 100, maxEjectedPercent: 50 }
    const { replicas, lines, shares } = await behind(t, transport, { outliers })
    const [, b] = replicas as [Replica, Replica]
    b.status = 14
    // Whether this client is the only one is known after an interval.
    while (lines.length === 0) await shares(2)
    t.match(lines[0], {
      msg: 'endpoint ejected',
      level: WARN,
      endpoint: b.server.url,
      detail: /^\d+ of its calls failed in a row, the last one with UNAVAILABLE: no new calls for 0.1 s$/,
    })
    b.status = 0
    await until('it may be called again', () => lines.length === 2)
    t.match(lines[1], { msg: 'endpoint readmitted', level: INFO, endpoint: b.server.url })
    t.same(await shares(10), [5, 5])
  })
}

t.test('checks are no calls: nothing of them is in the counts of calls, and all ends with the proxy', async t => {
  const health = { intervalMs: 100, timeoutMs: 100 }
  const { proxy, replicas } = await behind(t, 'frames', { health })
  await until('both have been asked', () => replicas.every(({ checks }) => checks > 1))
  t.match(proxy.counts(), { calls: 0, waitingCalls: 0, backendSessions: 0, backendStreams: 0 })
  await proxy.close()
  await until('the connections for checks are closed', () =>
    replicas.every(({ server }) => server.connections.every(({ socket }) => socket.destroyed)),
  )
})

t.test('a backend that is removed is not asked any more', async t => {
  const health = { intervalMs: 100, timeoutMs: 100 }
  const { proxy, replicas } = await behind(t, 'frames', { health })
  await until('both have been asked', () => replicas.every(({ checks }) => checks > 1))
  await proxy.apply({ log: { level: 'silent' }, backends: { other: { endpoints: ['127.0.0.1:1'] } } })
  await until('the connections for checks are closed', () =>
    replicas.every(({ server }) => server.connections.every(({ socket }) => socket.destroyed)),
  )
})
