/**
 * Metrics as OTLP has them in JSON (opentelemetry-proto `metrics.proto`).
 *
 * Their names are those of Prometheus without `_total`: a collector, or a Prometheus that takes OTLP, adds that to sums, and
 * so a dashboard finds the same series however they came. What has no unit has none here either: to a gauge whose unit is
 * `1` they add `_ratio`.
 */
import type { Distribution, Exemplar, MetricType, Reading, Sample } from './registry.ts'
import { type Attributes, keyValues, nanoseconds } from './span.ts'

/** `AGGREGATION_TEMPORALITY_CUMULATIVE`. */
const CUMULATIVE = 2
const UNITS: readonly (readonly [ending: string, unit: string])[] = [
  ['_seconds', 's'],
  ['_bytes', 'By'],
]
/** Far below what collectors take: 20 MiB is the default of OpenTelemetry's. */
const BODY_CHARACTERS = 1_048_576

/** One request. */
export interface MetricsBody {
  readonly text: string
  readonly points: number
}

/** A counter, or a histogram, with one set of labels. */
interface Series {
  readonly value: number
  /** It was 0 then: milliseconds since 1970. */
  readonly startMs: number
}

export class MetricsEncoder {
  /** As they were when they were last read. */
  #series = new Map<string, Series>()
  #lastMs: number

  /** @param startMs all that is counted has begun at 0 then: the process began */
  constructor(startMs: number) {
    this.#lastMs = startMs
  }

  /**
   * @param resource what this process is
   * @param nowMs when they were read, in milliseconds since 1970
   */
  encode(readings: Iterable<Reading>, resource: Attributes, nowMs: number): MetricsBody[] {
    const attributes = JSON.stringify({ attributes: keyValues(resource) })
    const head = `{"resourceMetrics":[{"resource":${attributes},"scopeMetrics":[{"scope":{"name":"grpc-verbatim"},"metrics":[`
    const before = this.#series
    this.#series = new Map()
    const bodies: MetricsBody[] = []
    let metrics: string[] = []
    let [characters, points] = [0, 0]
    const end = (): void => {
      bodies.push({ text: `${head}${metrics.join(',')}]}]}]}`, points })
      metrics = []
      characters = points = 0
    }
    for (const reading of readings) {
      let texts: string[] = []
      for (const sample of reading.samples) {
        const text = this.#point(reading, sample, before, nowMs)
        texts.push(text)
        points++
        characters += text.length
        if (characters < BODY_CHARACTERS) continue
        metrics.push(metricText(reading, texts))
        texts = []
        end()
      }
      if (texts.length > 0) metrics.push(metricText(reading, texts))
    }
    if (points > 0) end()
    this.#lastMs = nowMs
    return bodies
  }

  #point({ name, type }: Reading, sample: Sample, before: ReadonlyMap<string, Series>, nowMs: number): string {
    const { labels = {}, value } = sample
    const common = { attributes: keyValues(labels), timeUnixNano: nanoseconds(nowMs) }
    if (type === 'gauge') return JSON.stringify({ ...common, asDouble: double(value as number) })
    const startTimeUnixNano = nanoseconds(this.#startOf(`${name} ${JSON.stringify(labels)}`, value, before, nowMs))
    if (typeof value === 'number') return JSON.stringify({ startTimeUnixNano, ...common, asDouble: double(value) })
    return JSON.stringify({ startTimeUnixNano, ...common, ...histogramPoint(value) })
  }

  /**
   * What is there for the first time, or has fallen, began after it was last read: a backend came, a worker was replaced, or
   * the buckets are others.
   */
  #startOf(key: string, value: Sample['value'], before: ReadonlyMap<string, Series>, nowMs: number): number {
    const total = typeof value === 'number' ? value : countOf(value)
    const known = before.get(key)
    const startMs = known !== undefined && total >= known.value ? known.startMs : this.#lastMs
    this.#series.set(key, { value: total, startMs })
    // The clock of the machine may have been set back.
    return Math.min(startMs, nowMs)
  }
}

function metricText({ name, help, type }: Reading, points: readonly string[]): string {
  const unit = UNITS.find(([ending]) => name.endsWith(ending))?.[1]
  const head = JSON.stringify({ name, description: help, ...(unit !== undefined && { unit }) })
  return `${head.slice(0, -1)},${DATA[type]}[${points.join(',')}]}}`
}

const DATA: Readonly<Record<MetricType, string>> = {
  counter: `"sum":{"aggregationTemporality":${CUMULATIVE},"isMonotonic":true,"dataPoints":`,
  gauge: '"gauge":{"dataPoints":',
  histogram: `"histogram":{"aggregationTemporality":${CUMULATIVE},"dataPoints":`,
}

function countOf({ counts }: Distribution): number {
  let count = 0
  for (let i = 0; i < counts.length; i++) count += counts[i]!
  return count
}

/** Numbers of 64 bits are text in JSON. */
function histogramPoint(distribution: Distribution): object {
  const { bounds, counts, sum, exemplars } = distribution
  // From another process what is undefined may come as null.
  const kept = exemplars?.filter(exemplar => exemplar != null) ?? []
  return {
    count: String(countOf(distribution)),
    sum: double(sum),
    explicitBounds: bounds,
    bucketCounts: Array.from(counts, String),
    ...(kept.length > 0 && { exemplars: kept.map(exemplarPoint) }),
  }
}

function exemplarPoint({ traceId, value, dateMs }: Exemplar): object {
  return { timeUnixNano: nanoseconds(dateMs), asDouble: double(value), traceId }
}

/** JSON has no other numbers; that of Protocol Buffers has them as text. */
function double(value: number): number | string {
  return Number.isFinite(value) ? value : String(value)
}
