/** A run that never was: numbers of a likely size, the same each time, for what reads records. */
import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js'
import type { Entry, Metric, RunRecord, Sample, ScenarioRecord } from '../../../bench/report/record.ts'

export interface Synthetic {
  readonly rounds?: number
  /** Of everything; the shape stays. */
  readonly seed?: number
}

/** CPU µs a call at M = 1, 10, 100; ms a GB; median latency µs; KiB a connection; MiB. */
type Traits = readonly [m1: number, m10: number, m100: number, bulk: number, p50: number, idle: number, memory: number]

export const TRAITS: Readonly<Record<string, Traits>> = {
  'tcp-relay': [27, 6.8, 1.6, 1080, 150, 9, 60],
  frames: [33, 8, 5.6, 1100, 230, 14, 82],
  native: [190, 110, 100, 4520, 1400, 62, 120],
  'native-frames': [120, 61, 55, 2800, 700, 40, 110],
  nghttpx: [36, 13.6, 11.8, 815, 240, 11, 28],
  haproxy: [36, 16.1, 21.3, 3060, 260, 17, 41],
  nginx: [45, 41, 45, 2475, 420, 7, 16],
  envoy: [96, 71, 66, 2900, 610, 38, 70],
  'http2-proxy': [260, 190, 170, 7300, 2400, 80, 140],
  'grpc-js': [410, 320, 300, 0, 5200, 95, 190],
  'grpc-proxy': [140, 92, 84, 5200, 900, 71, 60],
}

const CPU: Metric = { name: 'CPU a call', unit: 'µs', digits: 1, better: 'less' }
const USER: Metric = { name: 'user a call', unit: 'µs', digits: 1, better: 'less' }
const BULK: Metric = { name: 'CPU a GB', unit: 'ms', digits: 0, better: 'less' }
const RATE: Metric = { name: 'calls/s', unit: '/s', digits: 0, better: 'more' }
const MEGABYTES: Metric = { name: 'MB/s', unit: 'MB/s', digits: 1, better: 'more' }
const P50: Metric = { name: 'p50', unit: 'µs', digits: 0, better: 'less' }
const P99: Metric = { name: 'p99', unit: 'µs', digits: 0, better: 'less' }
const MEMORY: Metric = { name: 'memory', unit: 'MiB', digits: 0, better: 'less' }
const PER_CONNECTION: Metric = { name: 'memory a connection', unit: 'KiB', digits: 1, better: 'less' }
const FOREIGN: Metric = { name: 'foreign', unit: '%', digits: 0 }

/** Two subjects that can be counted on the fingers, one that fails, and one that is not judged. */
export function smallRun(changes: Partial<RunRecord> = {}): RunRecord {
  const samples = (cpu: readonly number[], rate: readonly number[]): Sample[] =>
    cpu.map((value, i) => ({ 'CPU a call': value, 'calls/s': rate[i]!, busy: 98 }))
  const scenario: ScenarioRecord = {
    name: 'm10',
    title: 'small unary call',
    metrics: [CPU, RATE, { name: 'busy', unit: '%', digits: 0 }],
    entries: [
      { subject: 'direct', samples: [90_000, 91_000, 92_000, 93_000, 94_000].map(rate => ({ 'calls/s': rate })) },
      { subject: 'frames', samples: samples([8, 8.2, 8.1, 8.3, 8.4], [61_000, 60_000, 62_000, 63_000, 64_000]) },
      { subject: 'nghttpx', samples: samples([16, 16.4, 16.2, 16.6, 16.8], [62_000, 61_000, 60_000, 64_000, 63_000]) },
      { subject: 'broken', samples: [], failure: 'of 100 calls 1 ended with grpc-status 13' },
    ],
  }
  return { ...syntheticRun(), missing: [], leftOut: [], scenarios: [scenario], ...changes }
}

/** Eleven proxies and no proxy at all; the one on grpc-js fails in bulk, and has no sample there. */
export function syntheticRun({ rounds = 5, seed = 1 }: Synthetic = {}): RunRecord {
  const random = randomOf(seed)
  const near = (value: number): number => value * Math.exp((random() + random() + random() - 1.5) * 0.09)
  const series = (sample: () => Sample): Sample[] => Array.from({ length: rounds }, sample)

  const small = (name: string, title: string, which: 0 | 1 | 2, factor = 1): ScenarioRecord => ({
    name,
    title,
    load: 'h2load',
    backend: 'nghttpd',
    metrics: [CPU, USER, RATE, P99, MEMORY, FOREIGN],
    entries: [
      { subject: 'direct', samples: series(() => ({ 'calls/s': near(95_000) / factor, p99: near(90) })) },
      ...Object.entries(TRAITS).map(([subject, traits]) => ({
        subject,
        samples: series(() => {
          const cpu = near(traits[which] * factor)
          return {
            'CPU a call': cpu,
            'user a call': cpu * 0.6,
            'calls/s': Math.min(95_000, 940_000 / cpu),
            p99: near(traits[4] * (which + 1) * 2),
            memory: near(traits[6]),
            foreign: random() * 3,
          }
        }),
      })),
    ],
  })

  const bulk: ScenarioRecord = {
    name: 'bulk',
    title: '1 MiB responses, 4 connections × 4 calls',
    metrics: [BULK, MEGABYTES],
    entries: Object.entries(TRAITS).map(([subject, traits]): Entry => {
      if (traits[3] === 0)
        return { subject, samples: [], failure: 'of 64 calls 3 ended with RST_STREAM(INTERNAL_ERROR)' }
      return {
        subject,
        samples: series(() => {
          const cpu = near(traits[3])
          return { 'CPU a GB': cpu, 'MB/s': 860_000 / cpu }
        }),
      }
    }),
  }

  const latency: ScenarioRecord = {
    name: 'latency',
    title: "small unary calls at 0.5 of nghttpx's full load, open loop, 10 connections; from the intended time",
    metrics: [P50, P99, CPU],
    entries: [['direct', [0, 0, 0, 0, 110, 0, 0]] as const, ...Object.entries(TRAITS)]
      .filter(([subject]) => !/grpc-js|http2-proxy|native$/.test(subject))
      .map(([subject, traits]) => ({
        subject,
        samples: series(() => ({
          p50: near(traits[4]),
          p99: near(traits[4] * 3.4),
          ...(subject === 'direct' ? {} : { 'CPU a call': near(traits[2] * 1.6) }),
        })),
        histogram: histogramOf(traits[4], random),
      })),
  }

  const idle: ScenarioRecord = {
    name: 'idle',
    title: '10,000 open client connections without a call',
    metrics: [PER_CONNECTION, MEMORY],
    entries: Object.entries(TRAITS).map(([subject, traits]) => ({
      subject,
      samples: series(() => {
        const each = near(traits[5])
        return { 'memory a connection': each, memory: traits[6] + each * 9.8 }
      }).slice(0, 3),
    })),
  }

  const curve = (name: string, unit: string, points: readonly number[], growth: number): ScenarioRecord[] =>
    points.map(at => ({
      ...small(`${name.replaceAll(' ', '-')}-${at}`, `small unary call, ${at} ${unit}`, 1, (at / points[0]!) ** growth),
      curve: { name, unit, at },
    }))

  return {
    format: 1,
    date: '2026-01-02T03:04:05.000Z',
    command: 'npm run bench -- --rounds 5 --seconds 4',
    machine: {
      cpu: 'Example CPU @ 2.00GHz',
      cores: 2,
      memoryBytes: 8 * 2 ** 30,
      system: 'Linux 6.1.0-example',
      pinned: true,
    },
    versions: { Node: 'v26.0.0', nghttpx: 'nghttpx 1.52.0', haproxy: 'HAProxy 2.6.12', h2load: 'nghttp2/1.52.0' },
    revision: 'abc1234',
    missing: [{ name: 'ghz', install: 'go install github.com/bojand/ghz/cmd/ghz@latest' }],
    leftOut: [{ what: 'grpc-js in latency', why: 'carries at most 3,100 calls/s, and latency has 38,000' }],
    rounds,
    seconds: 4,
    base: 'nghttpx',
    scenarios: [
      ...([1, 10, 100] as const).map((at, i) => ({
        ...small(`m${at}`, `small unary call, 10 connections × ${at}`, i as 0 | 1 | 2),
        curve: { name: 'streams', unit: 'streams a connection', at },
      })),
      small('headers-m100', 'small unary call, 10 connections × 100; grpc-timeout and traceparent new in each', 2, 1.5),
      small('tls-m10', 'small unary call, 10 connections × 10, TLS on both sides', 1, 1.4),
      bulk,
      latency,
      idle,
      ...curve('connections', 'connections', [1, 10, 100, 1000], 0.12),
      ...curve('message size', 'bytes', [64, 1024, 16_384, 262_144], 0.3),
      ...curve('routes', 'routes', [10, 100, 1000], 0.02),
    ],
  }
}

/** Of a hundred thousand calls: most near the median, a tail behind. Microseconds. */
function histogramOf(medianUs: number, random: () => number): string {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  })
  for (let i = 0; i < 10_000; i++) {
    const body = medianUs * Math.exp((random() + random() + random() - 1.5) * 0.5)
    const tail = random() ** 12 * medianUs * 4 + (random() < 0.002 ? medianUs * 8 * random() : 0)
    histogram.recordValueWithCount(Math.round(body + tail), 10)
  }
  return encodeIntoCompressedBase64(histogram)
}

function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
