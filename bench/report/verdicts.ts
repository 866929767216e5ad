/** Which differences between two subjects a run shows, and which way: numbers of many scenarios, judged together. */
import { type Adjust, type Comparison, compareAll, falseDiscovery, holm } from '../measure/significance.ts'
import { median } from '../measure/statistics.ts'
import type { Metric, RunRecord, ScenarioRecord } from './record.ts'
import { baseOf, headlinesOf, numberText, valuesOf } from './rows.ts'

export interface Judged extends Comparison {
  readonly scenario: ScenarioRecord
  readonly metric: Metric
  readonly subject: string
  readonly against: string
  readonly subjectMedian: number
  readonly againstMedian: number
  /** The outcome for the subject; undefined where no difference was shown. */
  readonly outcome: 'better' | 'worse' | undefined
}

/**
 * All other subjects against the base of each metric. A report holds hundreds of pairs, so the rate of false
 * discoveries is bounded: about one in twenty of the differences that are called shown may not be there. (Holm's bound,
 * that not even one is wrong, needs ten rounds.)
 */
export function againstBase(run: RunRecord): Judged[] {
  return judge(run, falseDiscovery, headlinesOf, metric => baseOf(metric, run.base))
}

/** All other subjects against one, as `againstBase`. */
export function againstSubject(run: RunRecord, subject: string): Judged[] {
  return judge(run, falseDiscovery, headlinesOf, () => subject)
}

/**
 * One subject against another: each metric that a change is judged by, all together. The chance that even one
 * difference is claimed that is not there is at most 5 % (Holm).
 */
export function differences(run: RunRecord, subject: string, against: string): Judged[] {
  const two = run.scenarios.map(({ entries, ...scenario }) => ({
    ...scenario,
    entries: entries.filter(entry => entry.subject === subject || entry.subject === against),
  }))
  const judged = ({ metrics }: ScenarioRecord) => metrics.filter(isJudged)
  return judge({ ...run, scenarios: two }, holm, judged, () => against)
}

/**
 * Metrics that are a part of another, or differ by chance, cost all others certainty. So these are not judged: user and
 * system time, which make up the CPU's; the extremes of a tail, of which a round has a handful; latency added to
 * `direct`, who takes no part; system calls, counted once.
 */
const NOT_JUDGED = /^(user|system|syscalls|added|max$|p99\.9$|p90$)/

function isJudged({ name, better }: Metric): boolean {
  return better !== undefined && !NOT_JUDGED.test(name)
}

function judge(
  run: RunRecord,
  adjust: Adjust,
  metricsOf: (scenario: ScenarioRecord) => readonly Metric[],
  againstOf: (metric: Metric) => string,
): Judged[] {
  const found = run.scenarios.flatMap(scenario =>
    metricsOf(scenario).flatMap(metric => {
      const against = againstOf(metric)
      const samples = scenario.entries.find(entry => entry.subject === against)?.samples ?? []
      const second = valuesOf(samples, metric)
      if (second.length === 0) return []
      return scenario.entries.flatMap(({ subject, samples }) => {
        const first = valuesOf(samples, metric)
        return subject === against || first.length === 0 ? [] : [{ scenario, metric, subject, against, first, second }]
      })
    }),
  )
  const comparisons = compareAll(found, adjust)
  return found.map(({ first, second, ...about }, i) => {
    const comparison = comparisons[i]!
    const { verdict } = comparison
    const shown = verdict === 'less' || verdict === 'more'
    return {
      ...about,
      ...comparison,
      subjectMedian: median(first),
      againstMedian: median(second),
      outcome: shown ? (verdict === about.metric.better ? 'better' : 'worse') : undefined,
    }
  })
}

/** `m10  CPU a call: 8.1 → 7.2 µs, × 0.89 (0.86–0.92), p 0.003: better`. The subject is what the other has become. */
export function differenceText(judged: Judged): string {
  const { scenario, metric, subjectMedian, againstMedian, ratio, adjustedP, verdict, outcome } = judged
  const times =
    ratio === undefined ? '' : `, × ${ratio.estimate.toFixed(3)} (${ratio.least.toFixed(3)}–${ratio.most.toFixed(3)})`
  const unit = metric.unit === '' || metric.name.endsWith(metric.unit) ? '' : ` ${metric.unit}`
  const values = `${numberText(againstMedian, metric.digits)} → ${numberText(subjectMedian, metric.digits)}${unit}`
  const told = `${scenario.name.padEnd(14)} ${metric.name}: ${values}${times}`
  return `${told}, p ${pText(adjustedP)}: ${outcome ?? verdict}`
}

export function pText(p: number): string {
  return p < 0.001 ? '< 0.001' : p.toFixed(3)
}
