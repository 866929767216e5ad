/**
 * Judges a stretch of load: each call that failed is put down to what was done to the endpoint where it was. What cannot be
 * put down to anything is the proxy's.
 */
import { newHistogram, recordMs } from '../../../src/bench/histogram.ts'
import type { EndpointProcess, Fault, Trouble } from './endpoint.ts'
import type { Ended } from './load.ts'
import type { CallRecord } from './subject.ts'

export interface Verdict {
  readonly calls: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** The failed calls, by the fault of the endpoint where they were. */
  readonly lost: ReadonlyMap<Fault, number>
  /** Calls that an endpoint received while it was slow, silent, or answered UNAVAILABLE. */
  readonly mistreated: number
  /** Calls that failed, and no endpoint had received them, nor could they be lost on the way to one. Each is a sentence. */
  readonly unprocessed: readonly string[]
  /** Calls that failed after an endpoint received them, where nothing was wrong with it. */
  readonly unexplained: readonly string[]
  /** Calls that two endpoints received. No client asked for that. */
  readonly twice: readonly string[]
}

/** A process that was frozen needs a moment for what had piled up; so does one that stood still with its machine. */
const AFTERMATH_MS = 2_000

/** The latest, where one followed the other. */
function troubleOf({ troubles }: EndpointProcess, { begunMs, endedMs }: Ended): Trouble | undefined {
  return troubles.findLast(({ fromMs, toMs }) => fromMs <= endedMs && toMs + AFTERMATH_MS >= begunMs)
}

/** What was done to any of them: for a call of which the proxy tells nothing. */
function anyTrouble(endpoints: readonly EndpointProcess[], call: Ended): Trouble | undefined {
  return endpoints.map(endpoint => troubleOf(endpoint, call)).find(found => found !== undefined)
}

/** Which endpoints received each call. */
function receivedBy(endpoints: readonly EndpointProcess[]): Map<string, EndpointProcess[]> {
  const by = new Map<string, EndpointProcess[]>()
  for (const endpoint of endpoints)
    for (const name of endpoint.received().keys()) {
      const before = by.get(name)
      if (before === undefined) by.set(name, [endpoint])
      else before.push(endpoint)
    }
  return by
}

/**
 * @param ended of one stretch of load
 * @param records what the proxy says of them
 * @param endpoints all that there ever were
 * @param tellsAll the proxy tells of each call. If not, it has the benefit of the doubt
 */
export function judge(
  ended: readonly Ended[],
  records: ReadonlyMap<string, CallRecord>,
  endpoints: readonly EndpointProcess[],
  tellsAll: boolean,
): Verdict {
  const received = receivedBy(endpoints)
  const byPort = new Map(endpoints.map(endpoint => [endpoint.port, endpoint]))
  const lost = new Map<Fault, number>()
  const [unprocessed, unexplained, twice]: string[][] = [[], [], []]
  const latency = newHistogram()
  for (const call of ended) {
    recordMs(latency, call.latencyMs)
    const there = received.get(call.name) ?? []
    if (there.length > 1) twice!.push(`${call.name} at ${there.map(({ name }) => name).join(' and ')}`)
    if (call.status === 0) continue
    const record = records.get(call.name)
    const sentTo = record?.port === undefined ? undefined : byPort.get(record.port)
    const known = [...there, ...(sentTo === undefined ? [] : [sentTo])]
      .map(endpoint => troubleOf(endpoint, call))
      .find(found => found !== undefined)
    const doubtful = tellsAll || record !== undefined || there.length > 0 ? undefined : anyTrouble(endpoints, call)
    const trouble = known ?? doubtful
    if (trouble !== undefined) lost.set(trouble.fault, (lost.get(trouble.fault) ?? 0) + 1)
    else (there.length > 0 ? unexplained! : unprocessed!).push(described(call, record, there))
  }
  const names = new Set(ended.map(({ name }) => name))
  let mistreated = 0
  for (const endpoint of endpoints)
    for (const [name, treatment] of endpoint.received()) if (treatment !== 'answer' && names.has(name)) mistreated++
  const at = (percent: number): number => latency.getValueAtPercentile(percent) / 1_000
  return {
    ...{ calls: ended.length, p50Ms: at(50), p99Ms: at(99), maxMs: at(100), lost, mistreated },
    ...{ unprocessed: unprocessed!, unexplained: unexplained!, twice: twice! },
  }
}

function described(call: Ended, record: CallRecord | undefined, there: readonly EndpointProcess[]): string {
  const where = there.length === 0 ? 'nowhere' : there.map(({ name }) => name).join(' and ')
  const told = record === undefined ? 'nothing' : `port ${record.port ?? 'none'}, ${record.reason || 'no reason'}`
  const time = `${new Date(call.begunMs).toISOString().slice(11, 23)} +${call.endedMs - call.begunMs} ms`
  return `${call.name}: status ${call.status} ${call.problem}; received ${where}; the proxy says: ${told}; ${time}`
}
