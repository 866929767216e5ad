/** Charts of growth: each curve has a panel, and each subject a line. */
import type { Spec } from '../../src/bench/draw.ts'
import { type LinePanel, type LineStyle, linesSpec, type Point } from '../../src/bench/lines.ts'
import { spread } from '../measure/statistics.ts'
import type { Metric, ScenarioRecord } from './record.ts'
import { failedOf, headOf, numberText, valuesOf } from './rows.ts'

/** One panel for each curve: medians are marks on a line, and the range of the rounds is a band. */
export function growthSpec(scenarios: readonly ScenarioRecord[], metricOf: MetricOf, style: LineStyle): Spec {
  const names = [...new Set(scenarios.map(({ curve }) => curve!.name))]
  const panels = names.map((name): LinePanel => {
    const points = scenarios.filter(({ curve }) => curve!.name === name).sort((a, b) => a.curve!.at - b.curve!.at)
    const { unit } = points[0]!.curve!
    const ats = points.map(({ curve }) => curve!.at)
    const log = ats[0]! > 0 && ats.at(-1)! / ats[0]! >= 8
    const bytes = /^bytes\b/.test(unit)
    return {
      name,
      title: titleOf(points),
      xScale: log ? { type: 'log', nice: false } : { zero: false, nice: false },
      xAxis: {
        title: unit === 'bytes' ? null : unit,
        values: ats,
        format: ',.6~g',
        labelOverlap: true,
        labelFlush: false,
        ...(bytes
          ? { labelExpr: `${JSON.stringify(Object.fromEntries(ats.map(at => [at, bytesText(at)])))}[datum.value]` }
          : {}),
      },
      yTitle: headOf(metricOf(points[0]!)!),
      points: points.flatMap(scenario => growthPoints(scenario, metricOf)),
      failed: points.flatMap(scenario => failedOf(scenario).map(subject => `${subject} at ${scenario.curve!.at}`)),
    }
  })
  return linesSpec(panels, style)
}

/** The title of the last point, with N in place of a number that differs from the first. */
function titleOf(points: readonly ScenarioRecord[]): string {
  const [first, last] = [points[0]!, points.at(-1)!].map(({ title }) => title.split(' '))
  if (first!.length !== last!.length) return last!.join(' ')
  return last!.map((word, i) => (word === first![i] ? word : word.replace(/\d[\d.,]*/, 'N'))).join(' ')
}

/** Which metric of a scenario is drawn; scenarios without one are not given. */
export type MetricOf = (scenario: ScenarioRecord) => Metric | undefined

function growthPoints(scenario: ScenarioRecord, metricOf: MetricOf): Point[] {
  const metric = metricOf(scenario)!
  return scenario.entries.flatMap(({ subject, samples, failure }) => {
    const values = valuesOf(samples, metric)
    if (failure !== undefined || values.length === 0) return []
    const { median, least, most } = spread(values)
    const about = `${subject} in ${scenario.name}: ${headOf(metric)}, median ${numberText(median, metric.digits)}`
    return [{ subject, x: scenario.curve!.at, y: median, least, most, about }]
  })
}

function bytesText(bytes: number): string {
  if (bytes >= 2 ** 20) return `${Number((bytes / 2 ** 20).toFixed(1))} MiB`
  return bytes >= 1024 ? `${Number((bytes / 1024).toFixed(1))} KiB` : `${bytes} B`
}
