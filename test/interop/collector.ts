/**
 * The OpenTelemetry Collector behind the proxy: `npm run test:collector`. It writes down the spans of a call that is sent
 * again, and of one that its route tries again, and what it writes is compared with what the backends were told. Then it is
 * stopped (SIGSTOP) under load: calls go on, what waits is bounded, and what is lost is counted; and it goes on (SIGCONT). It
 * gets metrics too: the last of them, when the proxy has closed, are compared with what the proxy says to Prometheus.
 *
 * Building it takes ten minutes where Go has none of it yet.
 */
import { writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import path from 'node:path'
import { createProxy, type GrpcProxy } from '../../src/index.ts'
import { linesOfText } from '../support/metrics-collector.ts'
import { RawServer } from '../support/raw-server.ts'
import { build, main, type Running, scratchFolder, start } from './go-program.ts'

const BUILD_TIMEOUT_MS = 1_200_000
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const RETRIED_TRACE = '0af7651916cd43dd8448eb211c80319c'
const CLIENT_SPAN = '00f067aa0ba902b7'
const HEADERS = {
  ':method': 'POST',
  ':path': '/pkg.Service/Method',
  'content-type': 'application/grpc',
  te: 'trailers',
}
/** Many times what may wait. */
const FROZEN_CALLS = 20_000
const AT_ONCE = 50
const COUNTED_CALLS = 300
/** What 2,048 spans and the batch under way may take, generously. */
const MOST_MIB = 40

interface Scope {
  readonly ends: (() => unknown)[]
  teardown(end: () => unknown): void
}

async function freePort(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

async function collector(): Promise<{ running: Running; url: string }> {
  const file = await build(path.join(import.meta.dirname, 'collector'), { timeoutMs: BUILD_TIMEOUT_MS })
  const port = await freePort()
  const config = path.join(scratchFolder(), 'collector.yaml')
  writeFileSync(
    config,
    `
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:${port}" } } } }
exporters: { debug: { verbosity: detailed, sampling_initial: 100000 } }
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    traces: { receivers: [otlp], exporters: [debug] }
    metrics: { receivers: [otlp], exporters: [debug] }
`,
  )
  const running = start(file, ['--config', config])
  await running.line(/Everything is ready/)
  return { running, url: `http://127.0.0.1:${port}` }
}

/** What one block of the debug exporter says of a span. */
function spanIn(block: string): Record<string, string> {
  const of: Record<string, string> = {}
  for (const [, name, value] of block.matchAll(/^ {4}([A-Z][\w ]*?) *: (.*)$/gm)) of[name!] = value!.trim()
  for (const [, name, value] of block.matchAll(/^ {5}-> ([\w.]+): \w+\((.*)\)$/gm)) of[name!] = value!
  return of
}

/** The statement, and whether it holds. */
type Verdict = [what: string, holds: boolean]

async function withRetry(scope: Scope, url: string, running: Running): Promise<Verdict[]> {
  const backend = await RawServer.listen(scope as never)
  const proxy = createProxy({
    log: { level: 'silent' },
    backends: { main: { endpoints: [backend.url] } },
    traces: { otlp: { url }, serviceName: 'edge' },
  })
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  const session = connect(`http://127.0.0.1:${port}`)
  const traceparent = `00-${TRACE}-${CLIENT_SPAN}-01`
  const stream = session.request({ ...HEADERS, traceparent, tracestate: 'congo=t61rcWkgMzE' }, { endStream: true })
  const first = await backend.request()
  first.connection.rst(first.streamId, 7)
  const second = await backend.request()
  const trailersOnly = [':status 200', 'content-type application/grpc', 'grpc-status 0'].map(
    text => text.split(' ') as [string, string],
  )
  second.connection.headers(second.streamId, trailersOnly, { endStream: true })
  stream.resume()
  await new Promise(resolve => stream.once('close', resolve))
  session.close()
  await proxy.drain()
  const seen = [first, second].map(({ headers }) => headers.fields.find(({ name }) => name === 'traceparent')!.value)
  const [output] = await running.line(
    /Span #0[\s\S]*Span #2[\s\S]*?\n\t?\{|Span #0[\s\S]*Span #2[\s\S]*attempt: Int\(2\)/,
  )
  const [server, one, two] = output
    .split(/Span #\d/)
    .slice(1)
    .map(spanIn) as Record<string, string>[]
  return [
    ['three spans of one trace', [server, one, two].every(span => span!['Trace ID'] === TRACE)],
    ["the call's is a child of the client's", server!['Parent ID'] === CLIENT_SPAN && server!.Kind === 'Server'],
    [
      "the attempts' are children of that",
      [one, two].every(span => span!['Parent ID'] === server!.ID && span!.Kind === 'Client'),
    ],
    ['each backend was told its own', seen.join() === [one, two].map(span => `00-${TRACE}-${span!.ID}-01`).join()],
    ['the first was refused', one!['Status code'] === 'Error' && one!['error.type'] === 'upstream-refused'],
    ['the call is OK', server!['rpc.response.status_code'] === 'OK' && server!['Status code'] === 'Unset'],
    ['named by its method', server!.Name === 'pkg.Service/Method' && server!['rpc.method'] === 'pkg.Service/Method'],
  ]
}

/** The route tries again: a backend that says UNAVAILABLE, one that takes too long, and one that answers. */
async function withRetriesOfPolicy(scope: Scope, url: string, running: Running): Promise<Verdict[]> {
  const backends = await Promise.all([1, 2, 3].map(() => RawServer.listen(scope as never)))
  const proxy = createProxy({
    log: { level: 'silent' },
    backends: { main: { endpoints: backends.map(backend => backend.url) } },
    routes: [{ backend: 'main', retry: { maxAttempts: 3, initialBackoffMs: 50, perAttemptTimeoutMs: 300 } }],
    traces: { otlp: { url }, serviceName: 'retried' },
  })
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  const session = connect(`http://127.0.0.1:${port}`)
  const traceparent = `00-${RETRIED_TRACE}-${CLIENT_SPAN}-01`
  const stream = session.request({ ...HEADERS, traceparent }, { endStream: true }).resume()
  let status: unknown
  stream.on('response', headers => {
    status = headers['grpc-status']
  })
  const closed = new Promise(resolve => stream.once('close', resolve))
  const waiting = backends.map(async backend => ({ backend, ...(await backend.request()) }))
  const seen: string[] = []
  // A retry prefers an endpoint that was not tried yet: each gets one.
  for (const answer of ['14', undefined, '0']) {
    const arrived = await Promise.race(waiting)
    waiting.splice(backends.indexOf(arrived.backend), 1)
    backends.splice(backends.indexOf(arrived.backend), 1)
    const { connection, streamId, headers } = arrived
    seen.push(headers.fields.find(({ name }) => name === 'traceparent')!.value)
    if (answer === undefined) continue
    const trailersOnly = [
      [':status', '200'],
      ['content-type', 'application/grpc'],
      ['grpc-status', answer],
    ] as const
    connection.headers(streamId, trailersOnly, { endStream: true })
  }
  await closed
  session.close()
  await proxy.drain()
  const last = /service\.name: Str\(retried\)[\s\S]*Span #3[\s\S]*?ended_by: Str\(\w+\)/
  const [output] = await running.line(last)
  const spans = output
    .split(/Span #\d/)
    .slice(1)
    .map(spanIn)
  const [server, ...tries] = spans as [Record<string, string>, ...Record<string, string>[]]
  const said = (name: string) => tries.map(span => span[name] ?? '').join()
  const at = (span: Record<string, string>, which: 'Start time' | 'End time') =>
    Date.parse(span[which]!.replace(/ \+0000 UTC$/, 'Z').replace(' ', 'T'))
  return [
    ['a retry of policy: the call is OK', status === '0' && server['rpc.response.status_code'] === 'OK'],
    ['… with three attempts in its trace', spans.length === 4 && spans.every(of => of['Trace ID'] === RETRIED_TRACE)],
    [
      "… that are children of the call's",
      tries.every(span => span['Parent ID'] === server.ID && span.Kind === 'Client'),
    ],
    ['… each backend was told its own', seen.join() === tries.map(of => `00-${RETRIED_TRACE}-${of.ID}-01`).join()],
    ['… numbered', said('grpc_verbatim.attempt') === '1,2,3'],
    ['… each with its end', said('rpc.response.status_code') === 'UNAVAILABLE,DEADLINE_EXCEEDED,OK'],
    ['… and why', said('error.type') === 'UNAVAILABLE,attempt-timeout,'],
    ['… and who ended it', said('grpc_verbatim.ended_by') === 'backend,proxy,backend'],
    [
      '… one after the other',
      tries.every((span, i) => i === 0 || at(span, 'Start time') >= at(tries[i - 1]!, 'End time')),
    ],
  ]
}

/** So many calls, some at a time. @returns how many ended with OK */
async function load(port: number, calls: number): Promise<number> {
  const session = connect(`http://127.0.0.1:${port}`)
  let started = 0
  let ok = 0
  const one = async () => {
    while (started++ < calls) {
      const stream = session.request(HEADERS, { endStream: true })
      stream.on('response', headers => {
        if (headers['grpc-status'] === '0') ok++
      })
      stream.resume()
      await new Promise(resolve => stream.once('close', resolve))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
  session.destroy()
  return ok
}

const total = (proxy: GrpcProxy, name: string): number =>
  Number(new RegExp(`^grpc_verbatim_${name} (\\d+)$`, 'm').exec(proxy.metrics())?.[1])

/** Answers each call with OK. */
async function answering(scope: Scope): Promise<RawServer> {
  const backend = await RawServer.listen(scope as never)
  void (async () => {
    for (;;) {
      const { connection, streamId } = await backend.request()
      connection.headers(
        streamId,
        [
          [':status', '200'],
          ['content-type', 'application/grpc'],
          ['grpc-status', '0'],
        ],
        { endStream: true },
      )
    }
  })().catch(() => {})
  return backend
}

/** Values of the points of one metric, as the debug exporter writes them. */
function valuesOf(output: string, name: string): number[] {
  const [, block = ''] = output.split(new RegExp(`-> Name: ${name}\\n`))
  const own = block.split('-> Name: ')[0]!
  return [...own.matchAll(/^(?:Value|Count): ([\d.]+)$/gm)].map(([, value]) => Number(value))
}

async function metrics(scope: Scope, url: string, running: Running): Promise<Verdict[]> {
  const backend = await answering(scope)
  const proxy = createProxy({
    log: { level: 'silent' },
    metrics: { otlp: { url, serviceName: 'counted' } },
    backends: { main: { endpoints: [backend.url] } },
  })
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  await load(port, COUNTED_CALLS)
  await proxy.close()
  const [output] = await running.line(
    /service\.name: Str\(counted\)[\s\S]*-> Name: nodejs_eventloop_delay_seconds[\s\S]*?\n\t?\{/,
  )
  const text = linesOfText(proxy.metrics())
  const ofText = (begin: string) => [...text].filter(([line]) => line.startsWith(begin)).map(([, value]) => value)
  const agree = (name: string, begin: string): boolean => {
    const [got, said] = [valuesOf(output, name), ofText(begin)]
    return said.length > 0 && got.toSorted().join() === said.toSorted().join()
  }
  const block = output.split('-> Name: grpc_verbatim_call_duration_seconds\n')[1]!.split('-> Name: ')[0]!
  return [
    ['metrics: calls that ended', agree('grpc_verbatim_calls_ended', 'grpc_verbatim_calls_ended_total{')],
    ['… their durations', agree('grpc_verbatim_call_duration_seconds', 'grpc_verbatim_call_duration_seconds_count{')],
    ['… what is open', agree('grpc_verbatim_calls_in_flight', 'grpc_verbatim_calls_in_flight')],
    ['… streams of backends', agree('grpc_verbatim_backend_attempts', 'grpc_verbatim_backend_attempts_total{')],
    ['… with a unit', /-> Unit: s\n/.test(block) && /-> DataType: Histogram\n/.test(block)],
    ['… since a time', /-> AggregationTemporality: Cumulative\n/.test(block) && /StartTimestamp: 20\d\d-/.test(block)],
    ['all calls are there', valuesOf(output, 'grpc_verbatim_calls_ended').reduce((a, b) => a + b, 0) === COUNTED_CALLS],
  ]
}

async function frozen(scope: Scope, url: string, running: Running): Promise<Verdict[]> {
  const backend = await answering(scope)
  const proxy = createProxy({
    log: { level: 'silent' },
    metrics: true,
    backends: { main: { endpoints: [backend.url] } },
    traces: { otlp: { url, timeoutMs: 500 }, intervalMs: 50 },
  })
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  await load(port, 1_000)
  process.kill(running.pid, 'SIGSTOP')
  const before = process.memoryUsage().heapUsed
  let most = 0
  const watching = setInterval(() => {
    most = Math.max(most, total(proxy, 'queued_spans'))
  }, 20)
  const ok = await load(port, FROZEN_CALLS)
  clearInterval(watching)
  globalThis.gc?.()
  const grown = (process.memoryUsage().heapUsed - before) / 2 ** 20
  const dropped = total(proxy, 'spans_dropped_total')
  const exported = total(proxy, 'spans_exported_total')
  const queued = total(proxy, 'queued_spans')
  process.kill(running.pid, 'SIGCONT')
  for (let i = 0; i < 600 && total(proxy, 'queued_spans') > 0; i++)
    await new Promise(resolve => setTimeout(resolve, 50))
  const late = total(proxy, 'spans_exported_total')
  await load(port, 10)
  await proxy.close()
  const all = 2 * (1_000 + FROZEN_CALLS)
  console.log(
    `    ${ok} calls with a frozen collector: ${dropped} spans dropped, ${queued} wait, ${grown.toFixed(0)} MiB more`,
  )
  return [
    ['every call ends with OK', ok === FROZEN_CALLS],
    ['no more than 2,048 spans wait', most <= 2_048 && queued > 0],
    ['each span is exported, dropped or waits', dropped + exported + queued === all && dropped > 0],
    [`no more than ${MOST_MIB} MiB`, grown < MOST_MIB],
    ['it gets what waits when it goes on', late > exported && total(proxy, 'queued_spans') === 0],
  ]
}

async function run(): Promise<boolean> {
  const ends: (() => unknown)[] = []
  const scope: Scope = { ends, teardown: end => ends.push(end) }
  const { running, url } = await collector()
  const verdicts = [
    ...(await withRetry(scope, url, running)),
    ...(await withRetriesOfPolicy(scope, url, running)),
    ...(await metrics(scope, url, running)),
    ...(await frozen(scope, url, running)),
  ]
  for (const [what, holds] of verdicts) console.log(`${holds ? 'ok' : 'FAILED'}  ${what}`)
  for (const end of ends) await end()
  return verdicts.every(([, holds]) => holds)
}

await main('test:collector', run)
