/** A program with OpenTelemetry of its own around the proxy: spans are made by that. */

import { createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import pino from 'pino'
import t, { type Test } from 'tap'
import { createProxy } from '../../src/index.ts'
import { answer, answered, arrived, field, open, type Rig, requestFields } from '../contract/rig.ts'
import { Code } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'
import { rig } from './rig.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const CLIENT_SPAN = '00f067aa0ba902b7'
const SAMPLED = `00-${TRACE}-${CLIENT_SPAN}-01`

/** What the program sets up. Tests here run one after the other. */
function hosting(t: Test, options: { readonly off?: boolean; readonly bare?: boolean } = {}) {
  const exporter = new InMemorySpanExporter()
  const sampler = options.off ? new ParentBasedSampler({ root: new AlwaysOffSampler() }) : undefined
  const provider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
    ...(sampler && { sampler }),
  })
  trace.setGlobalTracerProvider(provider)
  if (!options.bare) {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  }
  t.teardown(() => {
    trace.disable()
    context.disable()
    propagation.disable()
  })
  return { exporter, tracer: provider.getTracer('the host') }
}

async function call(t: Test, here: Pick<Rig, 'client' | 'backend'>, traceparent?: string) {
  const extra = traceparent === undefined ? [] : ([['traceparent', traceparent]] as const)
  const made = await open(here as Rig, { endStream: true, extra })
  answer(made)
  await answered(t, made)
  return field(made.headers, 'traceparent')
}

const byKind = (spans: readonly ReadableSpan[], kind: SpanKind) => spans.filter(span => span.kind === kind)

t.test('a call with a retry, under the span that its client names', async t => {
  const { exporter } = hosting(t)
  const here = await rig(t, { proxy: { traces: {} } })
  const first = await open(here, {
    endStream: true,
    extra: [
      ['traceparent', SAMPLED],
      ['tracestate', 'a=1'],
    ],
  })
  first.backend.rst(first.backendId, Code.REFUSED_STREAM)
  const second = await arrived(here, first.id)
  answer(second)
  await answered(t, second)
  await here.proxy.close()
  const spans = exporter.getFinishedSpans()
  const [server] = byKind(spans, SpanKind.SERVER)
  const [one, two] = byKind(spans, SpanKind.CLIENT)
  t.equal(spans.length, 3)
  t.match(server, {
    name: 'pkg.Service/Method',
    parentSpanContext: { traceId: TRACE, spanId: CLIENT_SPAN, isRemote: true },
  })
  const id = server!.spanContext().spanId
  t.same([one!.parentSpanContext?.spanId, two!.parentSpanContext?.spanId], [id, id])
  t.same(
    [first, second].map(({ headers }) => [field(headers, 'traceparent'), field(headers, 'tracestate')]),
    [one!, two!].map(span => [`00-${TRACE}-${span.spanContext().spanId}-01`, 'a=1']),
  )
  t.match(server!.attributes, {
    'rpc.system.name': 'grpc',
    'rpc.method': 'pkg.Service/Method',
    'rpc.response.status_code': 'OK',
  })
  t.notOk('rpc.method_original' in server!.attributes)
  t.match(one!.attributes, { 'error.type': 'upstream-refused', 'grpc_verbatim.attempt': 1 })
  t.equal(one!.status.code, SpanStatusCode.ERROR)
  t.equal(two!.status.code, SpanStatusCode.UNSET)
  const ms = ([seconds, nanos]: readonly [number, number]) => seconds * 1e3 + nanos / 1e6
  t.ok(Math.abs(ms(server!.startTime) - Date.now()) < 60_000)
  t.ok(
    ms(server!.startTime) <= ms(one!.startTime) &&
      ms(one!.endTime) <= ms(two!.endTime) &&
      ms(two!.endTime) <= ms(server!.endTime),
  )
})

t.test('a server of the host: under the span that is active there', async t => {
  const { exporter, tracer } = hosting(t)
  const backend = await RawServer.listen(t)
  const proxy = createProxy({ log: { level: 'silent' }, backends: { main: { endpoints: [backend.url] } }, traces: {} })
  const server = createServer()
  t.teardown(() => Promise.all([proxy.close(), server.close()]))
  server.on('stream', (stream: ServerHttp2Stream, headers, flags, raw) => {
    const span = tracer.startSpan('the host', { kind: SpanKind.INTERNAL })
    stream.on('close', () => span.end())
    context.with(trace.setSpan(context.active(), span), () => proxy.handler(stream, headers, flags, raw))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const client = await RawClient.connect(t, (server.address() as AddressInfo).port)
  const id = client.request(requestFields([['traceparent', SAMPLED]]), { endStream: true })
  const { connection, streamId } = await backend.request()
  answer({ backend: connection, backendId: streamId })
  await answered(t, { client, id })
  await proxy.close()
  const spans = exporter.getFinishedSpans()
  const host = spans.find(({ name }) => name === 'the host')
  const [ours] = byKind(spans, SpanKind.SERVER)
  t.equal(ours!.parentSpanContext?.spanId, host!.spanContext().spanId)
})

t.test('a span that was active when the proxy began to listen, and is over, is no parent', async t => {
  const { exporter, tracer } = hosting(t)
  const start = tracer.startSpan('start')
  const here = await context.with(trace.setSpan(ROOT_CONTEXT, start), () => rig(t, { proxy: { traces: {} } }))
  start.end()
  await call(t, here, SAMPLED)
  await call(t, here)
  await here.proxy.close()
  const parents = byKind(exporter.getFinishedSpans(), SpanKind.SERVER).map(span => span.parentSpanContext?.spanId)
  t.same(parents, [CLIENT_SPAN, undefined])
})

t.test("the host's sampler decides", async t => {
  const { exporter } = hosting(t, { off: true })
  const here = await rig(t, { proxy: { traces: {} } })
  t.match(await call(t, here), /-00$/)
  t.match(await call(t, here, SAMPLED), new RegExp(`^00-${TRACE}-(?!${CLIENT_SPAN})[0-9a-f]{16}-01$`))
  await here.proxy.close()
  t.equal(exporter.getFinishedSpans().length, 2)
})

t.test('a host without contexts and propagators: spans, and the fields of its client go on', async t => {
  const { exporter } = hosting(t, { bare: true })
  const here = await rig(t, { proxy: { traces: {} } })
  t.equal(await call(t, here, SAMPLED), SAMPLED)
  await here.proxy.close()
  const [server, client] = ['SERVER', 'CLIENT'].map(
    kind => byKind(exporter.getFinishedSpans(), SpanKind[kind as 'SERVER'])[0],
  )
  t.equal(client!.parentSpanContext?.spanId, server!.spanContext().spanId)
})

t.test('a host whose OpenTelemetry throws costs no call', async t => {
  hosting(t)
  const lines: { msg: string }[] = []
  const logger = pino({ level: 'error' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const here = await rig(t, { proxy: { traces: {}, logger } })
  propagation.disable()
  const broken = () => {
    throw new Error('broken')
  }
  propagation.setGlobalPropagator({ inject: broken, extract: broken, fields: () => [] })
  t.equal(await call(t, here, SAMPLED), SAMPLED)
  t.match(lines, [{ msg: "the host's OpenTelemetry failed" }])
})
