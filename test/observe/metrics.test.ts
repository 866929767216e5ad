/** Metrics: what calls become, that no client can make series, and that Prometheus' own tool finds nothing wrong. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import type { CallRecord } from '../../src/call/record.ts'
import { MessageCounter } from '../../src/grpc/message.ts'
import { CallMetrics } from '../../src/observe/call-metrics.ts'
import { ProcessMetrics } from '../../src/observe/process-metrics.ts'
import { type Family, Histogram, metricsText, type Reading, readingOf } from '../../src/observe/registry.ts'
import { readTogether } from '../../src/observe/together.ts'

function record(more: Partial<CallRecord> = {}): CallRecord {
  const request = new MessageCounter()
  request.push(Buffer.from([0, 0, 0, 0, 2, 1, 1]), 0, 7)
  return {
    ...{
      startMs: 0,
      durationMs: 3,
      peer: '192.0.2.1:1',
      authority: 'a',
      path: '/p.S/M',
      fields: [],
      timeoutMs: undefined,
    },
    ...{ backend: 'greeter', endpoint: 'e', status: 0, message: '', endedBy: 'backend', reason: '', cause: '' },
    ...{ request, response: new MessageCounter(), retries: 0 },
    ...more,
  }
}

const OPTIONS = { bucketsSeconds: [0.001, 0.01], maxMethods: 3 }
const textOf = (metrics: CallMetrics) => metricsText(readingOf(metrics.families), 'prometheus')
/** Values by the part of a line before them. */
const values = (text: string) =>
  Object.fromEntries(
    text
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
      .map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  )

t.test('a call is counted once, by method, backend, status and who ended it', async t => {
  const metrics = new CallMetrics(OPTIONS)
  metrics.onEnd(record())
  metrics.onEnd(record({ durationMs: 10 }))
  metrics.onEnd(record({ status: 14, endedBy: 'proxy', reason: 'unreachable', durationMs: 70, retries: 2 }))
  metrics.onEnd(record({ status: -1 }))
  metrics.onEnd(record({ status: 77 }))
  const of = 'method="/p.S/M",backend="greeter"'
  t.match(values(textOf(metrics)), {
    [`grpc_verbatim_calls_ended_total{${of},status="OK",ended_by="backend"}`]: 2,
    [`grpc_verbatim_calls_ended_total{${of},status="UNAVAILABLE",ended_by="proxy"}`]: 1,
    [`grpc_verbatim_calls_ended_total{${of},status="none",ended_by="backend"}`]: 1,
    [`grpc_verbatim_calls_ended_total{${of},status="other",ended_by="backend"}`]: 1,
    [`grpc_verbatim_call_duration_seconds_bucket{${of},le="0.001"}`]: 0,
    [`grpc_verbatim_call_duration_seconds_bucket{${of},le="0.01"}`]: 4,
    [`grpc_verbatim_call_duration_seconds_bucket{${of},le="+Inf"}`]: 5,
    [`grpc_verbatim_call_duration_seconds_count{${of}}`]: 5,
    [`grpc_verbatim_messages_total{${of},direction="request"}`]: 5,
    [`grpc_verbatim_message_bytes_total{${of},direction="request"}`]: 35,
    [`grpc_verbatim_call_retries_total{${of}}`]: 2,
    'grpc_verbatim_call_failures_total{reason="unreachable",backend="greeter"}': 1,
  })
})

t.test('no client makes series: 100,000 methods, authorities and whatever else it chooses are one', async t => {
  const metrics = new CallMetrics(OPTIONS, ['/p.S/Known'])
  const chosen = (i: number) => ({
    ...{ authority: `a${i}.test`, peer: `[2001:db8::${i.toString(16)}]:1`, message: `m${i}`, endpoint: `e${i}` },
    ...{ fields: [{ name: `x-${i}`, value: `${i}`, neverIndexed: false }], cause: `c${i}`, timeoutMs: i },
  })
  for (let i = 0; i < 100_000; i++)
    metrics.onEnd(record({ ...chosen(i), path: `/made.Up/M${i}`, status: i, endedBy: i % 2 ? 'backend' : 'client' }))
  metrics.onEnd(record({ path: '/p.S/Known', status: 5 }))
  const methods = () => new Set(textOf(metrics).match(/method="[^"]*"/g))
  t.same([...methods()].sort(), ['method="/p.S/Known"', 'method="other"'])
  for (let i = 0; i < 1_000; i++) metrics.onEnd(record({ ...chosen(i), path: `/made.Up/M${i}` }))
  t.equal(methods().size, OPTIONS.maxMethods + 1, 'nor does a backend that answers all of them')
  t.ok(textOf(metrics).split('\n').length < 150)
  for (let i = 0; i < 2_000; i++) metrics.onEnd(record({ path: '/p.S/Known', backend: `b${i}` }))
  const backends = new Set(textOf(metrics).match(/backend="[^"]*"/g))
  t.ok(backends.size <= 1_001 && backends.has('backend="other"'), 'nor does a director that makes backends of them')
})

t.test('a method has its history of before it had series with the others, and the sum is right', async t => {
  const metrics = new CallMetrics(OPTIONS)
  metrics.onEnd(record({ status: 12 }))
  metrics.onEnd(record())
  metrics.onEnd(record({ status: 12 }))
  const all = Object.entries(values(textOf(metrics))).filter(([name]) => name.startsWith('grpc_verbatim_calls_ended'))
  t.same(
    all.map(([name, value]) => [/method="([^"]*)".*status="([^"]*)"/.exec(name)!.slice(1).join(' '), value]),
    [
      ['/p.S/M OK', 1],
      ['/p.S/M UNIMPLEMENTED', 1],
      ['other UNIMPLEMENTED', 1],
    ],
  )
})

t.test('labels are escaped, and numbers are written as both formats have them', async t => {
  const histogram = new Histogram([1, 2])
  for (const value of [0.5, 1, 1.5, 9]) histogram.add(value)
  const families: Family[] = [
    {
      name: 'a_calls',
      help: 'One "two"\nthree \\',
      type: 'counter',
      samples: () => [{ labels: { method: '/a"b\\c\nd' }, value: 1e21 }],
    },
    { name: 'a_seconds', help: 'Times.', type: 'histogram', samples: () => [{ value: histogram }] },
    { name: 'a_none', help: 'Nothing yet.', type: 'gauge', samples: () => [] },
  ]
  t.equal(
    metricsText(readingOf(families), 'openmetrics'),
    `# HELP a_calls One \\"two\\"\\nthree \\\\
# TYPE a_calls counter
a_calls_total{method="/a\\"b\\\\c\\nd"} 1e+21
# HELP a_seconds Times.
# TYPE a_seconds histogram
a_seconds_bucket{le="1"} 2
a_seconds_bucket{le="2"} 3
a_seconds_bucket{le="+Inf"} 4
a_seconds_sum 12
a_seconds_count 4
# EOF
`,
  )
  t.match(
    metricsText(readingOf(families), 'prometheus'),
    '# HELP a_calls_total One "two"\\nthree \\\\\n# TYPE a_calls_total counter\n',
  )
})

t.test('what several processes read is added up, and what cannot be is the least or the greatest', async t => {
  const read = (calls: number, startSeconds: number, status: string, histogram: Histogram): Reading[] =>
    readingOf([
      { name: 'a_calls', help: 'C.', type: 'counter', samples: () => [{ labels: { status }, value: calls }] },
      { name: 'a_start', help: 'S.', type: 'gauge', together: 'least', samples: () => [{ value: startSeconds }] },
      { name: 'a_version', help: 'V.', type: 'gauge', together: 'greatest', samples: () => [{ value: startSeconds }] },
      { name: 'a_seconds', help: 'T.', type: 'histogram', samples: () => [{ value: histogram }] },
    ])
  const histogram = (bounds: readonly number[], ...values: number[]) => {
    const made = new Histogram(bounds)
    for (const value of values) made.add(value)
    return made
  }
  const shared = histogram([1, 2, 4], 0.5, 1.5, 3, 9)
  const first = read(1, 10, 'OK', shared)
  shared.add(1)
  const together = readTogether([
    JSON.parse(JSON.stringify(first)),
    read(2, 20, 'OK', histogram([1, 4, 8], 1, 1, 5)),
    read(4, 30, 'CANCELLED', histogram([1, 4], 0)),
    [],
  ])
  t.equal(
    metricsText(together, 'prometheus'),
    `# HELP a_calls_total C.
# TYPE a_calls_total counter
a_calls_total{status="OK"} 3
a_calls_total{status="CANCELLED"} 4
# HELP a_start S.
# TYPE a_start gauge
a_start 10
# HELP a_version V.
# TYPE a_version gauge
a_version 30
# HELP a_seconds T.
# TYPE a_seconds histogram
a_seconds_bucket{le="1"} 4
a_seconds_bucket{le="4"} 6
a_seconds_bucket{le="+Inf"} 8
a_seconds_sum 21
a_seconds_count 8
`,
    'what was read does not change, and of other buckets those remain that both have',
  )
  t.same(readTogether([first]), first)
})

t.test('exemplars: the latest of each bucket, where the trace is kept, and in OpenMetrics only', async t => {
  const traced = (traceId: string, kept: boolean) => ({ traceId, kept, mayBeKept: true }) as CallRecord['trace']
  const metrics = new CallMetrics(OPTIONS)
  for (const [traceId, kept, durationMs] of [
    ['a1', true, 3],
    ['b2', true, 4],
    ['c3', false, 5],
    ['d4', true, 70],
  ] as const) {
    metrics.onEnd(record({ durationMs, status: 5, trace: traced(traceId, kept) }))
  }
  const read = readingOf(metrics.families)
  const told = (readings: readonly Reading[]) =>
    Array.from(
      metricsText(readings, 'openmetrics').matchAll(/le="(.*)"} \d+ # \{trace_id="(.*)"} ([\d.]+) (.*)/g),
      ([, ...parts]) => parts,
    )
  t.match(told(read), [
    ['0.01', 'b2', '0.004', /^\d{10}(\.\d+)?$/],
    ['+Inf', 'd4', '0.07', /^\d{10}/],
  ])
  t.equal(told(read).length, 2)
  t.notMatch(metricsText(read, 'prometheus'), / # /)
  const other = new CallMetrics(OPTIONS)
  other.onEnd(record({ durationMs: 0, status: 5, trace: traced('e5', true) }))
  t.same(
    told(readTogether([read, readingOf(other.families)])).map(([, id]) => id),
    ['e5', 'b2', 'd4'],
  )
})

const promtool = spawnSync('promtool', ['--version']).status === 0
t.test(
  'promtool finds nothing to say',
  { skip: promtool ? false : 'promtool (Debian: prometheus) is not on this machine' },
  async t => {
    const calls = new CallMetrics(OPTIONS)
    calls.onEnd(record())
    calls.onEnd(record({ status: 14, endedBy: 'proxy', reason: 'unreachable' }))
    const own = new ProcessMetrics()
    globalThis.gc?.()
    await new Promise(resolve => setTimeout(resolve, 120))
    const input = metricsText(readingOf([...calls.families, ...own.families]), 'prometheus')
    own.close()
    t.match(input, /nodejs_eventloop_delay_seconds_count [1-9]/)
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' })
    t.same({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' })
  },
)
