/** What tables and charts have in common: a subject's values of a metric, and their ratios to those of the base. */
import { type Spread, spread } from '../measure/statistics.ts'
import type { Entry, Metric, RunRecord, ScenarioRecord, SubjectRecord } from './record.ts'

export interface Row {
  readonly subject: string
  /** One value for each round. */
  readonly values: readonly number[]
  readonly value: Spread
  /**
   * The ratio of each round's value to the base's of the same round. It is missing without a base, or where one is not
   * above 0.
   */
  readonly ratio?: Spread
}

/**
 * The rows of subjects that have the metric; a subject that failed has none. @param base used where the metric names
 * none
 */
export function rowsOf(metric: Metric, entries: readonly Entry[], base: string): Row[] {
  const against =
    metric.better === undefined ? undefined : entries.find(({ subject }) => subject === baseOf(metric, base))
  const rows: Row[] = []
  for (const { subject, samples, failure } of entries) {
    const values = valuesOf(samples, metric)
    if (failure !== undefined || values.length === 0) continue
    const ratios = samples.flatMap((sample, round) => {
      const [value, one] = [sample[metric.name], against?.samples[round]?.[metric.name]]
      return value === undefined || one === undefined || value <= 0 || one <= 0 ? [] : [value / one]
    })
    rows.push({ subject, values, value: spread(values), ratio: ratios.length > 0 ? spread(ratios) : undefined })
  }
  return rows
}

export function valuesOf(samples: Entry['samples'], metric: Metric): number[] {
  return samples.flatMap(sample => sample[metric.name] ?? [])
}

export function baseOf(metric: Metric, base: string): string {
  return metric.base ?? base
}

export type MetricKind = 'cost' | 'rate' | 'latency' | 'memory' | 'other'

/** The kind by name and unit: `CPU a call`, `calls/s`, `p99`, `MiB`. */
export function kindOf({ name, unit, better }: Metric): MetricKind {
  if (better === undefined) return 'other'
  if (name.startsWith('CPU')) return 'cost'
  if (better === 'more') return 'rate'
  if (/^p\d+(\.\d+)?\b/.test(name)) return 'latency'
  return /^([KMG]i?)?B$/.test(unit) ? 'memory' : 'other'
}

/** The tail that rounds of a few seconds still show. */
const TAIL = 'p99'

/**
 * The metrics that are looked at first and judged for significance: the subject of the scenario, and the first of cost,
 * of rate, and of tail latency. The others are parts of these (user and system time) or follow from them; memory is a
 * headline only where the scenario is about it, because it hardly differs from one load to the next.
 */
export function headlinesOf({ metrics, entries }: ScenarioRecord): Metric[] {
  const there = metrics.filter(
    metric => metric.better !== undefined && entries.some(({ samples }) => valuesOf(samples, metric).length > 0),
  )
  const lead = there[0]
  if (lead === undefined) return []
  if (kindOf(lead) === 'memory') return there.filter(metric => kindOf(metric) === 'memory')
  const first = (kind: MetricKind): Metric | undefined => there.find(metric => kindOf(metric) === kind)
  const chosen = [lead, first('cost'), first('rate'), there.find(({ name }) => name === TAIL)]
  return there.filter(metric => chosen.includes(metric))
}

/** `CPU a call, µs`, but `calls/s`, whose name contains the unit. */
export function headOf({ name, unit }: Metric): string {
  return unit === '' || name.endsWith(unit) ? name : `${name}, ${unit}`
}

export function numberText(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** Two digits behind the point, and fewer where nobody would read them. */
export function ratioText(ratio: number): string {
  return ratio >= 1000 ? numberText(ratio, 0) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2)
}

/** In the order of the record, or else of the scenarios. */
export function subjectsOf(run: RunRecord): SubjectRecord[] {
  const names = new Set(run.scenarios.flatMap(({ entries }) => entries.map(({ subject }) => subject)))
  const known = (run.subjects ?? []).filter(({ name }) => names.has(name))
  for (const { name } of known) names.delete(name)
  return [...known, ...[...names].map(name => ({ name, title: '', kind: kindByName(name) }))]
}

export function kindByName(name: string): SubjectRecord['kind'] {
  if (/^(direct|relay|tcp\b.*|.*-tcp)$/.test(name)) return 'floor'
  return /^(frames|native)(-(frames|native))?$/.test(name) ? 'ours' : 'peer'
}

/** The names of those that failed. */
export function failedOf({ entries }: ScenarioRecord): string[] {
  return entries.filter(({ failure }) => failure !== undefined).map(({ subject }) => subject)
}

export interface Failure {
  readonly scenario: string
  readonly subject: string
  readonly why: string
}

export function failuresOf(run: RunRecord): Failure[] {
  return run.scenarios.flatMap(({ name, entries }) =>
    entries.flatMap(({ subject, failure }) =>
      failure === undefined ? [] : [{ scenario: name, subject, why: failure }],
    ),
  )
}

/** What others had of a subject's core, in percent: the suite's metric of that name. */
const FOREIGN = 'foreign'
/** Above this percentage, one also looks at the work of others. */
const QUIET_PERCENT = 10

/** Scenarios in which a subject was not alone on its core, with the worst median. */
export function disturbedOf(run: RunRecord): { readonly scenario: string; readonly percent: number }[] {
  return run.scenarios.flatMap(({ name, entries }) => {
    const medians = entries.flatMap(({ samples }) => {
      const values = samples.flatMap(sample => sample[FOREIGN] ?? [])
      return values.length === 0 ? [] : [spread(values).median]
    })
    const percent = Math.max(0, ...medians)
    return percent > QUIET_PERCENT ? [{ scenario: name, percent }] : []
  })
}

/** One sentence for people; undefined where each subject was alone. */
export function disturbanceText(run: RunRecord): string | undefined {
  const disturbed = disturbedOf(run)
  if (disturbed.length === 0) return undefined
  const scenarios = disturbed.map(({ scenario, percent }) => `${scenario} (${Math.round(percent)} %)`)
  return (
    `NOT ALONE: others had more than ${QUIET_PERCENT} % of a subject's core in ${scenarios.join(', ')}. ` +
    'Measure again when the machine is quiet.'
  )
}
