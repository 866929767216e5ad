/** A measurement as it is reported: `--json` writes it, and the table and the page are made of it. */
import os from 'node:os'
import { encodeIntoCompressedBase64 } from 'hdr-histogram-js'
import { PREFIX_BYTES } from '../grpc/message.ts'
import { Status, statusName } from '../grpc/status.ts'
import { FAILED_SHARE_MAX, SEED, SLICES } from './bounds.ts'
import { compare, type Difference, METHOD } from './comparison.ts'
import { type Latency, latencyOf, merged } from './histogram.ts'
import type { Measurement } from './measure.ts'
import { shownDetail, withoutSecrets } from './metadata.ts'
import type { Load, Plan, WayName } from './plan.ts'
import type { Slice } from './slice.ts'

export interface WayReport {
  readonly name: WayName
  readonly address: string
  readonly authority: string
  /** Calls that count, and those of them that did not end with OK. */
  readonly calls: number
  readonly failed: number
  readonly endings: readonly Ending[]
  readonly seconds: number
  /**
   * False in the open loop where calls last longer than the lead-in, so that fewer are open than the rate keeps open.
   */
  readonly steady: boolean
  /**
   * Calls that ended with OK. Where it is not steady, all calls by all the time, with lead-ins and the wait for the
   * last.
   */
  readonly callsPerSecond: number
  /** Response messages of calls that ended with OK. A proxy that leaves them out would look fast. */
  readonly responsesPerCall: number
  /** The latency of calls that ended with OK; undefined where none did. */
  readonly latencyUs: Latency | undefined
  /** For the open loop: how much later than intended calls began. That is the load's own fault, and part of latency. */
  readonly lateUs: Latency | undefined
  /**
   * The values of `latencyUs`: an HDR histogram of microseconds, as hdr-histogram-js encodes it (V2, compressed,
   * base64).
   */
  readonly histogram: string
  readonly slices: readonly SliceReport[]
}

export interface Ending {
  readonly status: number
  readonly name: string
  readonly count: number
  /** The detail of the first of them. */
  readonly detail: string
}

export interface SliceReport {
  readonly calls: number
  readonly failed: number
  readonly seconds: number
  readonly complete: boolean
  /** Calls that were open when it was stopped. They are in no percentile. */
  readonly left: number
  /** Why it was cut short, where nobody stopped it. */
  readonly cut: string | undefined
  readonly latencyUs: Latency | undefined
}

export interface Report {
  readonly format: 1
  /** ISO 8601, when it ended. */
  readonly date: string
  /** The command that repeats it, without secrets. */
  readonly command: string
  readonly machine: { readonly cpu: string; readonly cores: number; readonly system: string; readonly node: string }
  readonly path: string
  /** Without gRPC's prefix. */
  readonly messageBytes: number
  readonly load: Load
  readonly connections: number
  /** The planned number for each way. */
  readonly slices: number
  readonly sliceSeconds: number
  readonly leadInSeconds: number
  readonly warmUpSeconds: number
  readonly timeoutMs: number
  readonly seed: number
  readonly ways: readonly WayReport[]
  /** via − direct. Where it is undefined, `noDifference` says why. */
  readonly differences: readonly Difference[] | undefined
  readonly noDifference: string | undefined
  readonly method: string
  /** Why it ended before its time. */
  readonly stopped: Measurement['stopped']
}

export function reportOf(plan: Plan, { slices, leadInMs, stopped }: Measurement): Report {
  const ways = plan.ways.map(way => wayReport(plan, way.name, slices[way.name] ?? [], leadInMs))
  const noDifference = whyNone(ways)
  const differences = noDifference === undefined ? differencesOf(slices, missingShare(ways)) : undefined
  const clean = (text: string): string => withoutSecrets(text, plan.secrets)
  const sliceSeconds = plan.durationMs / 1_000 / SLICES
  return {
    format: 1,
    date: new Date().toISOString(),
    command: plan.command,
    machine: {
      cpu: os.cpus()[0]?.model ?? 'unknown',
      cores: os.availableParallelism(),
      system: `${os.type()} ${os.release()}`,
      node: process.version,
    },
    path: plan.path,
    messageBytes: plan.message.length - PREFIX_BYTES,
    load: plan.load,
    connections: plan.connections,
    slices: SLICES,
    sliceSeconds,
    leadInSeconds: leadInMs / 1_000,
    warmUpSeconds: plan.warmUpMs / 1_000,
    timeoutMs: plan.timeoutMs,
    seed: SEED,
    ways,
    differences,
    noDifference: noDifference ?? (differences === undefined ? 'too few slices were measured of both' : undefined),
    method: METHOD,
    stopped: stopped && { ...stopped, reason: clean(stopped.reason) },
  }
}

/** Whether a way has too many failures for its numbers to mean something. */
export function isFailing({ calls, failed }: Pick<WayReport, 'calls' | 'failed'>): boolean {
  return failed > calls * FAILED_SHARE_MAX
}

function wayReport(plan: Plan, name: WayName, slices: readonly Slice[], leadInMs: number): WayReport {
  const { target, authority } = plan.ways.find(way => way.name === name)!
  const histogram = merged(slices.map(({ latency }) => latency))
  const seconds = sum(slices, slice => slice.seconds)
  const calls = sum(slices, slice => slice.calls)
  const failed = sum(slices, slice => slice.failed)
  const latencyUs = latencyOf(histogram)
  const steady = plan.load.kind === 'closed' || (latencyUs?.p99 ?? 0) <= leadInMs * 1_000
  return {
    name,
    address: target.name,
    authority,
    calls,
    failed,
    endings: endingsOf(slices, plan.secrets),
    seconds,
    steady,
    callsPerSecond: steady ? per(calls - failed, seconds) : per(calls - failed, calls) * wallRate(slices),
    responsesPerCall: per(
      sum(slices, slice => slice.responses),
      calls - failed,
    ),
    latencyUs,
    lateUs: plan.load.kind === 'open' ? latencyOf(merged(slices.map(({ late }) => late))) : undefined,
    histogram: encodeIntoCompressedBase64(histogram),
    slices: slices.map(slice => ({
      calls: slice.calls,
      failed: slice.failed,
      seconds: slice.seconds,
      complete: slice.complete,
      left: slice.left,
      cut: slice.cut && shownDetail(slice.cut, plan.secrets),
      latencyUs: latencyOf(slice.latency),
    })),
  }
}

function endingsOf(slices: readonly Slice[], secrets: readonly string[]): Ending[] {
  const byStatus = new Map<number, { count: number; detail: string }>()
  for (const [status, { count, detail }] of slices.flatMap(({ endings }) => [...endings])) {
    const known = byStatus.get(status)
    if (known === undefined) byStatus.set(status, { count, detail: shownDetail(detail, secrets) })
    else known.count += count
  }
  const endings = [...byStatus].map(([status, ending]) => ({ status, name: statusName(status), ...ending }))
  return endings.sort((a, b) => a.status - b.status)
}

function whyNone(ways: readonly WayReport[]): string | undefined {
  if (ways.length < 2) return 'only one address was measured'
  const failing = ways.filter(isFailing)
  if (failing.length === 0) return isMissing(ways) ? responsesDiffer(ways) : undefined
  const shares = failing.map(({ name, calls, failed }) => `${percent(failed / calls)} of the calls ${name}`)
  const statuses = `did not end with ${statusName(Status.OK)}`
  return `${shares.join(' and ')} ${statuses}, and at most ${percent(FAILED_SHARE_MAX)} may`
}

/** `… are 1 direct and 0 via` */
export function responsesDiffer(ways: readonly WayReport[]): string {
  const each = ways.map(({ name, responsesPerCall }) => `${Number(responsesPerCall.toPrecision(4))} ${name}`)
  return `the same work was not done: messages in response to a call are ${each.join(' and ')}`
}

/** The share of response messages that one way lacks. They are like failed calls that nobody noticed. */
export function missingShare(ways: readonly WayReport[]): number {
  const counts = ways.map(({ responsesPerCall }) => responsesPerCall)
  const most = Math.max(...counts)
  return most === 0 ? 0 : 1 - Math.min(...counts) / most
}

/** Whether a way has too few responses for its numbers to be about the same work. */
export function isMissing(ways: readonly WayReport[]): boolean {
  return missingShare(ways) > FAILED_SHARE_MAX
}

function differencesOf({ direct = [], via = [] }: Measurement['slices'], missing: number): Difference[] | undefined {
  const pairs = direct.flatMap((slice, i) => {
    const beside = via[i]
    return slice.complete && beside?.complete === true ? [[slice.latency, beside.latency] as const] : []
  })
  return compare(
    pairs.map(([one]) => one),
    pairs.map(([, other]) => other),
    Math.max(failedShare(direct), failedShare(via)) + missing,
  )
}

function failedShare(slices: readonly Slice[]): number {
  return per(
    sum(slices, ({ failed }) => failed),
    sum(slices, ({ calls }) => calls),
  )
}

function wallRate(slices: readonly Slice[]): number {
  return per(
    sum(slices, ({ begun }) => begun),
    sum(slices, ({ wallSeconds }) => wallSeconds),
  )
}

function per(many: number, count: number): number {
  return count === 0 ? 0 : many / count
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0)
}
