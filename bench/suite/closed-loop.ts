/** Scenarios that keep a number of calls open until enough have ended: cost and throughput. */
import type { LoadReport } from '../load/shape.ts'
import type { Sample } from '../report/record.ts'
import type { Load, Outcome } from './load.ts'
import { ADDED, CALLS, closedMetrics, MAX, MEGABYTES, MESSAGES, P50, P90, P99, P999, type Unit } from './metrics.ts'
import type { Measurement, Opened, Pace, Scenario, Target } from './scenario.ts'
import { startWork, workSample } from './work.ts'

export interface ClosedLoop
  extends Pick<Scenario, 'name' | 'title' | 'world' | 'load' | 'curve' | 'short' | 'maxRounds' | 'unfit'> {
  readonly make: Load
  /**
   * A load that looks at every byte and at each status, where `make` does not: before the rounds a subject must pass
   * `probe` calls of it.
   */
  readonly check?: Load
  readonly unit: Unit
  /** A number of calls that ends soon, for the first look at how fast the target is. */
  readonly probe: number
  /** Calls of one measurement at most, whatever the pace. Default: no limit. */
  readonly most?: number
}

/** The time for a process to start, to connect, and to report. */
const START_SECONDS = { h2load: 0.1, own: 0.5 } as const
/** If this share or less of the warm-up is left, no more calls are made for it. */
const WARM_ENOUGH = 0.2
/** How often calls are mostly made for the warm-up. */
const WARM_UPS = 2
/** The share of a measurement's calls that are made while somebody counts system calls. */
const FEW = 0.1

export function closedLoop(of: ClosedLoop): Scenario {
  const { make, check, unit, probe, most, ...scenario } = of
  const start = START_SECONDS[of.load]
  const checkSeconds = check === undefined ? 0 : START_SECONDS.own
  return {
    ...scenario,
    metrics: closedMetrics(unit),
    cost: ({ seconds, warmUpSeconds }) => ({
      openSeconds: checkSeconds + warmUpSeconds + (1 + WARM_UPS) * start,
      measureSeconds: seconds + start,
    }),
    open: (target, pace) => open(target, pace, of),
  }
}

async function open(target: Target, pace: Pace, of: ClosedLoop): Promise<Opened> {
  const { make, check, unit, probe } = of
  await check?.(target, probe)
  const calls = callsIn(of, pace.seconds, await warmRate(target, pace.warmUpSeconds, of))
  return {
    async measure(): Promise<Measurement> {
      const work = startWork(target)
      const outcome = await make(target, calls)
      const sample = { ...workSample(work(), unit, countOf(outcome, unit), outcome.seconds), ...outcomeSample(outcome) }
      return { sample, histogram: outcome.latency?.histogram }
    },
    async few() {
      return countOf(await make(target, Math.max(Math.min(probe, calls), Math.round(calls * FEW))), unit)
    },
  }
}

/**
 * Makes calls until the seconds are over. A cold subject is slow, so the first look suggests too few calls for them,
 * and more follow.
 * @returns the rate of the last calls that were made
 */
async function warmRate(target: Target, seconds: number, of: ClosedLoop): Promise<number> {
  const { make, probe, most = Number.POSITIVE_INFINITY } = of
  let rate = rateOf(await make(target, probe))
  let [made, left] = [0, seconds]
  while (left > seconds * WARM_ENOUGH && made < most) {
    const outcome = await make(target, callsIn(of, left, rate))
    rate = rateOf(outcome)
    made += outcome.calls
    left -= outcome.seconds
  }
  return rate
}

function callsIn({ probe, most = Number.POSITIVE_INFINITY }: ClosedLoop, seconds: number, rate: number): number {
  return Math.min(most, Math.max(probe, Math.round(rate * seconds)))
}

/** Rates and, where the load knows it, latency. */
export function outcomeSample({ calls, seconds, dataBytes, messages, latency }: Outcome): Sample {
  return {
    [CALLS.name]: calls / seconds,
    [MESSAGES.name]: messages / seconds,
    [MEGABYTES.name]: dataBytes / 1e6 / seconds,
    ...(latency === undefined ? {} : latencySample(latency)),
  }
}

export function latencySample({ p50, p90, p99, p999, max }: LoadReport['latency']): Sample {
  return { [P50.name]: p50, [P90.name]: p90, [P99.name]: p99, [P999.name]: p999, [MAX.name]: max }
}

/** The subject's latency less that of `direct` in the same round. */
export function addedLatency(sample: Sample, direct: Sample): Sample {
  const added: Record<string, number> = {}
  for (const [metric, of] of ADDED) {
    const own = sample[of.name]
    const base = direct[of.name]
    if (own !== undefined && base !== undefined) added[metric.name] = own - base
  }
  return added
}

function countOf({ calls, messages, dataBytes }: Outcome, unit: Unit): number {
  return unit === 'call' ? calls : unit === 'message' ? messages : dataBytes / 1e9
}

function rateOf({ calls, seconds }: Outcome): number {
  return calls / seconds
}
