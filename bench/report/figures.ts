/** All charts that a run has numbers for. */
import { loadDraw, type Spec } from '../../src/bench/draw.ts'
import { type LatencyPanel, latencySpec } from '../../src/bench/lines.ts'
import { growthSpec } from './growth.ts'
import { looksOf } from './palette.ts'
import { type Panel, panelsSpec } from './panels.ts'
import type { Metric, RunRecord, ScenarioRecord } from './record.ts'
import { failedOf, headlinesOf, headOf, kindOf, type MetricKind, subjectsOf } from './rows.ts'
import { distinct, sameMetric } from './table.ts'

export interface Figure {
  /** The name of its file: `cost-a-call`. */
  readonly id: string
  readonly title: string
  readonly svg: string
}

const ROUNDS = 'A faint dot is a round; the mark and the number beside it are the median.'

/** The charts in the order of a page. */
export async function figuresOf(run: RunRecord): Promise<Figure[]> {
  const looks = looksOf(subjectsOf(run))
  const single = run.scenarios.filter(scenario => !isOnlyPoint(scenario))
  const curves = run.scenarios.filter(({ curve }) => curve !== undefined)
  const planned: { id: string; title: string; spec: Spec }[] = []
  const plan = (id: string, title: string, subtitle: string, specOf: (style: Style) => Spec): void => {
    planned.push({ id, title, spec: specOf({ looks, title, subtitle }) })
  }
  const panels = (kind: MetricKind, style: 'points' | 'bars', subtitle: string): void => {
    for (const metric of distinct(single.flatMap(headlinesOf).filter(of => kindOf(of) === kind))) {
      const drawn = panelsOf(single, metric)
      plan(idOf(metric.name), `${capital(headOf(metric))} (${metric.better} is better)`, subtitle, of =>
        panelsSpec(drawn, { ...of, kind: style }),
      )
    }
  }
  panels('cost', 'points', `User and system time of the subject's whole process tree. Log axis. ${ROUNDS}`)
  panels('rate', 'bars', `The rule is least to most of the rounds. ${ROUNDS.replace('the mark', 'the bar')}`)
  const timed = latencyScenarios(single)
  if (timed.length > 0) {
    const subtitle = 'All rounds together, log axes; marks are at the percentiles that the axis names.'
    plan('latency', 'Latency by percentile, µs (less is better)', subtitle, of =>
      latencySpec(timed.map(latencyPanel), of),
    )
  }
  panels(
    'memory',
    'bars',
    `Resident memory of the process tree. The rule is least to most of the rounds. ${ROUNDS.replace('the mark', 'the bar')}`,
  )
  for (const [kind, id, title] of GROWTHS) {
    const metricOf = (scenario: ScenarioRecord): Metric | undefined =>
      (kind === 'memory' ? scenario.metrics : headlinesOf(scenario)).find(metric => kindOf(metric) === kind)
    const drawn = curves.filter(scenario => metricOf(scenario) !== undefined)
    if (drawn.length === 0) continue
    const subtitle = 'Log axes. A mark is the median of the rounds, the band what they spread over.'
    plan(id, `${title} (less is better)`, subtitle, of => growthSpec(drawn, metricOf, of))
  }
  const draw = await loadDraw()
  return await Promise.all(planned.map(async ({ id, title, spec }) => ({ id, title, svg: await draw(spec, title) })))
}

interface Style {
  readonly looks: ReturnType<typeof looksOf>
  readonly title: string
  readonly subtitle: string
}

const NO_METRIC: Metric = { name: '', unit: '', digits: 0 }

const GROWTHS: readonly (readonly [kind: MetricKind, id: string, title: string])[] = [
  ['cost', 'growth-cost', 'How CPU grows'],
  ['latency', 'growth-latency', 'How tail latency grows'],
  ['memory', 'growth-memory', 'How memory grows'],
]

/** Whether a scenario is only a point of its curve, as `connections-10` and `size-1k` are. `m10` is more than that. */
function isOnlyPoint({ name, curve }: ScenarioRecord): boolean {
  if (curve === undefined) return false
  const words = curve.name.split(' ')
  return name.startsWith(`${words.join('-')}-`) || name.startsWith(`${words.at(-1)}-`)
}

function panelsOf(scenarios: readonly ScenarioRecord[], metric: Metric): Panel[] {
  return scenarios.flatMap(scenario => {
    const own = headlinesOf(scenario).find(other => sameMetric(other, metric))
    return own === undefined ? [] : [{ scenario, metric: own }]
  })
}

/** The scenarios about latency, or else all that measured it. */
function latencyScenarios(scenarios: readonly ScenarioRecord[]): ScenarioRecord[] {
  const measured = scenarios.filter(({ entries }) => entries.some(({ histogram }) => histogram !== undefined))
  const about = measured.filter(scenario => kindOf(headlinesOf(scenario)[0] ?? NO_METRIC) === 'latency')
  return about.length > 0 ? about : measured
}

function latencyPanel(scenario: ScenarioRecord): LatencyPanel {
  const { name, title, entries } = scenario
  const curves = entries.flatMap(({ subject, histogram, failure }) =>
    histogram === undefined || failure !== undefined ? [] : [{ subject, histogram }],
  )
  return { name, title, curves, failed: failedOf(scenario) }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function idOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
}
