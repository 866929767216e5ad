/**
 * Charts of values side by side: each scenario has a panel, with a line for each subject, each round's value and the
 * median.
 */
import { type LogAxis, logAxis } from '../../src/bench/axes.ts'
import { wrapText } from '../../src/bench/columns.ts'
import type { Spec } from '../../src/bench/draw.ts'
import { type Look, looked } from '../../src/bench/look.ts'
import type { Metric, ScenarioRecord } from './record.ts'
import { failedOf, headOf, numberText, rowsOf } from './rows.ts'

export interface Panel {
  readonly scenario: ScenarioRecord
  readonly metric: Metric
}

export interface PanelStyle {
  /** Points on a log axis that all panels share, or bars from zero, each panel with its own axis. */
  readonly kind: 'points' | 'bars'
  readonly looks: ReadonlyMap<string, Look>
  readonly title: string
  readonly subtitle: string
}

const COLUMNS = 2
const PLOT_PX = { narrow: 262, wide: 560 } as const
const ROW_PX = 18
const TITLE_CHARACTERS = 62
const NUMBER_OFFSET_PX = 10

export function panelsSpec(panels: readonly Panel[], style: PanelStyle): Spec {
  const all = panels.flatMap(({ scenario, metric }) => rowsOf(metric, scenario.entries, '').flatMap(row => row.values))
  const shared = logAxis(all)
  return {
    title: { text: style.title, subtitle: wrapText(style.subtitle, 2 * TITLE_CHARACTERS), fontSize: 16, offset: 14 },
    columns: COLUMNS,
    spacing: { row: 26, column: 26 },
    resolve: { scale: { x: 'independent', y: 'independent', color: 'shared', shape: 'shared' } },
    concat: panels.map(panel => panelSpec(panel, style, shared, panels.length === 1 ? PLOT_PX.wide : PLOT_PX.narrow)),
  }
}

function panelSpec({ scenario, metric }: Panel, { kind, looks }: PanelStyle, shared: LogAxis, width: number): Spec {
  const rows = rowsOf(metric, scenario.entries, '')
  const failed = failedOf(scenario)
  const subjects = scenario.entries
    .map(({ subject }) => subject)
    .filter(subject => failed.includes(subject) || rows.some(row => row.subject === subject))
  const about = (subject: string, what: string, value: number): string =>
    `${subject} in ${scenario.name}: ${headOf(metric)}, ${what} ${numberText(value, metric.digits)}`
  const rounds = rows.flatMap(({ subject, values }) =>
    values.map(value => ({ subject, value, about: about(subject, 'a round', value) })),
  )
  const medians = rows.map(({ subject, value: { median, least, most } }) => ({
    ...{ subject, median, least, most, zero: 0 },
    text: numberText(median, metric.digits),
    about: about(subject, 'median', median),
  }))
  const bars = kind === 'bars'
  const x = {
    type: 'quantitative',
    scale: bars ? { zero: true, nice: true } : { type: 'log', domain: shared.domain, nice: false },
    axis: {
      title: headOf(metric),
      format: ',.6~g',
      labelOverlap: true,
      labelFlush: false,
      ...(bars ? { tickCount: 5 } : { values: shared.ticks }),
    },
  }
  const y = {
    field: 'subject',
    type: 'nominal',
    scale: { domain: subjects },
    axis: { title: null, domain: false, ticks: false, labelLimit: 130, labelColor: '#222222', labelFontSize: 12 },
  }
  const layers: Spec[] = [
    ...(bars ? [{ mark: { type: 'bar', height: { band: 0.62 }, opacity: 0.75 }, of: medians, x: 'median' }] : []),
    {
      mark: bars
        ? { type: 'rule', color: '#222222', strokeWidth: 1.2 }
        : { type: 'rule', strokeWidth: 1.5, opacity: 0.6 },
      of: medians,
      x: 'least',
      x2: 'most',
    },
    { mark: { type: 'circle', size: bars ? 14 : 24, opacity: bars ? 0.55 : 0.45 }, of: rounds, x: 'value' },
    ...(bars
      ? []
      : [{ mark: { type: 'point', filled: true, size: 60, opacity: 1 }, of: medians, x: 'median', shaped: true }]),
  ].map(({ mark, of, x: field, ...more }) => ({
    data: { values: of },
    mark,
    encoding: {
      y,
      x: { ...x, field },
      ...('x2' in more ? { x2: { field: more.x2 } } : {}),
      ...('shaped' in more ? { shape: looked(looks, 'shape') } : {}),
      ...((mark as { color?: string }).color === undefined ? { color: looked(looks, 'colour') } : {}),
      ...(mark.type === 'rule' ? {} : { description: { field: 'about', type: 'nominal' } }),
    },
  }))
  return {
    title: { text: scenario.name, subtitle: wrapText(scenario.title, TITLE_CHARACTERS), frame: 'group' },
    width,
    height: { step: ROW_PX },
    layer: [...layers, numbersLayer(medians, y, width), failedLayer(failed, y)],
  }
}

/** A column of medians right of the plot. */
function numbersLayer(values: readonly object[], y: object, width: number): Spec {
  return {
    data: { values },
    mark: { type: 'text', align: 'left', fontSize: 11, color: '#222222', aria: false },
    encoding: { y, x: { value: width + NUMBER_OFFSET_PX }, text: { field: 'text', type: 'nominal' } },
  }
}

function failedLayer(subjects: readonly string[], y: object): Spec {
  return {
    data: { values: subjects.map(subject => ({ subject, text: 'FAILED' })) },
    mark: { type: 'text', align: 'left', fontSize: 11, fontWeight: 'bold', color: '#b00020', aria: false },
    encoding: { y, x: { value: NUMBER_OFFSET_PX }, text: { field: 'text', type: 'nominal' } },
  }
}
