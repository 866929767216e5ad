/** The percentile curves of a report. */
import type { Spec } from './draw.ts'
import { latencySpec } from './lines.ts'
import type { Look } from './look.ts'
import type { Report } from './report.ts'

const LOOKS: ReadonlyMap<string, Look> = new Map([
  ['direct', { colour: '#2b7a4b', shape: 'cross', dash: [5, 3] }],
  ['via', { colour: '#b3441e', shape: 'circle', dash: [1, 0] }],
])

export const CHART_TITLE = 'Latency by percentile, µs'

export function curves({ path, ways }: Report): Spec {
  const measured = ways.filter(({ latencyUs }) => latencyUs !== undefined)
  const panel = { name: path, title: '', curves: measured.map(({ name, histogram }) => ({ subject: name, histogram })) }
  const subtitle = 'Log axes; marks are at the percentiles that the axis names, as far as ten calls are slower.'
  return latencySpec([{ ...panel, failed: [] }], { looks: LOOKS, title: CHART_TITLE, subtitle })
}
