/** Metrics as OTLP in JSON: what each kind becomes, and since when it counts. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { MetricsEncoder } from '../../src/observe/otlp-metrics.ts'
import { Histogram, metricsText, type Reading } from '../../src/observe/registry.ts'
import { linesIn, linesOfText, metricsIn, resourceIn } from '../support/metrics-collector.ts'

const BEGAN_MS = 1_700_000_000_000
const MINUTE_MS = 60_000
const RESOURCE = { 'service.name': 'edge', 'process.pid': 7 }
/** What opentelemetry-proto of PyPI says, which reads JSON as Protocol Buffers do: a field that it does not know is an error. */
const DECODER = `
import json, sys
from google.protobuf.json_format import Parse, MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
print(json.dumps(MessageToDict(Parse(sys.stdin.read(), ExportMetricsServiceRequest()))))
`
const PYTHON = process.env.PYTHON ?? 'python3'
const NO_DECODER =
  spawnSync(PYTHON, ['-c', 'import opentelemetry.proto']).status === 0
    ? false
    : 'Python with opentelemetry-proto is not on this machine (PYTHON=… names another one)'

const counter = (...samples: [backend: string, value: number][]): Reading => ({
  ...{ name: 'calls', help: 'Calls.', type: 'counter' as const },
  samples: samples.map(([backend, value]) => ({ labels: { backend }, value })),
})

function durations(...values: number[]): Reading {
  const histogram = new Histogram([0.1, 1])
  for (const value of values) histogram.add(value, '4bf92f3577b34da6a3ce929d0e0e4736')
  const samples = [{ labels: { method: '/a.B/"C"\n' }, value: histogram }]
  return { name: 'call_duration_seconds', help: 'How long.', type: 'histogram', samples }
}

const gauge = (name: string, value: number): Reading => ({ name, help: 'Now.', type: 'gauge', samples: [{ value }] })

function encoded(...readings: Reading[]): string {
  const [body, ...more] = new MetricsEncoder(BEGAN_MS).encode(readings, RESOURCE, BEGAN_MS + MINUTE_MS)
  t.equal(more.length, 0)
  return body!.text
}

/** When each series of counters and histograms began, in minutes since the process did. */
function starts(body: string): Record<string, number> {
  const points = metricsIn(body).flatMap(({ sum, histogram }) => (sum ?? histogram)?.dataPoints ?? [])
  return Object.fromEntries(
    points.map(({ attributes, startTimeUnixNano }) => [
      attributes[0]!.value.stringValue,
      (Number(startTimeUnixNano) / 1e6 - BEGAN_MS) / MINUTE_MS,
    ]),
  )
}

t.test('a counter, a gauge and a histogram', async t => {
  const body = encoded(counter(['main', 3]), gauge('open_bytes', 1.5), gauge('open', 2), durations(0.05, 0.1, 5))
  const times = { startTimeUnixNano: '1700000000000000000', timeUnixNano: '1700000060000000000' }
  const { timeUnixNano } = times
  t.same(resourceIn(body), { 'service.name': 'edge', 'process.pid': '7' })
  t.match(metricsIn(body), [
    {
      name: 'calls',
      description: 'Calls.',
      unit: undefined,
      sum: {
        aggregationTemporality: 2,
        isMonotonic: true,
        dataPoints: [{ ...times, attributes: [{ key: 'backend', value: { stringValue: 'main' } }], asDouble: 3 }],
      },
    },
    { name: 'open_bytes', unit: 'By', gauge: { dataPoints: [{ timeUnixNano, attributes: [], asDouble: 1.5 }] } },
    { name: 'open', unit: undefined, gauge: { dataPoints: [{ asDouble: 2 }] } },
    {
      name: 'call_duration_seconds',
      unit: 's',
      histogram: {
        aggregationTemporality: 2,
        dataPoints: [{ ...times, count: '3', sum: 5.15, explicitBounds: [0.1, 1], bucketCounts: ['2', '0', '1'] }],
      },
    },
  ])
  t.match(JSON.parse(body).resourceMetrics[0].scopeMetrics[0].metrics[3].histogram.dataPoints[0].exemplars, [
    { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', asDouble: 0.1 },
    { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', asDouble: 5 },
  ])
})

t.test('it says the same as the text for Prometheus', async t => {
  const readings = [counter(['a', 3], ['b', 0]), gauge('open', 2)]
  t.same(linesIn(encoded(...readings)), linesOfText(metricsText(readings, 'prometheus')))
})

t.test('what is new, or has fallen, began after it was last read; what goes on keeps its beginning', async t => {
  const encoder = new MetricsEncoder(BEGAN_MS)
  let minute = 0
  const read = (...readings: Reading[]) =>
    starts(encoder.encode(readings, RESOURCE, BEGAN_MS + ++minute * MINUTE_MS)[0]!.text)
  t.same(read(counter(['a', 5])), { a: 0 })
  t.same(read(counter(['a', 5], ['b', 1])), { a: 0, b: 1 })
  t.same(read(counter(['a', 4], ['b', 2])), { a: 2, b: 1 }, 'a worker was replaced')
  t.same(read(counter(['b', 2])), { b: 1 })
  t.same(read(counter(['a', 9], ['b', 2])), { a: 4, b: 1 }, 'a backend is there again')
  t.same(read(durations(1, 1)), { '/a.B/"C"\n': 5 })
  t.same(read(durations(1)), { '/a.B/"C"\n': 6 }, 'the buckets are counted anew')
  minute = -10
  t.same(read(durations(1)), { '/a.B/"C"\n': -9 }, 'no count begins after it was read, whatever the clock does')
})

t.test('numbers that JSON does not have, and half of a pair of surrogates', async t => {
  const points = metricsIn(encoded(gauge('a', Number.NaN), gauge('b', Number.POSITIVE_INFINITY))).map(
    ({ gauge }) => gauge!.dataPoints[0]!.asDouble,
  )
  t.same(points, ['NaN', 'Infinity'])
  t.equal(linesIn(encoded(counter(['\ud800', 1]))).get('calls_total{backend="\ufffd"}'), 1)
})

t.test('many series are several requests, each of which a collector takes; nothing is nothing', async t => {
  const many = counter(...Array.from({ length: 20_000 }, (_, i): [string, number] => [`backend-${i}`, i]))
  const bodies = new MetricsEncoder(BEGAN_MS).encode([many, gauge('open', 1)], RESOURCE, BEGAN_MS)
  t.ok(bodies.length > 1)
  for (const { text, points } of bodies) {
    t.ok(text.length < 1.1 * 2 ** 20)
    t.equal(linesIn(text).size, points)
  }
  t.equal(new Map(bodies.flatMap(({ text }) => [...linesIn(text)])).size, 20_001)
  t.same(new MetricsEncoder(BEGAN_MS).encode([counter()], RESOURCE, BEGAN_MS), [])
})

t.test('a decoder that others wrote reads all of it', { skip: NO_DECODER }, async t => {
  const body = encoded(counter(['main', 3]), gauge('a', Number.NaN), gauge('b', -1e-9), durations(0.05, 5))
  const { stdout, stderr } = spawnSync(PYTHON, ['-c', DECODER], { input: body, encoding: 'utf8' })
  t.equal(stderr, '')
  const [sum, nan, small, histogram] = metricsIn(stdout)
  t.match(sum, {
    name: 'calls',
    sum: { isMonotonic: true, aggregationTemporality: 'AGGREGATION_TEMPORALITY_CUMULATIVE' },
  })
  t.match(sum!.sum!.dataPoints, [{ asDouble: 3, startTimeUnixNano: '1700000000000000000' }])
  t.match(
    [nan, small],
    [{ gauge: { dataPoints: [{ asDouble: 'NaN' }] } }, { gauge: { dataPoints: [{ asDouble: -1e-9 }] } }],
  )
  t.match(histogram!.histogram!.dataPoints, [{ count: '2', sum: 5.05, bucketCounts: ['1', '0', '1'] }])
})
