/**
 * Metrics as Prometheus reads them: families of samples, and their text in both formats (Prometheus text 0.0.4 and
 * OpenMetrics 1.0.0). A value that changes with each call is a field of an object of ours, which costs some nanoseconds;
 * everything else is asked for when somebody reads.
 */

import { type Distribution, type Exemplar, Histogram } from '../transport/histogram.ts'

export { type Distribution, type Exemplar, Histogram }

export type MetricType = 'counter' | 'gauge' | 'histogram'

export type Labels = Readonly<Record<string, string>>

/** One line: a value, or all lines of one histogram. */
export interface Sample {
  readonly labels?: Labels
  readonly value: number | Distribution
}

/** What there is to know of a metric beside its values. */
export interface Description {
  /** With the unit last, and without `_total`: the text adds that to counters. */
  readonly name: string
  readonly help: string
  readonly type: MetricType
  /** What several processes have of it together, where that is not the sum: a time, a verdict. For gauges. */
  readonly together?: 'least' | 'greatest'
}

/** All samples with one name. */
export interface Family extends Description {
  /** Asked for each time that somebody reads. */
  readonly samples: () => Iterable<Sample>
}

/** The same at one moment, as plain data that can go to another process. */
export interface Reading extends Description {
  readonly samples: readonly Sample[]
}

/** Reads all of them now. Nothing of it changes later. */
export function readingOf(families: Iterable<Family>): Reading[] {
  return Array.from(families, ({ samples, ...description }) => ({
    ...description,
    samples: Array.from(samples(), ({ labels = {}, value }) => ({ labels: { ...labels }, value: copied(value) })),
  }))
}

function copied(value: number | Distribution): number | Distribution {
  if (typeof value === 'number') return value
  const { bounds, counts, sum, exemplars } = value
  const copy = { bounds: [...bounds], counts: Array.from(counts), sum }
  return exemplars === undefined ? copy : { ...copy, exemplars: Array.from(counts, (_, i) => exemplars[i]) }
}

export type TextFormat = 'prometheus' | 'openmetrics'

export const CONTENT_TYPES: Readonly<Record<TextFormat, string>> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

export function metricsText(readings: Iterable<Reading>, format: TextFormat): string {
  let text = ''
  for (const reading of readings) text += readingText(reading, format)
  return format === 'openmetrics' ? `${text}# EOF\n` : text
}

function readingText({ name, help, type, samples }: Reading, format: TextFormat): string {
  const lines = samples.flatMap(sample => linesOf(name, type, sample, format)).join('')
  if (lines === '') return ''
  // The older format names a counter as its samples are named.
  const told = type === 'counter' && format === 'prometheus' ? `${name}_total` : name
  return `# HELP ${told} ${escapedHelp(help, format)}\n# TYPE ${told} ${type}\n${lines}`
}

function linesOf(name: string, type: MetricType, { labels = {}, value }: Sample, format: TextFormat): string[] {
  if (typeof value === 'number') return [line(type === 'counter' ? `${name}_total` : name, labels, value)]
  const { bounds, counts, sum, exemplars } = value
  let upTo = 0
  const lines = Array.from(counts, (count, i) => {
    upTo += count
    const bucket = { ...labels, le: numberText(bounds[i] ?? Number.POSITIVE_INFINITY) }
    return line(`${name}_bucket`, bucket, upTo, format === 'openmetrics' ? exemplars?.[i] : undefined)
  })
  return [...lines, line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, upTo)]
}

function line(name: string, labels: Labels, value: number, exemplar?: Exemplar): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapedLabel(text)}"`)
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${numberText(value)}${exemplarText(exemplar)}\n`
}

/** OpenMetrics 1.0.0, "Exemplars": the older format has none. */
function exemplarText(exemplar: Exemplar | undefined): string {
  // From another process what is undefined may come as null.
  if (exemplar == null) return ''
  const { traceId, value, dateMs } = exemplar
  return ` # {trace_id="${traceId}"} ${numberText(value)} ${numberText(dateMs / 1_000)}`
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}

const LABEL_ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' }

function escapedLabel(text: string): string {
  return /[\\"\n]/.test(text) ? text.replace(/[\\"\n]/g, char => LABEL_ESCAPES[char]!) : text
}

/** OpenMetrics escapes quotes in HELP too. */
function escapedHelp(help: string, format: TextFormat): string {
  return help.replace(format === 'openmetrics' ? /[\\"\n]/g : /[\\\n]/g, char => LABEL_ESCAPES[char]!)
}
