/** A proxy under load, scraped by a real Prometheus: what that has counted is what the load has counted, to the call. */
import http2 from 'node:http2'
import pino from 'pino'
import t, { type Test } from 'tap'
import type { CallError } from '../../src/demo/call.ts'
import type { TestClient } from '../../src/demo/http2-client.ts'
import { statusName } from '../../src/grpc/status.ts'
import { createProxy } from '../../src/index.ts'
import { client, server } from '../proxy/change-rig.ts'
import { PATIENCE_MS } from '../support/inbox.ts'
import { idle } from '../support/until.ts'
import { NO_PROMETHEUS, startPrometheus } from './prometheus.ts'

const SERVICE = 'verbatim.testservice.v1.TestService'

async function scene(t: Test) {
  const lines: { msg: string; address?: string }[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const [one, two] = [await server(t, 'one'), await server(t, 'two')]
  const proxy = createProxy({
    listeners: [{ address: '127.0.0.1:0' }],
    admin: { address: '127.0.0.1:0' },
    backends: { main: { endpoints: [one.url, two.url] }, gone: { endpoints: ['127.0.0.1:1'] } },
    routes: [
      { match: { metadata: { 'x-to': 'gone' } }, backend: 'gone' },
      { match: { service: SERVICE }, backend: 'main' },
    ],
    logger,
  })
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  const admin = lines.findLast(({ msg }) => msg.startsWith('admin address'))!.address!
  return { proxy, address: bound!.address, admin }
}

/** What the load has seen, by status. */
class Seen {
  readonly calls = new Map<string, number>()
  replies = 0

  end(status: number): void {
    const name = statusName(status)
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1)
  }

  get total(): number {
    return [...this.calls.values()].reduce((sum, count) => sum + count, 0)
  }
}

const NOT_FOUND = { error: { code: 5, message: 'none', details: new Uint8Array() } }

/** Ten kinds of calls, over and over, until it is told to end. */
async function load(by: TestClient, seen: Seen, goesOn: () => boolean): Promise<void> {
  const kinds: (() => Promise<void>)[] = [
    ...Array.from({ length: 6 }, (_, i) => async () => {
      await by.unary('Ping', { value: `${i}`, payload_size: 100 * i })
      seen.replies++
    }),
    () => listed(by, seen),
    async () => void (await by.unary('PingError', NOT_FOUND)),
    async () => void (await by.unary('Ping', {}, [['x-to', 'gone']])),
    async () => void (await by.unary('Ping', { delay_ms: 60_000 }, [['grpc-timeout', '5m']])),
  ]
  for (let i = 0; goesOn(); i++) {
    await kinds[i % kinds.length]!().then(
      () => seen.end(0),
      (error: CallError) => seen.end(error.code),
    )
  }
}

async function listed(by: TestClient, seen: Seen): Promise<void> {
  for await (const _ of by.call('PingList', [{ count: 3 }]).replies) seen.replies++
}

t.test('a real Prometheus counts what the load counts', { skip: NO_PROMETHEUS }, async t => {
  const { proxy, address, admin } = await scene(t)
  const prometheus = await startPrometheus(t, admin)
  const seen = new Seen()
  let goesOn = true
  const loads = Array.from({ length: 8 }, () => load(client(t, address), seen, () => goesOn))
  const total = async () => (await prometheus.query('sum(grpc_verbatim_calls_ended_total)')).get('{}') ?? 0
  // Some scrapes while it runs.
  let [before, grown] = [0, 0]
  for (const end = Date.now() + PATIENCE_MS; grown < 2 && Date.now() < end; ) {
    const now = await total()
    t.ok(now >= before, 'it never counts less than before')
    if (now > before) grown++
    before = now
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  goesOn = false
  await Promise.all(loads)
  await idle(proxy)
  for (const end = Date.now() + PATIENCE_MS; (await total()) !== seen.total && Date.now() < end; )
    await new Promise(resolve => setTimeout(resolve, 100))

  t.equal(await prometheus.lastError(), '')
  const by = async (label: string, expression: string) =>
    Object.fromEntries(
      [...(await prometheus.query(`sum by (${label}) (${expression})`))].map(([labels, value]) => [
        JSON.parse(labels)[label],
        value,
      ]),
    )
  t.same(await by('status', 'grpc_verbatim_calls_ended_total'), Object.fromEntries(seen.calls), 'by status')
  t.ok(seen.calls.size === 4 && seen.total > 100, `of ${seen.total} calls, ${[...seen.calls.keys()]}`)
  const one = async (expression: string) => (await prometheus.query(expression)).get('{}')
  t.equal(await one('sum(grpc_verbatim_call_duration_seconds_count)'), seen.total)
  t.equal(await one('grpc_verbatim_calls_started_total'), seen.total)
  t.equal(await one('grpc_verbatim_calls_in_flight'), 0)
  t.equal(await one('sum(grpc_verbatim_messages_total{direction="response"})'), seen.replies)
  t.equal(
    await one('sum(grpc_verbatim_calls_ended_total{status="UNAVAILABLE", ended_by="proxy", backend="gone"})'),
    seen.calls.get('UNAVAILABLE'),
  )
})

t.test('a flood of methods and authorities makes no series', async t => {
  const { proxy, address } = await scene(t)
  await client(t, address).unary('Ping', {})
  const names = () =>
    new Set(
      proxy
        .metrics()
        .split('\n')
        .filter(line => line.startsWith('grpc_verbatim_'))
        .map(line => line.slice(0, line.lastIndexOf(' '))),
    )
  const session = http2.connect(`http://${address}`)
  t.teardown(() => session.destroy())
  const flood = (from: number, to: number) =>
    Promise.all(
      Array.from({ length: to - from }, (_, i) => {
        const stream = session.request({
          ':method': 'POST',
          ':path': i % 2 ? `/made.Up${from + i}/M` : `/${SERVICE}/M${from + i}`,
          ':authority': `a${from + i}.test`,
          'content-type': 'application/grpc',
          'user-agent': `u${from + i}`,
        })
        stream.end()
        stream.resume()
        return new Promise(resolve => stream.on('close', resolve))
      }),
    )
  await flood(0, 50)
  const before = names()
  for (let from = 50; from < 2_050; from += 50) await flood(from, from + 50)
  await idle(proxy)
  const more = [...names()].filter(name => !before.has(name))
  t.same(more, [], 'two thousand more make no more than fifty')
  t.match(
    proxy.metrics(),
    /calls_ended_total\{method="other",backend="",status="UNIMPLEMENTED",ended_by="proxy"\} 1025/,
  )
})
