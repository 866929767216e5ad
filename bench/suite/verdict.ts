/** Two subjects of one run: which differences exceed the noise, and which way. */
import { type Comparison, compareAll } from '../measure/significance.ts'
import { median } from '../measure/statistics.ts'
import type { Metric, RunRecord } from '../report/record.ts'

export interface Difference extends Comparison {
  readonly scenario: string
  readonly metric: Metric
  readonly firstMedian: number
  readonly secondMedian: number
  /** Of the first; undefined: no difference was shown. */
  readonly outcome: 'better' | 'worse' | undefined
}

/**
 * Of each metric that has a good direction, judged together: the chance that even one difference is claimed that is
 * not there is at most 5 % (Holm).
 * @param judged which metrics count: those that are parts of others, or shown by chance, cost all others certainty
 */
export function differences(
  run: RunRecord,
  first: string,
  second: string,
  judged: (metric: Metric) => boolean = isJudged,
): Difference[] {
  const pairs = run.scenarios.flatMap(({ name, metrics, entries }) =>
    metrics.flatMap(metric => {
      const values = (subject: string): number[] =>
        entries.find(entry => entry.subject === subject)?.samples.flatMap(sample => sample[metric.name] ?? []) ?? []
      const pair = { first: values(first), second: values(second) }
      if (metric.better === undefined || !judged(metric)) return []
      return pair.first.length === 0 || pair.second.length === 0 ? [] : [{ scenario: name, metric, pair }]
    }),
  )
  const comparisons = compareAll(pairs.map(({ pair }) => pair))
  return pairs.map(({ scenario, metric, pair }, i) => {
    const comparison = comparisons[i]!
    const shown = comparison.verdict === 'less' || comparison.verdict === 'more'
    return {
      ...comparison,
      scenario,
      metric,
      firstMedian: median(pair.first),
      secondMedian: median(pair.second),
      outcome: shown ? (comparison.verdict === metric.better ? 'better' : 'worse') : undefined,
    }
  })
}

/**
 * What a change is judged by. Not: user and system time, which make up the CPU's; the extremes of a tail, of which a
 * round has a handful; latency added to `direct`, who takes no part; system calls, counted once.
 */
const NOT_JUDGED = /^(user|system|syscalls|added|max$|p99\.9$|p90$)/

export function isJudged({ name }: Metric): boolean {
  return !NOT_JUDGED.test(name)
}

/** `m10  CPU a call: 8.1 → 7.2 µs, × 0.89 (0.86–0.92), p 0.003: better`. The first is what became of the second. */
export function differenceText({
  scenario,
  metric,
  firstMedian,
  secondMedian,
  ratio,
  adjustedP,
  verdict,
  outcome,
}: Difference): string {
  const number = (value: number): string =>
    value.toLocaleString('en', { minimumFractionDigits: metric.digits, maximumFractionDigits: metric.digits })
  const times =
    ratio === undefined ? '' : `, × ${ratio.estimate.toFixed(3)} (${ratio.least.toFixed(3)}–${ratio.most.toFixed(3)})`
  const p = adjustedP < 0.001 ? 'p < 0.001' : `p ${adjustedP.toFixed(3)}`
  const unit = metric.unit === '' || metric.name.endsWith(metric.unit) ? '' : ` ${metric.unit}`
  const values = `${number(secondMedian)} → ${number(firstMedian)}${unit}`
  return `${scenario.padEnd(14)} ${metric.name}: ${values}${times}, ${p}: ${outcome ?? verdict}`
}
