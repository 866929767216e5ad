/** What a proxy counts besides calls: sessions, what ends streams, who holds others up, connects, retries, the breaker. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import t from 'tap'
import { labelsOf, withMetrics } from '../../src/config/metrics-reference.ts'
import type { GrpcProxy } from '../../src/index.ts'
import type { Reading } from '../../src/observe/registry.ts'
import { answer, answered, message, RESPONSE, requestFields } from '../contract/rig.ts'
import { certificates } from '../support/certs.ts'
import { Code, Setting } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'
import { until } from '../support/until.ts'
import { rig } from './rig.ts'

const METRICS = { proxy: { metrics: true } } as const

/** @returns undefined: there is no such sample */
function value(proxy: GrpcProxy, name: string): number | undefined {
  const line = proxy
    .metrics()
    .split('\n')
    .find(line => line.startsWith(`grpc_verbatim_${name} `))
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1))
}

const becomes = (proxy: GrpcProxy, name: string, wanted: number) =>
  until(
    `${name} is ${wanted}`,
    () => value(proxy, name) === wanted,
    () => String(value(proxy, name)),
  )

t.test('what the proxy itself takes: of calls that did not wait, and of each response', async t => {
  const { proxy, backend, client } = await rig(t, METRICS)
  for (let calls = 0; calls < 3; calls++) {
    const id = client.request(requestFields(), { endStream: true })
    const came = await backend.request()
    answer({ backend: came.connection, backendId: came.streamId })
    await client.ended(id)
    t.equal(value(proxy, 'own_latency_seconds_count{direction="request"}'), calls, 'the first one waited for a session')
    t.equal(value(proxy, 'own_latency_seconds_count{direction="response"}'), calls + 1)
  }
  const seconds = value(proxy, 'own_latency_seconds_sum{direction="request"}')!
  t.ok(seconds > 0 && seconds < value(proxy, 'call_duration_seconds_sum{method="/pkg.Service/Method",backend="main"}')!)
})

t.test('a client without window: its stream is stalled, and how long is counted', async t => {
  const { proxy, backend, client } = await rig(t, {
    ...METRICS,
    client: { settings: { [Setting.INITIAL_WINDOW_SIZE]: 0 }, auto: { window: false } },
  })
  const of = (reason: string) => `{side="client",reason="${reason}"}`
  const id = client.request(requestFields(), { endStream: true })
  const came = await backend.request()
  t.equal(value(proxy, `stalled_streams${of('stream-window')}`), 0)
  came.connection.headers(came.streamId, RESPONSE)
  await client.next('headers', id)
  came.connection.data(came.streamId, message('x'.repeat(100)))
  await becomes(proxy, `stalled_streams${of('stream-window')}`, 1)
  client.windowUpdate(id, 10)
  await client.received(id, 10)
  t.equal(value(proxy, `stalled_streams${of('stream-window')}`), 1, 'a part of it went out')
  client.windowUpdate(id, 1_000)
  await becomes(proxy, `stalled_streams${of('stream-window')}`, 0)
  t.ok(value(proxy, `stalled_seconds_total${of('stream-window')}`)! > 0)
  t.equal(value(proxy, `stalled_seconds_total${of('session-window')}`), 0)
  t.equal(value(proxy, `stalled_seconds_total{side="backend",reason="stream-window"}`), 0)
})

t.test('a backend whose session has no window: the request is stalled there until its client leaves', async t => {
  const { proxy, backend, client } = await rig(t, { ...METRICS, backend: { auto: { window: false } } })
  const id = client.request(requestFields())
  const came = await backend.request()
  // Its stream gets more than the session.
  came.connection.windowUpdate(came.streamId, 100_000)
  const upload = client.upload(id, Buffer.alloc(80_000))
  await becomes(proxy, 'stalled_streams{side="backend",reason="session-window"}', 1)
  client.rst(id, Code.CANCEL)
  await becomes(proxy, 'stalled_streams{side="backend",reason="session-window"}', 0)
  await upload.catch(() => {})
  await becomes(proxy, 'stream_resets_total{side="client",direction="received",code="CANCEL"}', 1)
  await becomes(proxy, 'stream_resets_total{side="backend",direction="sent",code="CANCEL"}', 1)
})

t.test('retries by why, GOAWAY and codes that nobody knows', async t => {
  const { proxy, backend, client } = await rig(t, METRICS)
  const id = client.request(requestFields(), { endStream: true })
  const first = await backend.request()
  first.connection.rst(first.streamId, Code.REFUSED_STREAM)
  const second = await backend.request()
  answer({ backend: second.connection, backendId: second.streamId })
  await client.ended(id)
  t.equal(value(proxy, 'backend_retries_total{backend="main",reason="stream-refused"}'), 1)
  t.equal(value(proxy, 'backend_attempts_total{backend="main"}'), 2)
  const next = client.request(requestFields(), { endStream: true })
  const third = await backend.request()
  third.connection.goaway(third.streamId - 2, 0x2a)
  const fourth = await backend.request()
  answer({ backend: fourth.connection, backendId: fourth.streamId })
  await client.ended(next)
  t.equal(value(proxy, 'backend_retries_total{backend="main",reason="session-gone"}'), 1)
  t.equal(value(proxy, 'goaways_total{side="backend",direction="received",code="other"}'), 1)
  t.equal(value(proxy, 'backend_connect_duration_seconds_count{backend="main"}'), 2)
  t.equal(value(proxy, 'backend_endpoint_events_total{backend="main",event="draining"}'), 1)
})

t.test('connects that fail, by kind; what waits, and how long; the breaker', async t => {
  const backend = await RawServer.listen(t)
  const { proxy, client } = await rig(t, {
    proxy: {
      metrics: true,
      backends: {
        gone: { endpoints: ['127.0.0.1:1'] },
        main: { endpoints: [backend.url], breaker: { maxCalls: 1 } },
      },
      routes: [{ match: { metadata: { 'x-to': 'gone' } }, backend: 'gone' }, { backend: 'main' }],
    },
  })
  await client.ended(client.request(requestFields([['x-to', 'gone']]), { endStream: true }))
  t.equal(value(proxy, 'backend_connect_failures_total{backend="gone",kind="refused"}'), 1)
  t.equal(value(proxy, 'backend_unusable_endpoints{backend="gone",reason="connect"}'), 1)
  t.equal(value(proxy, 'backend_endpoint_states{backend="gone",state="backoff"}'), 1)
  t.equal(value(proxy, 'backend_queue_duration_seconds_count{backend="gone"}'), 1)
  const first = client.request(requestFields(), { endStream: true })
  const came = await backend.request()
  const second = client.request(requestFields(), { endStream: true })
  await becomes(proxy, 'backend_queued_calls{backend="main"}', 1)
  t.equal(value(proxy, 'backend_breaker_used{backend="main",of="calls"}'), 1)
  t.equal(value(proxy, 'backend_breaker_limit{backend="main",of="calls"}'), 1)
  t.equal(value(proxy, 'backend_breaker_limit{backend="gone",of="calls"}'), undefined)
  const call = { client, id: first, backend: came.connection, backendId: came.streamId, headers: came.headers }
  answer(call)
  await answered(t, call)
  await backend.request()
  t.equal(value(proxy, 'backend_queue_duration_seconds_count{backend="main"}'), 2, 'the connect, and the place')
  client.rst(second, Code.CANCEL)
})

t.test('calls that found no place because the breaker is open', async t => {
  const backend = await RawServer.listen(t)
  const { proxy, client } = await rig(t, {
    proxy: {
      metrics: true,
      backends: { main: { endpoints: [backend.url], breaker: { maxCalls: 1 }, queue: { maxCalls: 1, timeoutMs: 50 } } },
    },
  })
  const refused = () => value(proxy, 'backend_breaker_refused_calls_total{backend="main"}')
  client.request(requestFields(), { endStream: true })
  await backend.request()
  t.equal(refused(), 0)
  const waiting = client.request(requestFields(), { endStream: true })
  await becomes(proxy, 'backend_queued_calls{backend="main"}', 1)
  await client.ended(client.request(requestFields(), { endStream: true }))
  t.equal(refused(), 1, 'the queue is full')
  await client.ended(waiting)
  t.equal(refused(), 2, 'it waited too long')
  t.equal(value(proxy, 'call_failures_total{reason="queue-full",backend="main"}'), 1)
})

t.test('how near a peer has come to a limit against floods', async t => {
  const { proxy, client } = await rig(t, {
    proxy: { metrics: true, limits: { floods: { maxPings: { burst: 100, perSecond: 1 } } } },
  })
  const used = (side: string, of: string) => value(proxy, `flood_allowance_used{side="${side}",of="${of}"}`)!
  t.equal(used('client', 'maxPings'), 0)
  for (let i = 0; i < 50; i++) client.ping()
  await until('half of it is used', () => used('client', 'maxPings') > 0.4)
  t.ok(used('client', 'maxPings') <= 0.5)
  t.equal(used('client', 'maxResets'), 0)
  t.equal(used('backend', 'maxPings'), 0)
  for (let i = 0; i < 100; i++) client.ping()
  await client.closed
  t.equal(used('client', 'maxPings'), 1, 'a session that was ended counts')
})

t.test('connections of clients: sessions, those that are refused, and handshakes that fail by why', async t => {
  const pem = await certificates()
  const { proxy, client, port } = await rig(t, METRICS)
  await becomes(proxy, 'client_sessions_opened_total{tls="no"}', 1)
  await client.close()
  await becomes(proxy, 'client_sessions_closed_total', 1)
  const http1 = net.connect(port, '127.0.0.1', () => http1.write('GET / HTTP/1.1\r\n\r\n')).on('error', () => {})
  await becomes(proxy, 'client_connections_refused_total{refusal="http1"}', 1)
  http1.destroy()
  const secure = await proxy.listen({ host: '127.0.0.1', port: 0, tls: { cert: pem.server.cert, key: pem.server.key } })
  const plain = net.connect(secure.port, '127.0.0.1', () => plain.write('x'.repeat(100))).on('error', () => {})
  await becomes(proxy, 'client_tls_failures_total{reason="not-tls"}', 1)
  plain.destroy()
  const old = tls.connect({
    port: secure.port,
    host: '127.0.0.1',
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
    ciphers: 'ALL@SECLEVEL=0',
    rejectUnauthorized: false,
  })
  old.on('error', () => {})
  await becomes(proxy, 'client_tls_failures_total{reason="version"}', 1)
  await RawClient.connect(t, secure.port, { tls: { ca: pem.ca.cert } })
  await becomes(proxy, 'client_sessions_opened_total{tls="yes"}', 1)
  t.equal(value(proxy, 'client_connections_refused_total{refusal="tls"}'), 2)
})

t.test('docs/metrics.md has all of them, with the labels that they have', async t => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8')
  t.equal(await withMetrics(page), page, 'run: node src/config/metrics-reference.ts --page docs/metrics.md')
  // Two attempts that fail, so that there are samples of all that happens to them.
  const hedge = { delayMs: 0, nonFatalCodes: ['INTERNAL'] } as const
  const { proxy, backend, client } = await rig(t, { proxy: { metrics: true, routes: [{ backend: 'main', hedge }] } })
  const id = client.request(requestFields(), { endStream: true })
  for (const came of [await backend.request(), await backend.request()])
    came.connection.rst(came.streamId, Code.INTERNAL_ERROR)
  await client.ended(id)
  t.ok(proxy.metrics().includes('backend_hedges_total{backend="main",outcome='))
  t.ok(proxy.metrics().includes('backend_ended_retries_total{backend="main",why='))
  const { readMetrics } = proxy as unknown as { readMetrics(): Reading[] }
  for (const { name, samples } of readMetrics.call(proxy)) {
    for (const { labels = {} } of samples) t.same(Object.keys(labels).sort(), [...labelsOf(name)].sort(), name)
  }
})

const promtool = spawnSync('promtool', ['--version']).status === 0
t.test(
  'promtool finds nothing to say, neither at first nor later',
  { skip: promtool ? false : 'promtool (Debian: prometheus) is not on this machine' },
  async t => {
    const { proxy, backend, client } = await rig(t, METRICS)
    const check = (input: string) => {
      const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' })
      t.same({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' })
    }
    check(proxy.metrics())
    for (const code of [Code.REFUSED_STREAM, Code.INTERNAL_ERROR]) {
      const id = client.request(requestFields(), { endStream: true })
      for (let attempts = code === Code.REFUSED_STREAM ? 2 : 1; attempts > 0; attempts--) {
        const came = await backend.request()
        came.connection.rst(came.streamId, code)
      }
      await client.ended(id)
    }
    client.goaway(0, 0)
    await becomes(proxy, 'goaways_total{side="client",direction="received",code="NO_ERROR"}', 1)
    check(proxy.metrics())
  },
)
