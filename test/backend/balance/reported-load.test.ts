/** Weights by what endpoints report of their load: gRFC A58's numbers, when they hold, and reports that lie. */
import protobuf from 'protobufjs'
import t from 'tap'
import { DEFAULTS } from '../../../src/backend/balance/kinds.ts'
import { ReportedLoad } from '../../../src/backend/balance/reported-load.ts'
import type { Outcome } from '../../../src/backend/outcome.ts'
import { block } from '../../support/fake-transport.ts'
import { BalancerRig } from './fake-endpoints.ts'

const { root } = protobuf.parse(`
  syntax = "proto3";
  message OrcaLoadReport {
    double cpu_utilization = 1;
    double rps_fractional = 6;
    double eps = 7;
    double application_utilization = 9;
  }`)
const OrcaLoadReport = root.lookupType('OrcaLoadReport')

interface Report {
  readonly cpuUtilization?: number
  readonly applicationUtilization?: number
  readonly rpsFractional?: number
  readonly eps?: number
}

function trailers(report: Report | string): NonNullable<Outcome['trailers']> {
  const text =
    typeof report === 'string' ? report : Buffer.from(OrcaLoadReport.encode(report).finish()).toString('base64')
  return block({ 'grpc-status': '0', 'endpoint-load-metrics-bin': text })
}

const SETTINGS = DEFAULTS['weighted-round-robin']
/** Each report is read. */
const EACH = { ...SETTINGS, updateMs: 0, blackoutMs: 0 }

/** The calls of each endpoint are answered with its report. */
function serve(
  rig: BalancerRig,
  calls: number,
  reports: readonly (Report | string | undefined)[],
  gapMs = 1,
): number[] {
  const counts = rig.endpoints.map(() => 0)
  for (let i = 0; i < calls; i++) {
    const call = rig.call()
    const at = rig.endpoints.indexOf(call.endpoint)
    counts[at]!++
    rig.clock.advance(gapMs)
    const report = reports[at]
    rig.end(call, report === undefined ? {} : { trailers: trailers(report) })
  }
  return counts
}

const near = (counts: readonly number[], parts: readonly number[], within = 2) =>
  counts.every((count, i) => Math.abs(count - parts[i]!) <= within)

t.test('calls a second for each part of the load, as gRFC A58 has it', async t => {
  for (const [report, penalty, weight] of [
    [{ cpuUtilization: 0.5, rpsFractional: 100 }, 1, 200],
    [{ cpuUtilization: 0.5, applicationUtilization: 0.8, rpsFractional: 100 }, 1, 125],
    [{ cpuUtilization: 0.5, rpsFractional: 100, eps: 50 }, 1, 100],
    [{ cpuUtilization: 0.5, rpsFractional: 100, eps: 50 }, 0, 200],
    [{ cpuUtilization: 1.6, rpsFractional: 100, eps: 0 }, 1, 62.5],
    [{ cpuUtilization: 0, rpsFractional: 100 }, 1, undefined],
    [{ cpuUtilization: 0.5, rpsFractional: 0 }, 1, undefined],
    [{ cpuUtilization: 5e-324, rpsFractional: 1e308 }, 1, undefined],
    [{ cpuUtilization: 1e308, rpsFractional: 1e-300 }, 1, undefined],
    [{ cpuUtilization: 1, rpsFractional: 5e-324, eps: 1e308 }, 1, undefined],
  ] as const) {
    const faults: string[] = []
    const load = new ReportedLoad({ ...EACH, errorPenalty: penalty }, fault => faults.push(fault))
    load.onEnd({ by: 'backend', trailers: trailers(report), endMs: 5 } as Outcome)
    t.same([load.weightAt(5), faults], [weight, []], JSON.stringify(report))
  }
})

t.test('only a backend reports', async t => {
  const load = new ReportedLoad(EACH, () => t.fail('it is read'))
  const report = trailers({ cpuUtilization: 1, rpsFractional: 1 })
  load.onEnd({ by: 'client', trailers: report, endMs: 5 } as Outcome)
  load.onEnd({ by: 'backend', trailers: undefined, endMs: 5 } as Outcome)
  load.onEnd({ by: 'backend', trailers: block({ 'grpc-status': '0' }), endMs: 5 } as Outcome)
  t.equal(load.weightAt(5), undefined)
})

t.test('a weight holds after the blackout, until it expires, and then the blackout begins anew', async t => {
  const load = new ReportedLoad(SETTINGS, () => t.fail('it can be read'))
  const report = (endMs: number, rpsFractional: number) =>
    load.onEnd({ by: 'backend', trailers: trailers({ cpuUtilization: 1, rpsFractional }), endMs } as Outcome)
  report(1_000, 10)
  report(10_000, 20)
  t.equal(load.weightAt(10_999), undefined)
  t.equal(load.weightAt(11_000), 20)
  report(11_000, 30)
  t.equal(load.weightAt(11_000 + 179_999), 30)
  t.equal(load.weightAt(11_000 + 180_000), undefined)
  report(300_000, 40)
  t.equal(load.weightAt(300_000), undefined)
  t.equal(load.weightAt(310_000), 40)
})

t.test('turns follow what is reported, after the blackout and with each update', async t => {
  const rig = new BalancerRig('weighted-round-robin', [1, 1, 1])
  const reports = [300, 200, 100].map(rpsFractional => ({ cpuUtilization: 0.5, rpsFractional }))
  t.ok(near(serve(rig, 9_000, reports), [3_000, 3_000, 3_000]), 'the same before')
  rig.clock.advance(2_000)
  t.ok(near(serve(rig, 6_000, reports), [3_000, 2_000, 1_000]), 'by weight then')
  const changed = [100, 100, 100].map(rpsFractional => ({ cpuUtilization: 0.5, rpsFractional }))
  serve(rig, 1_001, changed)
  t.ok(near(serve(rig, 3_000, changed), [1_000, 1_000, 1_000]), 'and by what it is now')
  rig.rebuild()
  const again = reports
  serve(rig, 1_001, again)
  rig.rebuild()
  t.ok(near(serve(rig, 6_000, again), [3_000, 2_000, 1_000]), 'a list that is made anew has no blackout')
})

t.test('one without a report counts as the mean; with fewer than two reports all are alike', async t => {
  const rig = new BalancerRig({ ...SETTINGS, blackoutMs: 0 }, [1, 1, 1])
  const some = [{ cpuUtilization: 0.5, rpsFractional: 300 }, { cpuUtilization: 0.5, rpsFractional: 100 }, undefined]
  serve(rig, 2_000, some)
  t.ok(near(serve(rig, 6_000, some), [3_000, 1_000, 2_000]))
  const one = new BalancerRig({ ...SETTINGS, blackoutMs: 0 }, [1, 1, 1])
  serve(one, 2_000, [some[0], undefined, undefined])
  t.ok(near(serve(one, 3_000, [some[0], undefined, undefined]), [1_000, 1_000, 1_000]))
})

t.test('the weight of the configuration counts besides', async t => {
  const rig = new BalancerRig({ ...SETTINGS, blackoutMs: 0 }, [2, 1])
  const reports = [100, 100].map(rpsFractional => ({ cpuUtilization: 0.5, rpsFractional }))
  serve(rig, 2_000, reports)
  t.ok(near(serve(rig, 3_000, reports), [2_000, 1_000]))
})

t.test('a report that says far too much or too little is worth ten times the mean, or a tenth of it', async t => {
  const rig = new BalancerRig({ ...SETTINGS, blackoutMs: 0 }, new Array<number>(40).fill(1))
  const reports = rig.endpoints.map((_, i) => ({ cpuUtilization: 0.5, rpsFractional: i === 0 ? 1e300 : 100 }))
  serve(rig, 4_000, reports)
  const [liar, ...others] = serve(rig, 13_900, reports)
  // The mean is a fortieth of what the liar says: it has 10, and the others a tenth each.
  t.ok(near([liar!], [(13_900 * 10) / 13.9]), `${liar}`)
  t.ok(near(others, new Array<number>(39).fill(100)))
})

t.test('what cannot be read is ignored, and what was there before holds', async t => {
  const faults: string[] = []
  const load = new ReportedLoad(EACH, fault => faults.push(fault))
  load.onEnd({ by: 'backend', trailers: trailers({ cpuUtilization: 1, rpsFractional: 7 }), endMs: 1 } as Outcome)
  for (const text of ['!', 'CQ', 'A'.repeat(2 ** 20)])
    load.onEnd({ by: 'backend', trailers: trailers(text), endMs: 2 } as Outcome)
  load.onEnd({ by: 'backend', trailers: trailers({ cpuUtilization: Number.NaN }), endMs: 2 } as Outcome)
  t.same(faults, ['it is not base64', 'it is no protobuf message', 'it is too long', 'a number is not possible'])
  t.equal(load.weightAt(2), 7)
})

t.test('a report for each call: one is read in a tenth of the time between updates', async t => {
  const faults: string[] = []
  const load = new ReportedLoad(SETTINGS, fault => faults.push(fault))
  for (let endMs = 0; endMs < 1_000; endMs++) load.onEnd({ by: 'backend', trailers: trailers('!'), endMs } as Outcome)
  t.equal(faults.length, 10)
})
