import t from 'tap'
import { figuresOf } from '../../../bench/report/figures.ts'
import { pageOf } from '../../../bench/report/page.ts'
import type { RunRecord } from '../../../bench/report/record.ts'
import { summaryOf } from '../../../bench/report/table.ts'
import { againstSubject } from '../../../bench/report/verdicts.ts'
import { smallRun, syntheticRun } from './synthetic-run.ts'

const run = syntheticRun()
const page = pageOf(run, await figuresOf(run))

/** Without tags, spaces as one. */
function textOf(html: string): string {
  return html
    .replace(/<style>.*<\/style>/s, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
}

function between(html: string, start: string, end: string): string {
  const from = html.indexOf(start)
  return html.slice(from, html.indexOf(end, from + start.length))
}

t.test('the page needs nothing else', async t => {
  t.notMatch(page, /<script|<link|<img|<iframe|@import|\bsrc=|\bhref="[^#]|url\(/)
  const addresses = [...page.matchAll(/\b\w+:\/\/[^\s"'<)]+/g)].map(match => match[0])
  t.same(
    [...new Set(addresses)],
    ['http://www.w3.org/2000/svg', 'http://www.w3.org/1999/xlink'],
    'names, not addresses',
  )
})

t.test('it says when, where, what, and how to repeat it', async t => {
  const text = textOf(page)
  for (const fact of [
    '2026-01-02T03:04:05.000Z',
    'Example CPU @ 2.00GHz, 2 cores, 8.0 GiB',
    'Linux 6.1.0-example',
    'Node v26.0.0, h2load nghttp2/1.52.0',
    'nghttpx peer nghttpx 1.52.0',
    'tcp-relay floor: no gRPC proxy',
    'abc1234',
    'npm run bench -- --rounds 5 --seconds 4',
    'for 5 rounds of about 4 s',
    'ghz; to install: go install github.com/bojand/ghz/cmd/ghz@latest',
    'grpc-js in latency: carries at most 3,100 calls/s, and latency has 38,000',
  ]) {
    t.ok(text.includes(fact), fact)
  }
  t.equal(page.match(/<figure /g)!.length, 10)
  t.notMatch(text, /undefined|NaN|\[object/)
})

t.test('a machine where nothing was pinned, or without a revision, is said to be so', async t => {
  const text = textOf(pageOf(smallRun({ revision: undefined, machine: { ...run.machine, pinned: false } }), []))
  t.match(text, /Nothing was pinned to a core of its own/)
  t.match(text, /unknown: not a repository/)
  t.notMatch(text, /alone on one core|NOT ALONE/)
  const [scenario] = smallRun().scenarios
  const entries = scenario!.entries.map(({ samples, ...of }) => ({
    ...of,
    samples: samples.map((sample, i) => ({ ...sample, foreign: i === 0 ? 5 : 40 + i })),
  }))
  const loud = smallRun({ scenarios: [{ ...scenario!, entries }] })
  const warning = "NOT ALONE: others had more than 10 % of a subject's core in m10 (42 %). Measure again"
  t.ok(textOf(pageOf(loud, [])).replaceAll('&#39;', "'").includes(warning))
  t.ok(summaryOf(loud).includes(warning))
})

t.test('where a peer is better, it says so, by the numbers', async t => {
  const peers = textOf(between(page, 'Where a peer is better than frames', 'Where frames is better than a peer'))
  t.match(peers, /nghttpx: 2 .* bulk CPU a GB, ms 826 1,092 0\.76 \(\d\.\d\d–\d\.\d\d\) 0\.0\d\d/)
  t.notMatch(peers, /tcp-relay|direct|native/, 'floors and our own are no peers')
  const ours = textOf(between(page, 'Where frames is better than a peer', '<h2>Charts'))
  t.match(ours, /haproxy: \d+ .* m100 CPU a call, µs/)
  const shown = againstSubject(run, 'frames').filter(
    ({ subject, outcome }) => subject === 'nghttpx' && outcome === 'worse',
  )
  t.ok(ours.includes(`nghttpx: ${shown.length} `))
})

t.test('the lists follow the data, not the names', async t => {
  const small = smallRun()
  const exchanged: RunRecord = {
    ...small,
    scenarios: small.scenarios.map(scenario => ({
      ...scenario,
      entries: scenario.entries.map(entry => ({
        ...entry,
        subject: { frames: 'nghttpx', nghttpx: 'frames' }[entry.subject] ?? entry.subject,
      })),
    })),
  }
  const peerBetter = (of: RunRecord) =>
    textOf(between(pageOf(of, []), 'Where a peer is better than frames', 'Where frames is better'))
  t.match(peerBetter(small), /0 are better, 1 worse, 1 show no difference\. None shown in this run\./)
  t.match(
    peerBetter(exchanged),
    /1 are better, 0 worse, 1 show no difference\. nghttpx: 1 .* m10 CPU a call, µs 8\.2 16\.4/,
  )
  const few = {
    ...small,
    scenarios: small.scenarios.map(scenario => ({ ...scenario, entries: cut(scenario.entries, 3) })),
  }
  t.match(peerBetter(few), /0 are better, 0 worse, 0 show no difference, and 2 had not enough rounds/)
})

function cut(entries: RunRecord['scenarios'][number]['entries'], rounds: number) {
  return entries.map(entry => ({ ...entry, samples: entry.samples.slice(0, rounds) }))
}

t.test('a table has medians, spread, ratios and what the test said', async t => {
  const text = textOf(pageOf(smallRun(), []))
  t.match(
    text,
    /frames 8\.2 \(8\.0–8\.4\) 0\.50 \(0\.50–0\.50\) p 0\.\d+ 62,000 \(60,000–64,000\) 0\.98 \(0\.98–1\.03\) no difference/,
  )
  t.match(text, /broken FAILED : of 100 calls 1 ended with grpc-status 13/)
  t.match(text, /FAILED broken in m10: of 100 calls/)
})

t.test('names and texts from outside are text', async t => {
  const bad = `<img src=x onerror="alert('1')">&`
  const small = smallRun()
  const scenario = small.scenarios[0]!
  const hostile: RunRecord = {
    ...small,
    command: bad,
    revision: bad,
    base: bad,
    machine: { ...small.machine, cpu: bad, system: bad },
    versions: { [bad]: bad },
    missing: [{ name: bad, install: bad }],
    leftOut: [{ what: bad, why: bad }],
    subjects: [{ name: bad, title: bad, kind: 'peer' }],
    scenarios: [
      {
        ...scenario,
        name: bad,
        title: bad,
        metrics: scenario.metrics.map(metric => ({ ...metric, unit: bad })),
        entries: [
          { ...scenario.entries[1]!, subject: 'frames' },
          { ...scenario.entries[2]!, subject: bad },
          { subject: 'other', samples: [], failure: bad },
        ],
      },
    ],
  }
  const html = pageOf(hostile, await figuresOf(hostile))
  t.notMatch(html, /<img/)
  t.ok(html.match(/&lt;img src=x onerror=&quot;alert\(&#39;1&#39;\)&quot;&gt;&amp;/g)!.length > 12)
})
