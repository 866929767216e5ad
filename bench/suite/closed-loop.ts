/** Scenarios that keep a number of calls open until enough have ended: cost and throughput. */
import type { HeaderKind } from '../load/call-images.ts'
import { generate } from '../load/generator.ts'
import { type ClosedLoad, h2load, type LoadResult } from '../load/h2load.ts'
import { BULK_BYTES, BULK_PATH, SMALL_BYTES, SMALL_PATH, type WorldOptions } from '../subjects/world.ts'
import type { Measure, Metric, Pace, Scenario, Target } from './scenario.ts'
import { startWork } from './work.ts'

/** Makes that many calls. */
export type Load = (target: Target, calls: number) => Promise<LoadResult>

export interface Small {
  readonly name: string
  readonly title: string
  readonly world: WorldOptions
  readonly streams: number
  readonly metrics: readonly Metric[]
}

const CONNECTIONS = 10
const MEBIBYTES_A_GIGABYTE = 1e9 / BULK_BYTES

/** The small unary call, on ten connections. */
export function small({ name, title, world, streams, metrics }: Small): Scenario {
  return {
    name,
    title,
    world,
    metrics,
    needs: ['h2load'],
    open: (target, pace) => openClosedLoop(target, pace, h2loadOf(SMALL_PATH, SMALL_BYTES, streams), 1_000, perCall),
  }
}

/** The small unary call from our own load: headers that h2load cannot make, and more calls than it can. */
export function generated(of: Small, headers: HeaderKind): Scenario {
  const load: Load = ({ proxy }, calls) =>
    generate({
      port: proxy.port,
      connections: CONNECTIONS,
      headers,
      mode: { kind: 'closed', streams: of.streams, calls },
    })
  return { ...of, needs: [], open: (target, pace) => openClosedLoop(target, pace, load, 1_000, perCall) }
}

/** 1 MiB responses, on four connections with four calls each. */
export function bulk(name: string, metrics: readonly Metric[], world: WorldOptions): Scenario {
  const load: ClosedLoad = { clients: 4, streams: 4, windowBits: [24, 26] }
  return {
    name,
    title: `1 MiB responses, 4 connections × 4 calls${world.tls ? ', TLS on both sides' : ''}`,
    world,
    metrics,
    needs: ['h2load'],
    open: (target, pace) =>
      openClosedLoop(
        target,
        pace,
        (of, calls) => h2load(request(of, BULK_PATH, BULK_BYTES), load, calls),
        64,
        (cpuMs, { calls, seconds }) => ({
          'CPU ms/GB': (cpuMs / calls) * MEBIBYTES_A_GIGABYTE,
          'MB/s': (calls * BULK_BYTES) / 1e6 / seconds,
        }),
      ),
  }
}

/** Both numbers of calls that are all alike. */
export function perCall(cpuMs: number, { calls, seconds }: LoadResult): Record<string, number> {
  return { 'CPU µs/call': (cpuMs * 1000) / calls, 'calls/s': calls / seconds, 'busy %': cpuMs / seconds / 10 }
}

/** @param probe calls that are surely over soon: the first look at how fast the target is */
export async function openClosedLoop(
  target: Target,
  pace: Pace,
  load: Load,
  probe: number,
  sampleOf: (cpuMs: number, result: LoadResult) => Record<string, number>,
): Promise<Measure> {
  const first = rateOf(await load(target, probe))
  const warm = rateOf(await load(target, Math.max(probe, Math.round(first * pace.warmUpSeconds))))
  const calls = Math.max(probe, Math.round(warm * pace.seconds))
  return async () => {
    const work = startWork(target)
    const result = await load(target, calls)
    const { cpuMs, foreign } = work()
    return { ...sampleOf(cpuMs, result), 'foreign %': foreign }
  }
}

function rateOf({ calls, seconds }: LoadResult): number {
  return calls / seconds
}

function h2loadOf(path: string, bytes: number, streams: number): Load {
  return (target, calls) => h2load(request(target, path, bytes), { clients: CONNECTIONS, streams }, calls)
}

function request(target: Target, path: string, responseBytes: number) {
  const scheme = target.world.tls === undefined ? 'http' : 'https'
  return { url: `${scheme}://127.0.0.1:${target.proxy.port}${path}`, bodyFile: target.world.message, responseBytes }
}
