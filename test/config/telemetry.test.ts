/** Where telemetry goes: by the configuration, and where that is silent, by the environment. */
import t from 'tap'
import { ConfigError } from '../../src/config/problems.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import { shownSetup } from '../../src/config/shown-setup.ts'
import { checkTelemetry, resolveMetricsExport, resolveTraces } from '../../src/config/telemetry.ts'
import type { TracesSetup } from '../../src/proxy/setup.ts'
import { certificates } from '../support/certs.ts'

const backends = { greeter: { endpoints: ['localhost:50051'] } }

function resolved(traces: object, environment: Record<string, string> = {}): TracesSetup {
  const url = { otlp: { url: 'http://unused' } }
  const { traces: parsed } = resolveConfig({ backends, traces: { ...url, ...traces } }).config
  // As it is without the URL that stands in for that of the environment.
  const { queue, sample, propagate } = parsed!
  return resolveTraces({ ...queue, sample, propagate: [...propagate], ...traces } as never, {}, environment)!
}

const problems = (traces: unknown, environment: Record<string, string> = {}): string[] =>
  checkTelemetry({ traces }, environment).map(({ path, message }) => `${path.join('.')}: ${message}`)

t.test('defaults', async t => {
  t.same(resolved({ otlp: { url: 'http://127.0.0.1:4318' } }), {
    sample: { parent: true, ratio: 1, errors: false },
    propagate: ['w3c'],
    queue: { maxQueuedSpans: 2048, maxQueuedBytes: 4_194_304, intervalMs: 5_000 },
    otlp: { url: 'http://127.0.0.1:4318/v1/traces', headers: {}, timeoutMs: 10_000 },
    resource: { 'service.name': 'grpc-verbatim' },
  })
  t.equal(resolveConfig({ backends }).config.traces, undefined)
})

t.test('the environment, where the configuration is silent', async t => {
  const environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/base/',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc, x-tenant = 7 ',
    OTEL_EXPORTER_OTLP_TIMEOUT: '2500',
    OTEL_SERVICE_NAME: 'edge',
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=other,deployment.environment.name=prod',
  }
  t.match(resolved({}, environment), {
    otlp: {
      url: 'http://collector:4318/base/v1/traces',
      headers: { authorization: 'Bearer abc', 'x-tenant': '7' },
      timeoutMs: 2_500,
    },
    resource: { 'service.name': 'edge', 'deployment.environment.name': 'prod' },
  })
  const own = {
    otlp: { url: 'https://here:1/', headers: { a: 'b' }, timeoutMs: 7 },
    serviceName: 'mine',
    resource: { x: 'y' },
  }
  t.match(resolved(own, environment), {
    otlp: { url: 'https://here:1/v1/traces', headers: { a: 'b', authorization: undefined }, timeoutMs: 7 },
    resource: { 'service.name': 'mine', x: 'y', 'deployment.environment.name': 'prod' },
  })
  const whole = {
    ...environment,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://tempo:4318/whole',
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'a=1',
  }
  t.match(resolved({}, whole), {
    otlp: { url: 'http://tempo:4318/whole', headers: { a: '1', authorization: undefined } },
  })
  t.equal(resolved({}, { ...environment, OTEL_SERVICE_NAME: '' }).resource['service.name'], 'other', 'empty is absent')
})

t.test('what is wrong', async t => {
  t.same(problems({}), [
    'traces.otlp.url: is needed, or OTEL_EXPORTER_OTLP_ENDPOINT in the environment: where do spans go?',
  ])
  t.same(problems({}, { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }), [
    'traces.otlp.url: OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" is no http:// or https:// URL',
  ])
  t.match(problems({}, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }), [
    /asks for gRPC/,
  ])
  const secret = problems({ otlp: { url: 'http://c' } }, { OTEL_EXPORTER_OTLP_HEADERS: 'secret' })
  t.same(secret, ['traces.otlp.headers: OTEL_EXPORTER_OTLP_HEADERS is no list of name=value'])
  for (const headers of ['a=%ff', 'a=%0d%0ab', 'a b=c', '=c']) {
    t.equal(problems({ otlp: { url: 'http://c' } }, { OTEL_EXPORTER_OTLP_HEADERS: headers }).length, 1, headers)
  }
  t.same(problems(undefined, { OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense' }), [], 'nobody asked for it')
  for (const url of ['collector:4318', 'ftp://c', 'http://user:pass@c', 'http://c?x=1', '']) {
    t.throws(() => resolveConfig({ backends, traces: { otlp: { url } } }), ConfigError, url)
  }
})

t.test('metrics have an interval too, and are those of the process that traces name', async t => {
  const url = 'http://here:1'
  const of = (otlp: object, environment: Record<string, string> = {}, traces?: object) =>
    resolveMetricsExport({ metrics: { otlp }, traces } as never, {}, environment)
  t.same(resolveConfig({ backends, metrics: { otlp: { url } } }).config.metricsExport, {
    otlp: { url: 'http://here:1/v1/metrics', headers: {}, timeoutMs: 10_000 },
    intervalMs: 60_000,
    resource: { 'service.name': 'grpc-verbatim' },
  })
  t.notMatch(resolveConfig({ backends, metrics: { otlp: { url } } }).config.metrics, { otlp: {} })
  t.equal(resolveConfig({ backends, metrics: true }).config.metricsExport, undefined)
  const environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
    OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'a=1',
    OTEL_METRIC_EXPORT_INTERVAL: '15000',
    OTEL_RESOURCE_ATTRIBUTES: 'team=a',
  }
  t.match(of({}, environment, { serviceName: 'edge', resource: { zone: 'z' } }), {
    otlp: { url: 'http://collector:4318/v1/metrics', headers: { a: '1' } },
    intervalMs: 15_000,
    resource: { 'service.name': 'edge', team: 'a', zone: 'z' },
  })
  t.match(of({ url, intervalMs: 1_000, serviceName: 'own' }, environment, { serviceName: 'edge' }), {
    intervalMs: 1_000,
    resource: { 'service.name': 'own' },
  })
  for (const text of ['', '0', '-1', 'soon', '1e12'])
    t.equal(of({ url }, { OTEL_METRIC_EXPORT_INTERVAL: text })!.intervalMs, 60_000, text)
  t.match(checkTelemetry({ metrics: { otlp: {} } }, {}), [
    { path: ['metrics', 'otlp', 'url'], message: /where do metrics go/ },
  ])
  t.match(checkTelemetry({ metrics: { otlp: {} } }, { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'nonsense' }), [
    { message: /^OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "nonsense" is no/ },
  ])
  t.same(checkTelemetry({ metrics: true }, { OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense' }), [], 'nobody asked for it')
  t.throws(() => resolveConfig({ backends, metrics: { otlp: { url, intervalMs: 1 } } }), ConfigError)
  const { ca } = await certificates()
  const { metricsExport } = resolveConfig({ backends, metrics: { otlp: { url, tls: { ca: ca.cert } } } }).config
  t.equal(String(metricsExport?.otlp.tls?.ca), ca.cert)
  t.throws(() => resolveConfig({ backends, metrics: { otlp: { url, tls: { ca: 'no-such-file.pem' } } } }), {
    message: /^metrics\.otlp\.tls\.ca: /,
  })
})

t.test('headers for a collector are not shown', async t => {
  const { config } = resolveConfig({
    backends,
    traces: { otlp: { url: 'http://c', headers: { authorization: 'secret' } } },
    metrics: { otlp: { url: 'http://c', headers: { authorization: 'secret' } } },
  })
  t.notMatch(JSON.stringify(shownSetup(config)), /secret/)
})
