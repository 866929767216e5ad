/** Results as a table for people and as JSON for programs. */
import { type Spread, spread } from '../measure/statistics.ts'
import type { Entry, Result } from './contest.ts'
import type { Metric } from './scenario.ts'

export const DEFAULT_BASE = 'nghttpx'

const NAME_WIDTH = 16
const VALUE_WIDTH = 30

export interface Row {
  readonly subject: string
  readonly value: Spread
  /** Of each round's value to the base's of the same round; not there without a base. */
  readonly ratio?: Spread
}

/** @param base used where the metric names none, or where `forced` */
export function rowsOf(metric: Metric, entries: readonly Entry[], base = DEFAULT_BASE): Row[] {
  const reference = metric.aside
    ? undefined
    : entries.find(({ name, samples }) => name === (metric.base ?? base) && samples.length > 0)
  return entries
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, samples }) => ({
      subject: name,
      value: spread(samples.map(sample => sample[metric.name]!)),
      ratio: reference === undefined ? undefined : spread(ratios(metric, samples, reference.samples)),
    }))
}

function ratios(metric: Metric, samples: Entry['samples'], base: Entry['samples']): number[] {
  return samples.map((sample, round) => sample[metric.name]! / base[round]![metric.name]!)
}

export function tableOf({ scenario, entries }: Result, base: string): string {
  const lines = [`${scenario.name}: ${scenario.title}`]
  for (const metric of scenario.metrics) {
    const rows = rowsOf(metric, entries, base)
    if (rows.length === 0) continue
    const against = metric.base ?? base
    const ratioHead = metric.aside ? '' : `   ${against} = 1${barText(metric, base)}`
    lines.push(`  ${metric.name.padEnd(NAME_WIDTH)}${'median (least – most)'.padStart(VALUE_WIDTH)}${ratioHead}`)
    for (const { subject, value, ratio } of rows) {
      const number = (of: number): string =>
        of.toLocaleString('en', { minimumFractionDigits: metric.digits, maximumFractionDigits: metric.digits })
      const values = `${number(value.median)} (${number(value.least)} – ${number(value.most)})`
      const compared =
        ratio === undefined ? '' : `${ratio.median.toFixed(2)} (${ratio.least.toFixed(2)} – ${ratio.most.toFixed(2)})`
      lines.push(`    ${subject.padEnd(NAME_WIDTH - 2)}${values.padStart(VALUE_WIDTH)}   ${compared}`.trimEnd())
    }
  }
  for (const { name, failure } of entries)
    if (failure !== undefined) lines.push(`    ${name.padEnd(NAME_WIDTH - 2)}FAILED: ${failure}`)
  return lines.join('\n')
}

/** A bar says nothing about ratios against somebody else. */
function barText({ bar, base }: Metric, used: string): string {
  if (bar === undefined || (base === undefined && used !== DEFAULT_BASE)) return ''
  return 'atMost' in bar ? `   (frames: at most ${bar.atMost.toFixed(2)})` : `   (frames: at least ${bar.atLeast})`
}

export function jsonOf({ scenario, entries }: Result, base: string): object {
  return {
    scenario: scenario.name,
    title: scenario.title,
    metrics: scenario.metrics.map(metric => ({
      name: metric.name,
      base: metric.base ?? base,
      bar: metric.bar,
      rows: rowsOf(metric, entries, base),
    })),
    rounds: Object.fromEntries(
      entries.map(({ name, samples, failure }) => [name, failure === undefined ? samples : { failure }]),
    ),
  }
}

/** Ratios of all scenarios on one page: what one looks at first. */
export function summaryOf(results: readonly Result[], base: string): string {
  const lines = ['Ratios, medians of the rounds']
  for (const { scenario, entries } of results) {
    const metric = scenario.metrics.find(({ bar }) => bar !== undefined) ?? scenario.metrics[0]!
    const rows = rowsOf(metric, entries, base)
    const cells = rows.map(({ subject, ratio }) => `${subject} ${ratio === undefined ? '–' : ratio.median.toFixed(2)}`)
    lines.push(
      `  ${scenario.name.padEnd(14)}${metric.name.padEnd(NAME_WIDTH)}${cells.join('   ')}${barText(metric, base)}`,
    )
  }
  return lines.join('\n')
}
