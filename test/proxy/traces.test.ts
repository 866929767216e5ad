/** Traces of a whole proxy: what backends see, what a collector gets, and what calls notice of a collector. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import pino from 'pino'
import t, { type Test } from 'tap'
import type { ProxyOptions } from '../../src/index.ts'
import { answer, answered, arrived, field, goesOn, open, type Rig } from '../contract/rig.ts'
import { Code } from '../support/frames.ts'
import { until } from '../support/until.ts'
import { rig } from './rig.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const CLIENT_SPAN = '00f067aa0ba902b7'
const SAMPLED = `00-${TRACE}-${CLIENT_SPAN}-01`

interface SpanJson {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
}

interface Collector {
  readonly url: string
  readonly spans: SpanJson[]
  readonly resources: Record<string, string>[]
  readonly paths: (string | undefined)[]
  /** It answers nothing from now on. */
  freeze(): void
}

async function collector(t: Test): Promise<Collector> {
  const spans: SpanJson[] = []
  const resources: Record<string, string>[] = []
  const paths: (string | undefined)[] = []
  let isFrozen = false
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', part => {
      body += part
    })
    request.on('end', () => {
      if (isFrozen) return
      paths.push(request.url)
      for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans) {
        resources.push(
          Object.fromEntries(resource.attributes.map((a: Attribute) => [a.key, Object.values(a.value)[0]])),
        )
        for (const { spans: some } of scopeSpans) spans.push(...some)
      }
      response.end('{}')
    })
  })
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const freeze = () => {
    isFrozen = true
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, resources, paths, freeze }
}

interface Attribute {
  readonly key: string
  readonly value: Record<string, string>
}

async function call(t: Test, here: Rig, traceparent = SAMPLED): Promise<string | undefined> {
  const made = await open(here, { endStream: true, extra: [['traceparent', traceparent]] })
  answer(made)
  await answered(t, made)
  return field(made.headers, 'traceparent')
}

t.test('without `traces` all of it goes on as it came, right or wrong', async t => {
  const here = await rig(t)
  const extra = [
    ['traceparent', 'no traceparent'],
    ['tracestate', 'A,B'],
    ['b3', '0'],
    ['traceparent', SAMPLED],
  ] as const
  const made = await open(here, { endStream: true, extra })
  const came = made.headers.fields.slice(-4).map(({ name, value }) => [name, value])
  t.same(came, extra)
})

t.test('a call with a retry: its spans are at the collector when the proxy has drained', async t => {
  const gets = await collector(t)
  const traces = { otlp: { url: gets.url }, serviceName: 'edge', resource: { team: 'a' } }
  const here = await rig(t, { proxy: { traces } })
  const first = await open(here, { endStream: true, extra: [['traceparent', SAMPLED]] })
  first.backend.rst(first.backendId, Code.REFUSED_STREAM)
  const second = await arrived(here, first.id)
  answer(second)
  await answered(t, second)
  const seen = [first, second].map(({ headers }) => field(headers, 'traceparent'))
  here.client.socket.destroy()
  await here.proxy.drain()
  const [server, one, two] = gets.spans as [SpanJson, SpanJson, SpanJson]
  t.match(gets.spans, [
    { kind: 2, traceId: TRACE, parentSpanId: CLIENT_SPAN },
    { kind: 3, parentSpanId: server.spanId },
    { kind: 3, parentSpanId: server.spanId },
  ])
  t.equal(gets.spans.length, 3)
  t.same(
    seen,
    [one, two].map(({ spanId }) => `00-${TRACE}-${spanId}-01`),
  )
  t.same(gets.paths, ['/v1/traces'])
  t.match(gets.resources[0], { 'service.name': 'edge', team: 'a', 'process.pid': String(process.pid) })
})

t.test('a collector that stands still: calls go on, the end waits some seconds and says what is lost', async t => {
  const gets = await collector(t)
  gets.freeze()
  const lines: { msg: string; dropped?: number }[] = []
  const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const traces = { otlp: { url: gets.url }, intervalMs: 10, maxQueuedSpans: 16 }
  const here = await rig(t, { proxy: { traces, logger, metrics: true } })
  for (let i = 0; i < 20; i++) await call(t, here)
  t.match(here.proxy.metrics(), /^grpc_verbatim_spans_dropped_total 24$/m)
  t.match(here.proxy.metrics(), /^grpc_verbatim_queued_spans 16$/m)
  await here.proxy.close()
  const told = lines.filter(({ msg }) => msg === 'the collector of traces does not take all spans')
  t.equal(
    told.reduce((sum, { dropped }) => sum + dropped!, 0),
    40,
    'all of them are told',
  )
})

t.test('a change of the configuration: calls that are open are kept by the rules that they began with', async t => {
  const [before, after] = [await collector(t), await collector(t)]
  const options = (here: string | undefined): ProxyOptions => ({
    log: { level: 'silent' },
    backends,
    ...(here !== undefined && { traces: { otlp: { url: here }, intervalMs: 10 } }),
  })
  let backends: ProxyOptions['backends'] = {}
  const here = await rig(t, { proxy: { traces: { otlp: { url: before.url }, intervalMs: 10 } } })
  backends = { main: { endpoints: [here.backend.url] } }
  const pending = await open(here, { endStream: true, extra: [['traceparent', SAMPLED]] })
  await here.proxy.apply(options(after.url))
  answer(pending)
  await answered(t, pending)
  await until('its spans go to the new one', () => after.spans.length === 2)
  await here.proxy.apply(options(undefined))
  t.equal(await call(t, here), SAMPLED, 'and then there are none')
  t.same([before.spans.length, after.spans.length], [0, 2])
  await goesOn(t, here)
})

t.test('the line of a call in the log names its trace, also where nothing of that is kept', async t => {
  const gets = await collector(t)
  const lines: { msg: string; traceId?: string }[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const traces = { otlp: { url: gets.url }, sample: { parent: false, ratio: 0 } }
  const here = await rig(t, { proxy: { traces, logger } })
  t.match(await call(t, here), new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`))
  await here.proxy.close()
  t.same(gets.spans, [])
  t.same(
    lines.filter(({ msg }) => msg === 'call').map(({ traceId }) => traceId),
    [TRACE],
  )
})
