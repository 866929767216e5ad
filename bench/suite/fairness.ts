/** What one bulk stream does to small calls on the same session: each round measures them alone and beside it. */
import { fileURLToPath } from 'node:url'
import type { FairnessOptions, FairnessReport } from '../load/fairness.ts'
import { Child } from '../measure/child.ts'
import type { Metric } from '../report/record.ts'
import { NODE } from '../subjects/verbatim.ts'
import type { WorldOptions } from '../subjects/world.ts'
import type { Measurement, Scenario, Target } from './scenario.ts'

const PROGRAM = fileURLToPath(new URL('../load/fairness.ts', import.meta.url))
/** Together with the bulk stream they are the hundred that servers allow on a session. */
const SMALL_CALLS = 99
const TIMEOUT_MS = 60_000
const START_SECONDS = 0.5
/** The share of one measurement's time; the other half is beside the bulk stream. */
const ALONE_SHARE = 0.5

const us = (name: string): Metric => ({ name, unit: 'µs', digits: 0, better: 'less' })
const ALONE = us('p99 alone')
const BESIDE = us('p99 beside bulk')
const MEDIAN_BESIDE = us('p50 beside bulk')
/** The backend, the client and the kernel's buffers delay small calls too: `direct` shows by how much. */
const TIMES: Metric = { name: 'p99 beside ÷ alone', unit: '×', digits: 2, better: 'less' }
const BULK: Metric = { name: 'bulk MB/s', unit: 'MB/s', digits: 0, better: 'more' }

export function fairness(world: WorldOptions): Scenario {
  return {
    name: 'fairness',
    title: `${SMALL_CALLS} small calls at a time on one session, alone and beside a bulk stream`,
    world,
    load: 'own',
    metrics: [TIMES, BESIDE, MEDIAN_BESIDE, ALONE, BULK],
    cost: ({ seconds, warmUpSeconds }) => ({
      openSeconds: warmUpSeconds + 2 * START_SECONDS,
      measureSeconds: seconds + 2 * START_SECONDS,
    }),
    async open(target, pace) {
      await measure(target, pace.warmUpSeconds)
      return { measure: () => measure(target, pace.seconds) }
    },
  }
}

async function measure({ proxy: { port } }: Target, seconds: number): Promise<Measurement> {
  const alone = await run({ port, seconds: seconds * ALONE_SHARE, bulk: false })
  const beside = await run({ port, seconds: seconds * (1 - ALONE_SHARE), bulk: true })
  const sample = {
    [TIMES.name]: beside.latency.p99 / alone.latency.p99,
    [BESIDE.name]: beside.latency.p99,
    [MEDIAN_BESIDE.name]: beside.latency.p50,
    [ALONE.name]: alone.latency.p99,
    [BULK.name]: beside.bulkBytesPerSecond / 1e6,
  }
  return { sample, histogram: beside.latency.histogram }
}

async function run(how: Omit<FairnessOptions, 'smallCalls'>): Promise<FairnessReport> {
  const options: FairnessOptions = { ...how, smallCalls: SMALL_CALLS }
  const child = new Child({ command: NODE, args: [PROGRAM, JSON.stringify(options)], core: 1 })
  return JSON.parse(await child.output(TIMEOUT_MS)) as FairnessReport
}
