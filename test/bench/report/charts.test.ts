import fc from 'fast-check'
import t from 'tap'
import { type Figure, figuresOf } from '../../../bench/report/figures.ts'
import { looksOf } from '../../../bench/report/palette.ts'
import type { RunRecord } from '../../../bench/report/record.ts'
import { headlinesOf, kindOf, numberText, subjectsOf, valuesOf } from '../../../bench/report/rows.ts'
import { logAxis, spreadLabels } from '../../../src/bench/axes.ts'
import { wrapText } from '../../../src/bench/columns.ts'
import { loadDraw } from '../../../src/bench/draw.ts'
import { smallRun, syntheticRun, TRAITS } from './synthetic-run.ts'

const run = syntheticRun()
const figures = await figuresOf(run)

/** What each mark of a chart says to those who cannot see it. */
function marksOf({ svg }: Figure): string[] {
  return [...svg.matchAll(/aria-label="([^"]*)" role="graphics-symbol"/g)].map(match => match[1]!)
}

function textsOf({ svg }: Figure): string[] {
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(match => match[1]!)
}

function figure(id: string, of: readonly Figure[] = figures): Figure {
  return of.find(other => other.id === id)!
}

t.test('a run has these charts, each with its unit and its direction', async t => {
  t.same(
    figures.map(({ id, title }) => [id, title]),
    [
      ['cpu-a-call', 'CPU a call, µs (less is better)'],
      ['cpu-a-gb', 'CPU a GB, ms (less is better)'],
      ['calls-s', 'Calls/s (more is better)'],
      ['mb-s', 'MB/s (more is better)'],
      ['latency', 'Latency by percentile, µs (less is better)'],
      ['memory-a-connection', 'Memory a connection, KiB (less is better)'],
      ['memory', 'Memory, MiB (less is better)'],
      ['growth-cost', 'How CPU grows (less is better)'],
      ['growth-latency', 'How tail latency grows (less is better)'],
      ['growth-memory', 'How memory grows (less is better)'],
    ],
  )
  for (const { svg, title } of figures) {
    t.ok(svg.includes(`>${title}</text>`), title)
    t.match(svg, /<rect width="\d+" height="\d+" fill="#ffffff"\/>/, 'white behind, for dark pages')
    t.notMatch(svg, /NaN|Infinity|undefined|<script|href=/)
  }
})

t.test('cost and throughput: every round of every subject, and every median', async t => {
  for (const id of ['cpu-a-call', 'calls-s']) {
    const marks = new Set(marksOf(figure(id)))
    const texts = textsOf(figure(id))
    const scenarios = run.scenarios.filter(({ curve }) => curve === undefined || curve.name === 'streams')
    let rounds = 0
    for (const scenario of scenarios) {
      const metric = headlinesOf(scenario).find(({ name }) => name === (id === 'calls-s' ? 'calls/s' : 'CPU a call'))
      if (metric === undefined) continue
      const head = id === 'calls-s' ? 'calls/s' : 'CPU a call, µs'
      for (const { subject, samples } of scenario.entries) {
        for (const value of valuesOf(samples, metric)) {
          const said = `${subject} in ${scenario.name}: ${head}, a round ${numberText(value, metric.digits)}`
          if (!marks.has(said)) t.fail(`no mark for ${said}`)
          rounds++
        }
        if (samples.length === 0 || valuesOf(samples, metric).length === 0) continue
        t.ok(texts.includes(subject))
        t.ok([...marks].some(mark => mark.startsWith(`${subject} in ${scenario.name}: ${head}, median `)))
      }
    }
    t.ok(rounds > 250, `${rounds} rounds looked at`)
  }
})

t.test('a subject that failed is FAILED, and has no mark', async t => {
  const bulk = figure('cpu-a-gb')
  t.ok(textsOf(bulk).includes('grpc-js'))
  t.equal(textsOf(bulk).filter(text => text === 'FAILED').length, 1)
  t.notOk(marksOf(bulk).some(mark => mark.startsWith('grpc-js')))
  const failing = mapEntries(run, (entry, scenario) =>
    entry.subject === 'envoy' && /latency|connections-1000/.test(scenario)
      ? { ...entry, samples: [], failure: 'dropped' }
      : entry,
  )
  const drawn = await figuresOf(failing)
  t.ok(textsOf(figure('growth-cost', drawn)).includes('FAILED: envoy at 1000'))
  t.ok(textsOf(figure('latency', drawn)).includes('FAILED: envoy'))
  t.notOk(
    marksOf(figure('latency', drawn)).some(mark => mark.startsWith('envoy')),
    'though a histogram is there',
  )
})

t.test('latency: a curve a subject, with its percentiles as far as ten calls lie above', async t => {
  const marks = marksOf(figure('latency'))
  for (const subject of ['direct', 'frames', 'nghttpx', 'haproxy', 'nginx', 'envoy', 'grpc-proxy']) {
    t.same(
      marks.filter(mark => mark.startsWith(`${subject}: `)).map(mark => mark.replace(/.*: (.*) % of.*/, '$1')),
      ['50', '90', '99', '99.9', '99.99'],
      subject,
    )
  }
  const texts = textsOf(figure('latency'))
  for (const percent of ['50 %', '90 %', '99 %', '99.9 %', '99.99 %']) t.ok(texts.includes(percent), percent)
})

t.test('growth: a panel a curve, a mark a point', async t => {
  const marks = marksOf(figure('growth-cost'))
  const points = run.scenarios.filter(({ curve }) => curve !== undefined)
  t.equal(marks.length, points.length * Object.keys(TRAITS).length)
  const texts = textsOf(figure('growth-cost'))
  for (const text of [
    'connections',
    'message size',
    'routes',
    '1,000',
    '64 B',
    '256 KiB',
    'small unary call, N routes',
    'streams a connection',
    'small unary call, 10 connections × N',
  ]) {
    t.ok(texts.includes(text), text)
  }
})

t.test('a subject looks the same in all charts, and nobody looks like another', async t => {
  const subjects = subjectsOf(run)
  const looks = looksOf(subjects)
  t.equal(
    new Set([...looks.values()].map(({ colour, shape, dash }) => `${colour} ${shape} ${dash}`)).size,
    subjects.length,
  )
  t.same(looksOf([...subjects].reverse()).get('frames'), looks.get('frames'))
  t.ok(figure('latency').svg.includes(`fill="${looks.get('frames')!.colour}"`))
  t.ok(figure('mb-s').svg.includes(`fill="${looks.get('frames')!.colour}"`))
  const many = Array.from({ length: 30 }, (_, i) => ({ name: `tree-${i}`, title: '', kind: 'ours' as const }))
  t.equal(looksOf(many).size, 30, 'more than there are colours: the first comes again')
  t.ok(looksOf([{ name: '__proto__', title: '', kind: 'peer' }]).get('__proto__')!.colour)
})

t.test('a run without numbers has no charts', async t => {
  t.same(await figuresOf(smallRun({ scenarios: [] })), [])
  const failed = mapEntries(smallRun(), ({ subject }) => ({ subject, samples: [], failure: 'dropped' }))
  t.same(await figuresOf(failed), [])
})

t.test('names are text in a chart, whatever they are', async t => {
  const name = '<script>alert("1")</script>&'
  const [{ svg } = { svg: '' }] = await figuresOf(
    mapEntries(smallRun(), entry => (entry.subject === 'frames' ? { ...entry, subject: name } : entry)),
  )
  t.notMatch(svg, /<script/)
  t.match(svg, /&lt;script&gt;/)
})

t.test('what vega-lite does not understand is an error, not a gap', async t => {
  const spec = {
    data: { values: [{ a: 1 }] },
    mark: 'bar',
    encoding: { x: { field: 'a', type: 'quantitative' }, nose: {} },
  }
  const draw = await loadDraw()
  await t.rejects(draw(spec, 'x'), { message: /^vega-lite: .*nose/ })
})

t.test('ticks lie within the axis; zero and less are not on it', async t => {
  t.same(logAxis([]), { domain: [1, 10], ticks: [1, 10] })
  const { domain, ticks } = logAxis([0, 5, 90])
  t.ok(domain[0] > 4 && domain[0] < 5 && domain[1] > 90 && domain[1] < 120)
  t.same(ticks, [5, 10, 20, 50, 100])
  t.same(logAxis([1, 1e6]).ticks, [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000])
})

t.test('labels keep their order and their distance, and stay inside while they fit', async () => {
  const values = fc.array(fc.double({ min: 1, max: 1_000, noNaN: true }), { minLength: 1, maxLength: 15 })
  fc.assert(
    fc.property(values, of => {
      const axis = { domain: [1, 1_000], ticks: [] } as const
      const px = spreadLabels(of, axis, 240, 13).map(value => (240 * Math.log(value)) / Math.log(1_000))
      const order = of.map((_, i) => i).sort((i, j) => of[i]! - of[j]!)
      return order.every((index, i) => {
        const place = px[index]!
        return place >= -1e-6 && place <= 240 + 1e-6 && (i === 0 || place - px[order[i - 1]!]! >= 13 - 1e-6)
      })
    }),
  )
})

t.test('texts break at spaces', async t => {
  t.same(wrapText('one two three', 8), ['one two', 'three'])
  t.same(wrapText('averylongword', 3), ['averylongword'])
})

t.test('kinds of metrics', async t => {
  const kind = (name: string, unit: string, better?: 'less' | 'more') => kindOf({ name, unit, digits: 0, better })
  t.equal(kind('CPU a GB', 'ms', 'less'), 'cost')
  t.equal(kind('MB/s', 'MB/s', 'more'), 'rate')
  t.equal(kind('p99.9', 'µs', 'less'), 'latency')
  t.equal(kind('peak memory', 'MiB', 'less'), 'memory')
  t.equal(kind('user a call', 'µs', 'less'), 'other')
  t.equal(kind('rate', '/s'), 'other')
})

type Entry = RunRecord['scenarios'][number]['entries'][number]

function mapEntries(of: RunRecord, change: (entry: Entry, scenario: string) => Entry): RunRecord {
  return {
    ...of,
    scenarios: of.scenarios.map(scenario => ({
      ...scenario,
      entries: scenario.entries.map(entry => change(entry, scenario.name)),
    })),
  }
}
