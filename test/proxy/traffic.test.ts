/** Rates, percentiles and shares between readings of the metrics. */
import t from 'tap'
import type { Reading } from '../../src/observe/registry.ts'
import { OVERVIEW_STATE, OverviewMaker } from '../../src/proxy/overview.ts'
import { processRates } from '../../src/proxy/process-rates.ts'
import type { ProxyState } from '../../src/proxy/state.ts'
import { percentilesOf, trafficBetween } from '../../src/proxy/traffic.ts'

const BOUNDS = [0.001, 0.01, 0.1]

/** @param calls by method: how many ended with OK, and with UNAVAILABLE. @param counts of latencies, of all calls of `/a/A` */
function readings(calls: Readonly<Record<string, readonly [ok: number, failed: number]>>, counts: number[]): Reading[] {
  const labels = { backend: 'main', ended_by: 'backend' }
  const samples = Object.entries(calls).flatMap(([method, [ok, failed]]) => [
    { labels: { ...labels, method, status: 'OK' }, value: ok },
    { labels: { ...labels, method, status: 'UNAVAILABLE' }, value: failed },
  ])
  const latency = { labels: { method: '/a/A', backend: 'main' }, value: { bounds: BOUNDS, counts, sum: 0 } }
  return [
    { name: 'grpc_verbatim_calls_ended', help: '', type: 'counter', samples },
    { name: 'grpc_verbatim_call_duration_seconds', help: '', type: 'histogram', samples: [latency] },
  ]
}

t.test('calls: each second, in all, and by method with the busiest first', async t => {
  const first = { nowMs: 0, readings: readings({ '/a/A': [0, 0] }, [0, 0, 0, 0]) }
  const last = { nowMs: 1_000, readings: readings({ '/a/A': [100, 10], '/b/B': [5, 0] }, [100, 10, 0, 0]) }
  const now = {
    nowMs: 3_000,
    readings: readings({ '/a/A': [200, 20], '/b/B': [505, 0], '/c/C': [0, 0] }, [100, 110, 10, 0]),
  }
  const traffic = trafficBetween(first, last, now)!
  t.match(traffic, { perSecond: 305, failedPerSecond: 5, total: 725, failed: 20, methodCount: 2 })
  t.match(traffic.methods, [
    { method: '/b/B', perSecond: 250, failedPerSecond: 0, total: 505, failures: {} },
    { method: '/a/A', perSecond: 55, failedPerSecond: 5, total: 220, failures: { UNAVAILABLE: 20 } },
  ])
  t.notOk('latency' in traffic.methods[0]!, 'nothing is known of it')
  t.match(traffic.methods[1]!.latency, { p50: 1.818, p99: 80.2 })
  t.equal(trafficBetween(first, last, { nowMs: 4_000, readings: [] }), undefined, 'metrics were turned off')
})

t.test('percentiles: within a bucket by its part, and never beyond the last bound', async t => {
  const of = (...counts: number[]) => percentilesOf({ bounds: BOUNDS, counts, sum: 0 }, undefined)
  t.strictSame(of(0, 0, 0, 0), undefined)
  t.strictSame(of(100, 0, 0, 0), { p50: 0.5, p90: 0.9, p99: 0.99 })
  t.strictSame(of(0, 0, 0, 7), { p50: 100, p90: 100, p99: 100 })
  const before = { bounds: [1], counts: [5, 5], sum: 0 }
  t.match(percentilesOf({ bounds: BOUNDS, counts: [2, 0, 0, 0], sum: 0 }, before), { p50: 0.5 }, 'other buckets')
})

t.test('several processes: sums, and the loop of the busiest', async t => {
  const of = (active: number[], cpu: number[]): Reading[] => {
    const samples = (values: number[]) => values.map((value, i) => ({ labels: { worker: String(i) }, value }))
    return [
      { name: 'nodejs_eventloop_active_seconds', help: '', type: 'counter', samples: samples(active) },
      { name: 'process_cpu_seconds', help: '', type: 'counter', samples: samples(cpu) },
      { name: 'process_resident_memory_bytes', help: '', type: 'gauge', samples: samples([100, 200]) },
    ]
  }
  const rates = processRates(
    { nowMs: 0, readings: of([1, 1], [3, 4]) },
    { nowMs: 2_000, readings: of([2, 2.5], [4, 6]) },
  )
  t.match(rates, { processes: 2, cores: 1.5, loopUse: 0.75, residentBytes: 300 })
  t.equal(processRates({ nowMs: 0, readings: [] }, { nowMs: 1, readings: [] }), undefined)
})

t.test(
  'shares of endpoints, over ten seconds at most; what was looked at before somebody came does not count',
  async t => {
    const maker = new OverviewMaker()
    const stateAt = (a: number, b: number): ProxyState =>
      ({
        ...{ counts: {}, listeners: [], routes: [], sessions: [], calls: [], failures: [], backendCount: 1 },
        backends: [
          {
            name: 'main',
            endpoints: [
              { address: 'a', totals: { calls: a, broken: 0 } },
              { address: 'b', totals: { calls: b, broken: b } },
            ],
          },
        ],
      }) as unknown as ProxyState
    const endpoints = (a: number, b: number, nowMs: number) =>
      maker.next(stateAt(a, b), [], nowMs, 5).backends[0]!.endpoints
    t.match(endpoints(100, 100, 0), [{ perSecond: 0 }, { perSecond: 0 }])
    t.notOk('share' in endpoints(100, 100, 500)[0]!)
    t.match(endpoints(130, 110, 1_500), [
      { share: 0.75, perSecond: 30, brokenPerSecond: 0 },
      { share: 0.25, perSecond: 10, brokenPerSecond: 10 },
    ])
    for (let i = 0; i < 10; i++) endpoints(130, 110, 2_500 + i * 1_000)
    t.match(endpoints(130, 120, 20_000), [{ share: 0 }, { share: 1 }])
    maker.forget()
    t.match(endpoints(500, 500, 30_000), [{ perSecond: 0 }, { perSecond: 0 }])
    t.ok(OVERVIEW_STATE.mostCalls! > 0)
  },
)
