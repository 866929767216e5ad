/** A rolling deploy: all endpoints are replaced by new ones, some at a time, while calls come. */
import { Fleet, type FleetOptions, Tally } from './fleet.ts'
import type { Server } from './server.ts'
import { nameOf, SETTLE_MS } from './spread.ts'

/** How an old endpoint goes. */
export type Leaving =
  /** It is off the list first; when every proxy has heard of that, it says GOAWAY and finishes what it has. */
  | 'orderly'
  /** It says GOAWAY as soon as the new one is there, and the proxies hear of it later. */
  | 'goaway'
  /** It is killed as soon as the new one is there, and the proxies hear of it later. */
  | 'killed'

export interface DeployOptions {
  readonly fleet: FleetOptions
  readonly leaving: Leaving
  /** So many are replaced at a time. */
  readonly batch: number
  readonly everyMs: number
  /** A proxy hears of a change within this time. */
  readonly toldWithinMs: number
  /** A call that takes longer than this was hit. */
  readonly slowMs: number
}

export interface Moment {
  /** From the beginning of the deploy; the one before is negative. */
  readonly atMs: number
  readonly p99Ms: number
  readonly calls: number
}

export interface Deploy {
  readonly balancer: string
  readonly slowStart: boolean
  readonly leaving: Leaving
  readonly calls: number
  /** Calls that failed. Those on an endpoint that was killed cannot be anything else. */
  readonly failed: number
  /** Calls that were on an endpoint when it was killed. */
  readonly onKilled: number
  /** Calls that took longer than `slowMs`, before the deploy and during it. */
  readonly slowBefore: number
  readonly slow: number
  /** Sessions that were dialled during the deploy. */
  readonly dialled: number
  readonly moments: readonly Moment[]
}

/** Before the deploy, and each step of the curve. */
const BEFORE_MS = 2_000
const STEP_MS = 500
/** Behind the last batch, until all is warm. */
const AFTER_MS = 9_000

export function deploy(options: DeployOptions): Deploy {
  const { batch, everyMs, leaving, slowMs } = options
  const fleet = new Fleet(options.fleet)
  let servers: readonly Server[] = [...fleet.servers.values()]
  fleet.run(SETTLE_MS)
  const beginMs = fleet.agenda.now() + BEFORE_MS
  const { dialled } = fleet.transport
  for (let at = 0; at < servers.length; at += batch) {
    const old = servers.slice(at, at + batch)
    fleet.agenda.after(BEFORE_MS + (at / batch) * everyMs, () => {
      const fresh = old.map(() => fleet.addServer(false))
      servers = [...servers.filter(server => !old.includes(server)), ...fresh]
      fleet.tell(servers, options.toldWithinMs)
      goAway(fleet, old, options)
    })
  }
  const moments: Moment[] = []
  let [calls, failed, slowBefore, slow] = [0, 0, 0, 0]
  const endMs = beginMs + (servers.length / batch) * everyMs + AFTER_MS
  while (fleet.agenda.now() < endMs) {
    const atMs = fleet.agenda.now() - beginMs
    const tally = new Tally(slowMs)
    fleet.tally = tally
    fleet.run(STEP_MS)
    const { latency } = tally
    failed += tally.failed
    if (atMs < 0) slowBefore += tally.slow
    else slow += tally.slow
    calls += latency.totalCount + tally.failed
    moments.push({ atMs, p99Ms: latency.getValueAtPercentile(99) / 1_000, calls: latency.totalCount })
  }
  return {
    balancer: nameOf(options.fleet.balancer),
    slowStart: options.fleet.slowStart !== undefined,
    leaving,
    calls,
    failed,
    onKilled: [...fleet.servers.values()].reduce((sum, { lost }) => sum + lost, 0),
    ...{ slowBefore, slow, dialled: fleet.transport.dialled - dialled, moments },
  }
}

function goAway(fleet: Fleet, old: readonly Server[], { leaving, toldWithinMs, everyMs }: DeployOptions): void {
  if (leaving === 'killed') for (const server of old) server.kill()
  else if (leaving === 'goaway') for (const server of old) server.leave()
  // A proxy that has heard of one list only with the next one has heard of it by then.
  else
    fleet.agenda.after(toldWithinMs + everyMs, () => {
      for (const server of old) server.leave()
    })
}
