/** Response times at a fixed rate that does not wait for answers: half of what nghttpx carries at most. */
import { generate } from '../load/generator.ts'
import { DEFAULT_BASE } from './report.ts'
import { FOREIGN, type Pace, PLAIN, type Scenario, type Target } from './scenario.ts'
import { startWork } from './work.ts'

const CONNECTIONS = 10
/** Of the full load: 100 calls at once on each connection, as in `m100`. */
const STREAMS = 100
const FULL_LOAD_CALLS = 20_000
const FULL_LOAD_RUNS = 3
/** In each run: its first answers are those of a generator that is not compiled yet. */
const RAMP_SECONDS = 1

/** @param share of nghttpx's full load */
export function latency(share: number): Scenario {
  let rate: Promise<number> | undefined
  return {
    name: 'latency',
    title: `small unary calls at ${share} of nghttpx's full load, open loop, 10 connections; from the intended time`,
    world: PLAIN,
    needs: [],
    metrics: [
      { name: 'p50 µs', digits: 0 },
      { name: 'p99 µs', digits: 0, bar: { atMost: 1 } },
      { name: 'p99.9 µs', digits: 0 },
      { name: 'CPU µs/call', digits: 1 },
      // The load's own part in the above, the same for all.
      { name: 'lag p99 µs', digits: 0, aside: true },
      FOREIGN,
      { name: 'rate', digits: 0, aside: true },
    ],
    async open(target, pace, all) {
      const reference = all.find(({ name }) => name === DEFAULT_BASE) ?? all[0]!
      if (pace.rate === undefined) rate ??= fullLoad(reference, pace).then(full => Math.round(full * share))
      const callsPerSecond = pace.rate ?? (await rate)!
      await measure(target, callsPerSecond, pace.warmUpSeconds)
      return () => measure(target, callsPerSecond, pace.seconds)
    },
  }
}

async function measure(target: Target, rate: number, seconds: number): Promise<Record<string, number>> {
  const work = startWork(target)
  const result = await generate({
    port: target.proxy.port,
    connections: CONNECTIONS,
    headers: 'same',
    mode: { kind: 'open', rate, seconds, warmUpSeconds: RAMP_SECONDS },
  })
  const { cpuMs, foreign } = work()
  return {
    'p50 µs': result.latency!.p50,
    'p99 µs': result.latency!.p99,
    'p99.9 µs': result.latency!.p999,
    'CPU µs/call': (cpuMs * 1000) / result.calls / (1 + RAMP_SECONDS / seconds),
    'lag p99 µs': result.lag!.p99,
    'foreign %': foreign,
    rate,
  }
}

/** Calls a second in a closed loop: the best of some runs, as others on the machine only ever take from it. */
async function fullLoad({ proxy }: Target, { warmUpSeconds, seconds }: Pace): Promise<number> {
  const run = async (calls: number): Promise<number> => {
    const mode = { kind: 'closed', streams: STREAMS, calls: Math.round(calls) } as const
    const result = await generate({ port: proxy.port, connections: CONNECTIONS, headers: 'same', mode })
    return result.calls / result.seconds
  }
  let best = await run((await run(FULL_LOAD_CALLS)) * warmUpSeconds)
  for (let i = 0; i < FULL_LOAD_RUNS; i++) best = Math.max(best, await run(best * seconds))
  return best
}
