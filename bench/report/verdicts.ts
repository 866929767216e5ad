/** Which differences between two subjects a run shows: each headline of each scenario, judged together. */
import { type Comparison, compareAll, falseDiscovery } from '../measure/significance.ts'
import { median } from '../measure/statistics.ts'
import type { Metric, RunRecord, ScenarioRecord } from './record.ts'
import { baseOf, headlinesOf, valuesOf } from './rows.ts'

export interface Judged extends Comparison {
  readonly scenario: ScenarioRecord
  readonly metric: Metric
  readonly subject: string
  readonly against: string
  readonly subjectMedian: number
  readonly againstMedian: number
  /** Of the subject; undefined where no difference was shown. */
  readonly outcome: 'better' | 'worse' | undefined
}

/** All other subjects against the base of each metric. */
export function againstBase(run: RunRecord): Judged[] {
  return judge(run, metric => baseOf(metric, run.base))
}

/** All other subjects against one. */
export function againstSubject(run: RunRecord, subject: string): Judged[] {
  return judge(run, () => subject)
}

/**
 * A report holds hundreds of pairs, so what is held is the rate of false discoveries: about one in twenty of the
 * differences that are called shown may not be there. (Holm's bound, that not even one is wrong, needs ten rounds.)
 */
function judge(run: RunRecord, againstOf: (metric: Metric) => string): Judged[] {
  const found = run.scenarios.flatMap(scenario =>
    headlinesOf(scenario).flatMap(metric => {
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
  const comparisons = compareAll(found, falseDiscovery)
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
