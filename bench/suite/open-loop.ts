/** Scenarios at a fixed rate that does not wait for answers: response times, from when each call should have begun. */
import { generate } from '../load/generator.ts'
import type { OpenMode } from '../load/shape.ts'
import type { WorldOptions } from '../subjects/world.ts'
import { latencySample } from './closed-loop.ts'
import { addressOf, ownLoad, SMALL } from './load.ts'
import { BUSY, FOREIGN, LAG, LATENCIES, PEAK, RATE, STEADY, unitMetrics } from './metrics.ts'
import { LeftOut, type Measurement, type Opened, type Pace, type Scenario, type Target } from './scenario.ts'
import { startWork, workSample } from './work.ts'

/** The subject whose full load gives the rate of `latency`, where it takes part. */
export const REFERENCE = 'nghttpx'

const CONNECTIONS = 10
/** At full load: 100 calls at once on each connection, as in `m100`. */
const FULL_LOAD_STREAMS = 100
const FULL_LOAD_PROBE_CALLS = 2_000
const FULL_LOAD_RUNS = 2
const FULL_LOAD_SECONDS = 0.5
/** The most in each run. Its first answers come from a generator that is not compiled yet. */
const MAX_RAMP_SECONDS = 1
const START_SECONDS = 0.5
/** The time of a run with its start. The probe before the runs is short. */
const FULL_LOAD_COST_SECONDS = FULL_LOAD_SECONDS + START_SECONDS

const { cpu, user, system, switches } = unitMetrics('call')
const METRICS = [...LATENCIES, cpu, user, system, STEADY, PEAK, switches, LAG, BUSY, FOREIGN, RATE]

export interface Latency {
  readonly name: string
  readonly world: WorldOptions
  /** The share of the full load of nghttpx, or of the slowest that takes part. */
  readonly share: number
  readonly of: 'reference' | 'slowest'
  readonly short?: boolean
}

/**
 * Latency at a share of a subject's full load. Where nghttpx is the measure and is missing or fails, the slowest is
 * used.
 * A subject that cannot carry the rate is left out: its queue would grow as long as the load lasts, and its latency
 * would only say how long that was.
 */
export function latency({ name, world, share, of, short }: Latency): Scenario {
  const whose = of === 'reference' ? `${REFERENCE}'s full load (without it: the slowest's)` : `the slowest's full load`
  let measured: ReturnType<typeof measureOf> | undefined
  return {
    name,
    title: `small unary calls at ${share} of ${whose}, open loop, ${CONNECTIONS} connections; from the intended time`,
    world,
    load: 'own',
    short,
    metrics: METRICS,
    cost: pace => ({
      openSeconds: rampSeconds(pace) + pace.warmUpSeconds + START_SECONDS + FULL_LOAD_RUNS * FULL_LOAD_COST_SECONDS,
      measureSeconds: pace.seconds + rampSeconds(pace) + START_SECONDS,
    }),
    async open(target, pace, all) {
      const asked = of === 'reference' ? pace.rate : undefined
      if (asked === undefined) measured ??= measureOf(of, all)
      const measure = await measured
      const rate = asked ?? Math.round(measure!.callsPerSecond * share)
      const full = target.proxy.child === undefined ? Number.POSITIVE_INFINITY : await fullLoad(target)
      if (full < rate) {
        throw new LeftOut(`carries at most ${Math.round(full)} calls/s, and ${name} has ${rate}: no latency to compare`)
      }
      const note = measure && `the rate is of ${measure.name}'s ${Math.round(measure.callsPerSecond)} calls/s`
      return { ...(await openAtRate(target, pace, rate, CONNECTIONS)), note }
    },
  }
}

export interface Connections {
  readonly name: string
  readonly world: WorldOptions
  readonly connections: number
  readonly rate: number
}

/** A rate that is the same whatever the number of connections. */
export function connections({ name, world, connections: count, rate }: Connections): Scenario {
  return {
    name,
    title: `small unary calls at ${rate} a second, open loop, on ${count} connections`,
    world,
    load: 'own',
    curve: { name: 'connections', unit: 'connections', at: count },
    metrics: METRICS,
    cost: pace => ({
      openSeconds: pace.warmUpSeconds + rampSeconds(pace) + START_SECONDS,
      measureSeconds: pace.seconds + rampSeconds(pace) + START_SECONDS,
    }),
    open: (target, pace) => openAtRate(target, pace, rate, count),
  }
}

export async function openAtRate(target: Target, pace: Pace, rate: number, count: number): Promise<Opened> {
  const warmUpSeconds = rampSeconds(pace)
  const run = (seconds: number): Promise<Measurement> => measure(target, { rate, seconds, warmUpSeconds }, count)
  await run(pace.warmUpSeconds)
  return { measure: () => run(pace.seconds) }
}

function rampSeconds({ seconds }: Pace): number {
  return Math.min(MAX_RAMP_SECONDS, seconds)
}

async function measure(target: Target, at: Omit<OpenMode, 'kind'>, count: number): Promise<Measurement> {
  const work = startWork(target)
  const { calls, latency, lag } = await generate({
    ...addressOf(target),
    connections: count,
    shape: SMALL,
    mode: { kind: 'open', ...at },
  })
  // The ramp's calls are not counted, but they are work.
  const worked = calls * (1 + at.warmUpSeconds / at.seconds)
  const sample = {
    ...workSample(work(), 'call', worked, at.warmUpSeconds + at.seconds),
    ...latencySample(latency),
    ...(lag === undefined ? {} : { [LAG.name]: lag.p99 }),
    [RATE.name]: at.rate,
  }
  return { sample, histogram: latency.histogram }
}

/**
 * The subject whose full load is the measure, and its rate. `direct` has none, because it would be that of the load
 * itself.
 */
export async function measureOf(
  of: Latency['of'],
  all: readonly Target[],
  full: (target: Target) => Promise<number> = fullLoad,
): Promise<{ readonly name: string; readonly callsPerSecond: number }> {
  const proxies = all.filter(({ proxy }) => proxy.child !== undefined)
  const reference = proxies.filter(({ name }) => of === 'reference' && name === REFERENCE)
  // Where the reference cannot be measured, only it is out, and not all the others.
  const found = (await slowestOf(reference, full)) ?? (await slowestOf(proxies.length > 0 ? proxies : all, full))
  if (found === undefined) throw new Error('there is no subject whose full load could be measured')
  return found
}

/** @returns undefined where none of them can be measured */
async function slowestOf(
  targets: readonly Target[],
  full: (target: Target) => Promise<number>,
): Promise<{ readonly name: string; readonly callsPerSecond: number } | undefined> {
  let slowest: { name: string; callsPerSecond: number } | undefined
  for (const target of targets) {
    // A subject that fails a call here reports it when it is measured.
    const callsPerSecond = await full(target).catch(() => undefined)
    if (callsPerSecond !== undefined && callsPerSecond < (slowest?.callsPerSecond ?? Number.POSITIVE_INFINITY)) {
      slowest = { name: target.name, callsPerSecond }
    }
  }
  return slowest
}

const known = new WeakMap<Target, Promise<number>>()

/** Calls a second in a closed loop: the best of some runs, because others on the machine can only make it lower. */
function fullLoad(target: Target): Promise<number> {
  const full = known.get(target) ?? measureFullLoad(target)
  known.set(target, full)
  return full
}

async function measureFullLoad(target: Target): Promise<number> {
  const load = ownLoad(SMALL, { connections: CONNECTIONS, streams: FULL_LOAD_STREAMS })
  const run = async (calls: number): Promise<number> => {
    const { calls: ended, seconds } = await load(target, Math.round(calls))
    return ended / seconds
  }
  let best = await run(FULL_LOAD_PROBE_CALLS)
  for (let i = 0; i < FULL_LOAD_RUNS; i++) {
    best = Math.max(best, await run(Math.max(FULL_LOAD_PROBE_CALLS, best * FULL_LOAD_SECONDS)))
  }
  return best
}
