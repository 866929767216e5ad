import t from 'tap'
import type { Entry, Metric } from '../../../bench/report/record.ts'
import { headlinesOf, rowsOf, subjectsOf } from '../../../bench/report/rows.ts'
import { leftOutLines, missingLines, summaryOf, tableOf } from '../../../bench/report/table.ts'
import { smallRun, syntheticRun } from './synthetic-run.ts'

t.test('a scenario: medians, spread, ratios by round; whoever failed has no number', async t => {
  const run = smallRun()
  t.equal(
    tableOf(run.scenarios[0]!, run.base),
    `m10: small unary call
             CPU a call, µs; nghttpx = 1         calls/s; nghttpx = 1
    direct                             –  92,000 (90,000–94,000) 1.49
    frames          8.2   (8.0–8.4) 0.50  62,000 (60,000–64,000) 0.98
    nghttpx        16.4 (16.0–16.8) 1.00  62,000 (60,000–64,000) 1.00
  medians of the rest
             busy, %
    direct         –
    frames        98
    nghttpx       98
    broken   FAILED: of 100 calls 1 ended with grpc-status 13`,
  )
})

t.test('the summary: what is beyond the noise, what is not, and what was not measured', async t => {
  const run = smallRun({
    missing: [{ name: 'nginx', install: 'apt-get install nginx-light' }],
    leftOut: [{ what: 'envoy in m10', why: 'no HTTP/2 there' }],
  })
  t.equal(
    summaryOf(run),
    `CPU a call, µs: ratios to nghttpx, less is better
         frames  nghttpx  broken
    m10   0.50     1.00   FAILED

~ no difference shown   ? not enough rounds to show one   (rank test of Mann and Whitney; of the differences shown
about one in twenty may be chance)

FAILED: broken in m10: of 100 calls 1 ended with grpc-status 13
Missing: nginx; apt-get install nginx-light
Left out: envoy in m10: no HTTP/2 there`,
  )
  const { scenarios } = smallRun()
  const first = scenarios[0]!
  const same = { ...first, entries: first.entries.map(entry => ({ ...entry, samples: first.entries[1]!.samples })) }
  t.match(summaryOf({ ...run, scenarios: [same] }), /m10 .* 1\.00~ +1\.00 /)
  const short = { ...first, entries: first.entries.map(({ samples, ...of }) => ({ ...of, samples: samples.slice(2) })) }
  t.match(summaryOf({ ...run, scenarios: [short] }), /m10 .* 0\.50\? +1\.00 /)
})

t.test('columns that do not fit go below, with the names again; no line is longer than a terminal', async t => {
  const text = summaryOf(syntheticRun())
  for (const line of text.split('\n')) t.ok(line.length <= 120, line)
  t.equal(text.match(/^ {4}m100 /gm)!.length, 2)
  t.match(text, /bulk .*FAILED/)
})

t.test('a scenario in which all failed is a table of failures', async t => {
  const run = smallRun()
  const scenario = { ...run.scenarios[0]!, entries: [run.scenarios[0]!.entries[3]!] }
  t.equal(
    tableOf(scenario, 'nghttpx'),
    'm10: small unary call\n    broken  FAILED: of 100 calls 1 ended with grpc-status 13',
  )
  t.match(summaryOf({ ...run, scenarios: [scenario] }), /^FAILED: broken in m10/)
})

const METRIC: Metric = { name: 'x', unit: '', digits: 0, better: 'less' }

t.test('ratios are of the same round, and only where both have it', async t => {
  const entries: Entry[] = [
    { subject: 'a', samples: [{ x: 10 }, {}, { x: 30 }] },
    { subject: 'b', samples: [{ x: 20 }, { x: 5 }, { x: 90 }] },
  ]
  t.same(rowsOf(METRIC, entries, 'a')[1], {
    subject: 'b',
    values: [20, 5, 90],
    value: { median: 20, least: 5, most: 90 },
    ratio: { median: 2.5, least: 2, most: 3 },
  })
  t.equal(rowsOf({ ...METRIC, base: 'nobody' }, entries, 'a')[1]!.ratio, undefined, "the metric's own base counts")
  t.equal(rowsOf({ ...METRIC, better: undefined }, entries, 'a')[1]!.ratio, undefined, 'nothing to compare')
  t.equal(rowsOf(METRIC, [{ subject: 'a', samples: [{ x: 0 }] }], 'a')[0]!.ratio, undefined, 'not divided by zero')
  const failed = [{ subject: 'a', samples: [{ x: 1 }], failure: 'dropped calls' }]
  t.same(rowsOf(METRIC, failed, 'a'), [], 'whoever failed has no row, even with samples')
})

t.test('headlines are what a scenario is about, and not its parts', async t => {
  const { scenarios } = syntheticRun()
  const heads = (name: string) => headlinesOf(scenarios.find(one => one.name === name)!).map(metric => metric.name)
  t.same(heads('m10'), ['CPU a call', 'calls/s', 'p99'])
  t.same(heads('latency'), ['p50', 'p99', 'CPU a call'])
  t.same(heads('idle'), ['memory a connection', 'memory'])
})

t.test('who took part: as the record says, or by the entries', async t => {
  const run = smallRun()
  t.same(
    subjectsOf(run).map(({ name, kind }) => [name, kind]),
    [
      ['direct', 'floor'],
      ['frames', 'ours'],
      ['nghttpx', 'peer'],
      ['broken', 'peer'],
    ],
  )
  const subjects = [
    { name: 'broken', title: 'a thing', kind: 'ours' },
    { name: 'absent', title: 'not there', kind: 'peer' },
  ] as const
  t.same(
    subjectsOf({ ...run, subjects }).map(({ name }) => name),
    ['broken', 'direct', 'frames', 'nghttpx'],
  )
})

t.test('what is missing comes with the line that installs it', async t => {
  t.same(missingLines([{ name: 'a', install: 'get a' }]), ['Missing: a; get a'])
  t.same(leftOutLines([{ what: 'b', why: 'no b' }]), ['Left out: b: no b'])
})
