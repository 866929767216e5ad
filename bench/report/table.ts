/** A run as text for a terminal. */
import { alignedLines, GAP } from '../../src/bench/columns.ts'
import type { Entry, Metric, RunRecord, ScenarioRecord } from './record.ts'
import {
  disturbanceText,
  failuresOf,
  headlinesOf,
  headOf,
  numberText,
  type Row,
  ratioText,
  rowsOf,
  subjectsOf,
} from './rows.ts'
import { againstBase, type Judged } from './verdicts.ts'

/** The width of a terminal. Columns that do not fit go below. */
const WIDTH = 120
const INDENT = '    '

/** A column of a table; the first of a table's columns names its rows. */
interface Column {
  readonly head: string
  readonly cells: readonly string[]
}

/**
 * Headlines as `median (least–most) ratio`, with one line for each subject; below it the medians of the other metrics,
 * then the subjects that failed.
 */
export function tableOf(scenario: ScenarioRecord, base: string): string {
  const headlines = headlinesOf(scenario)
  const rest = scenario.metrics.filter(metric => !headlines.includes(metric))
  const takingPart = scenario.entries.filter(({ failure, samples }) => failure === undefined && samples.length > 0)
  const names = takingPart.map(({ subject }) => subject)
  const lines = [`${scenario.name}: ${scenario.title}`]
  if (takingPart.length > 0) {
    lines.push(
      ...grid(
        names,
        headlines.map(metric => headlineColumn(metric, takingPart, base)),
        WIDTH,
      ),
    )
    const others = rest.map(metric => medianColumn(metric, takingPart, base)).filter(column => column !== undefined)
    if (others.length > 0) lines.push('  medians of the rest', ...grid(names, others, WIDTH))
  }
  const width = Math.max(...scenario.entries.map(({ subject }) => subject.length))
  for (const { subject, failure } of scenario.entries) {
    if (failure !== undefined) lines.push(`${INDENT}${subject.padEnd(width)}${GAP}FAILED: ${failure}`)
  }
  return lines.join('\n')
}

function headlineColumn(metric: Metric, entries: readonly Entry[], base: string): Column {
  const rows = rowsOf(metric, entries, base)
  const number = (value: number): string => numberText(value, metric.digits)
  const values = aligned(rows.map(({ value }) => number(value.median)))
  const spreads = aligned(rows.map(({ value }) => `(${number(value.least)}–${number(value.most)})`))
  const ratios = aligned(rows.map(({ ratio }) => (ratio === undefined ? '' : ratioText(ratio.median))))
  const texts = rows.map((_, i) => `${values[i]} ${spreads[i]}${ratios[i] === '' ? '' : ` ${ratios[i]}`}`)
  const against = rows.some(({ ratio }) => ratio !== undefined) ? `; ${metric.base ?? base} = 1` : ''
  return { head: `${headOf(metric)}${against}`, cells: cellsOf(entries, rows, texts) }
}

function medianColumn(metric: Metric, entries: readonly Entry[], base: string): Column | undefined {
  const rows = rowsOf(metric, entries, base)
  const texts = rows.map(({ value }) => numberText(value.median, metric.digits))
  return rows.length === 0 ? undefined : { head: headOf(metric), cells: cellsOf(entries, rows, texts) }
}

/** A subject that does not have the metric has a dash. */
function cellsOf(entries: readonly Entry[], rows: readonly Row[], texts: readonly string[]): string[] {
  return entries.map(({ subject }) => texts[rows.findIndex(row => row.subject === subject)] ?? '–')
}

/** Ratios of each scenario's first metric, on one page; then failures, and what was not measured. */
export function summaryOf(run: RunRecord): string {
  const judged = againstBase(run)
  const subjects = subjectsOf(run).map(({ name }) => name)
  const lines: string[] = []
  const leads = run.scenarios.flatMap(scenario => headlinesOf(scenario)[0] ?? [])
  for (const metric of distinct(leads)) {
    const scenarios = run.scenarios.filter(scenario => leadsWith(scenario, metric))
    const columns = subjects
      .map(subject => ({
        head: subject,
        cells: scenarios.map(scenario => summaryCell(scenario, subject, run.base, judged)),
      }))
      .filter(({ cells }) => cells.some(cell => cell !== '–'))
    const against = metric.base ?? run.base
    lines.push(`${headOf(metric)}: ratios to ${against}, ${metric.better} is better`)
    lines.push(
      ...grid(
        scenarios.map(({ name }) => name),
        columns,
        WIDTH,
      ),
      '',
    )
  }
  if (judged.length > 0) lines.push(LEGEND, '')
  const disturbance = disturbanceText(run)
  if (disturbance !== undefined) lines.push(disturbance)
  for (const { scenario, subject, why } of failuresOf(run)) lines.push(`FAILED: ${subject} in ${scenario}: ${why}`)
  lines.push(...missingLines(run.missing), ...leftOutLines(run.leftOut))
  return lines.join('\n').trimEnd()
}

const LEGEND =
  '~ no difference shown   ? not enough rounds to show one   (rank test of Mann and Whitney; of the differences shown\n' +
  'about one in twenty may be chance)'

function summaryCell(scenario: ScenarioRecord, subject: string, base: string, judged: readonly Judged[]): string {
  const own = headlinesOf(scenario)[0]!
  const entry = scenario.entries.find(other => other.subject === subject)
  if (entry?.failure !== undefined) return 'FAILED'
  const ratio = rowsOf(own, scenario.entries, base).find(row => row.subject === subject)?.ratio
  if (ratio === undefined) return '–'
  const verdict = judged.find(
    other => other.scenario === scenario && other.metric === own && other.subject === subject,
  )?.verdict
  const sign = verdict === 'no difference shown' ? '~' : verdict === 'not enough rounds' ? '?' : ' '
  return `${ratioText(ratio.median)}${sign}`
}

/** A line for each that says how to install it. */
export function missingLines(missing: RunRecord['missing']): string[] {
  return missing.map(({ name, install }) => `Missing: ${name}; ${install}`)
}

export function leftOutLines(leftOut: RunRecord['leftOut']): string[] {
  return leftOut.map(({ what, why }) => `Left out: ${what}: ${why}`)
}

function leadsWith(scenario: ScenarioRecord, metric: Metric): boolean {
  const lead = headlinesOf(scenario)[0]
  return lead !== undefined && sameMetric(lead, metric)
}

export function sameMetric(a: Metric, b: Metric): boolean {
  return a.name === b.name && a.unit === b.unit && a.base === b.base
}

export function distinct(metrics: readonly Metric[]): Metric[] {
  return metrics.filter((metric, i) => metrics.findIndex(other => sameMetric(other, metric)) === i)
}

/**
 * Puts columns side by side as far as they fit, and the rest in another block below, with the names of the rows again.
 */
function grid(names: readonly string[], columns: readonly Column[], width: number): string[] {
  const nameWidth = Math.max(...names.map(({ length }) => length))
  const widths = columns.map(({ head, cells }) => Math.max(head.length, ...cells.map(({ length }) => length)))
  const lines: string[] = []
  for (let start = 0, end = 0; start < columns.length; start = end) {
    let used = INDENT.length + nameWidth
    while (end < columns.length && (end === start || used + GAP.length + widths[end]! <= width)) {
      used += GAP.length + widths[end++]!
    }
    const block = columns.slice(start, end)
    const rows = names.map((name, row) => [name, ...block.map(({ cells }) => cells[row]!)])
    lines.push(...alignedLines([['', ...block.map(({ head }) => head)], ...rows]).map(line => INDENT + line))
  }
  return lines
}

function aligned(texts: readonly string[]): string[] {
  const width = Math.max(0, ...texts.map(({ length }) => length))
  return texts.map(text => text.padStart(width))
}
