/** A report as a table, in cells for the page and in lines for the terminal. */
import { alignedLines, wrapText } from './columns.ts'
import type { Difference } from './comparison.ts'
import type { Latency } from './histogram.ts'
import { missingShare, type Report, responsesDiffer, type WayReport } from './report.ts'

export interface Table {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** Sentences that hold for all of it. */
  readonly notes: readonly string[]
}

/** If the load is later than this, it measures itself too. */
const LATE_US = 5_000

const ROWS: readonly (readonly [name: string, key: keyof Latency, percentile: number | undefined])[] = [
  ['p50', 'p50', 50],
  ['p90', 'p90', 90],
  ['p99', 'p99', 99],
  ['p99.9', 'p999', 99.9],
  ['max', 'max', undefined],
]

export function tableOf(report: Report): Table {
  const { ways, differences } = report
  const compared = differences !== undefined
  const row = (name: string, of: (way: WayReport) => string): string[] => [
    name,
    ...ways.map(of),
    ...(compared ? [''] : []),
  ]
  const latencies = ROWS.map(([name, key, percentile]) => {
    const cells = row(name, ({ latencyUs }) => (latencyUs === undefined ? '–' : time(latencyUs[key])))
    const difference = differences?.find(one => one.percentile === percentile)
    if (difference !== undefined) cells[cells.length - 1] = differenceText(difference)
    return cells
  })
  const lateness = row('begun late, p99', ({ lateUs }) => (lateUs === undefined ? '–' : time(lateUs.p99)))
  const responses = row('responses/call', ({ responsesPerCall }) => String(Number(responsesPerCall.toPrecision(4))))
  return {
    head: ['latency', ...ways.map(({ name }) => name), ...(compared ? ['via − direct (95 % interval)'] : [])],
    rows: [
      ...latencies,
      row('calls', ({ calls }) => number(calls)),
      row('calls/s', ({ callsPerSecond }) => number(callsPerSecond)),
      row('failed', ({ failed, calls }) => failedText(failed, calls)),
      ...endingRows(report, compared),
      ...(ways.every(({ responsesPerCall }) => responsesPerCall === 1) ? [] : [responses]),
      ...(report.load.kind === 'open' ? [lateness] : []),
    ],
    notes: notesOf(report),
  }
}

/** The width of lines with sentences. */
const SENTENCE_COLUMNS = 100

/** Lines for a terminal. */
export function terminalText(report: Report): string {
  if (report.ways.every(({ calls }) => calls === 0)) return `Nothing was measured: ${report.stopped?.reason}.`
  const { head, rows, notes } = tableOf(report)
  const aligned = alignedLines([head, ...rows], column => column === 0 || column > report.ways.length)
  return [...headOf(report).map(wrapped), '', ...aligned, '', ...notes.map(wrapped)].join('\n')
}

function wrapped(sentence: string): string {
  return wrapText(sentence, SENTENCE_COLUMNS).join('\n')
}

/** What was measured, a line each. */
export function headOf(report: Report): string[] {
  const { path, load, connections, messageBytes, slices, sliceSeconds, warmUpSeconds, ways } = report
  const how =
    load.kind === 'closed'
      ? `closed loop, ${plural(load.concurrency, 'call')} at a time`
      : `open loop, ${number(load.rate)} calls a second`
  const turns = `${slices} slices of ${number(sliceSeconds)} s${ways.length > 1 ? ' each, in turn' : ''}`
  return [
    path,
    ...ways.map(({ name, address }) => `${name.padEnd(6)}  ${address}`),
    `${how} on ${plural(connections, 'connection')}; message of ${plural(messageBytes, 'byte')}; ${turns}, after ${number(warmUpSeconds)} s of warm-up`,
  ]
}

/** Microseconds with three digits or more: `152 µs`, `3.21 ms`, `1.20 s`. */
export function time(us: number): string {
  const size = Math.abs(us)
  if (size < 1_000) return `${Math.round(us)} µs`
  if (size < 1_000_000) return `${(us / 1_000).toPrecision(size < 100_000 ? 3 : 4)} ms`
  return `${(us / 1_000_000).toFixed(2)} s`
}

function differenceText({ differenceUs, interval, verdict }: Difference): string {
  if (interval === undefined) return `${signed(differenceUs)}, ${verdict} for an interval`
  const range = `${signed(interval.lowUs)} to ${signed(interval.highUs)}`
  return verdict === 'no difference shown' ? `${verdict} (${range})` : `${signed(differenceUs)} (${range})`
}

function signed(us: number): string {
  return us === 0 ? '0' : `${us > 0 ? '+' : '−'}${time(Math.abs(us))}`
}

function failedText(failed: number, calls: number): string {
  return failed === 0 ? '0' : `${number(failed)} (${Number(((failed / calls) * 100).toPrecision(2))} %)`
}

/** A row for each status but OK. */
function endingRows({ ways }: Report, compared: boolean): string[][] {
  const statuses = [...new Set(ways.flatMap(({ endings }) => endings.map(({ status }) => status)))].filter(
    one => one > 0,
  )
  return statuses
    .sort((a, b) => a - b)
    .map(status => {
      const endings = ways.map(way => way.endings.find(ending => ending.status === status))
      const { name, detail } = endings.find(ending => ending !== undefined)!
      const counts = endings.map(ending => number(ending?.count ?? 0))
      // The detail is last, where nothing is aligned; with one way alone there is no such column, and the detail is in
      // the notes.
      return [`  ${status} ${name}`, ...counts, ...(compared ? [detail] : [])]
    })
}

function notesOf(report: Report): string[] {
  const { ways, load, differences, noDifference, method, stopped } = report
  const notes: string[] = []
  if (stopped !== undefined) notes.push(`Not whole: ${stopped.reason}.`)
  if (differences !== undefined) notes.push(method)
  else {
    if (ways.length > 1) notes.push(`No difference is told: ${noDifference}.`)
    for (const { name, endings } of ways) {
      for (const { status, name: statusName, detail } of endings) {
        if (status !== 0 && detail !== '') notes.push(`${name}: ${status} ${statusName} said "${detail}".`)
      }
    }
  }
  // Beyond a bound it is the reason why there is no difference, which is told above.
  if (differences !== undefined && missingShare(ways) > 0) notes.push(`Note that ${responsesDiffer(ways)}.`)
  for (const { name, calls, failed, responsesPerCall } of ways) {
    if (calls > failed && responsesPerCall === 0) notes.push(`${name}: calls ended with OK, and without a message.`)
  }
  if (ways.some(({ failed }) => failed > 0)) notes.push('Latencies are of the calls that ended with OK.')
  if (load.kind === 'closed') {
    notes.push('Closed loop: while the service stalls no calls begin, so that stalls count little; --rate counts them.')
  }
  notes.push(...ways.flatMap(partsMissing))
  const unsteady = ways.filter(({ steady }) => !steady)
  if (unsteady.length > 0) {
    const names = unsteady.map(({ name }) => name).join(' and ')
    notes.push(
      `Calls ${names} last longer than the lead-in (${time(report.leadInSeconds * 1e6)}): fewer are open than --rate ` +
        'would keep open, and latencies may be too low: give a longer --duration. Calls/s are all calls by wall time.',
    )
  }
  const latest = Math.max(...ways.map(({ lateUs }) => lateUs?.p99 ?? 0))
  if (latest > LATE_US) {
    notes.push(
      `The load itself was late by ${time(latest)} at p99, which is part of all latencies: give a lower --rate.`,
    )
  }
  return notes
}

/** Calls of a way that began but are not in its numbers. */
function partsMissing({ name, slices }: WayReport): string[] {
  const cut = slices.filter(slice => slice.cut !== undefined)
  const left = slices.reduce((sum, slice) => sum + slice.left, 0)
  const notes: string[] = []
  if (cut.length > 0) {
    notes.push(`${name}: ${plural(cut.length, 'slice')} of ${slices.length} cut short; the first: ${cut[0]!.cut}.`)
  }
  if (left > 0) {
    notes.push(`${name}: ${plural(left, 'call')} had not ended when it was stopped: no percentile has them.`)
  }
  return notes
}

function number(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 })
}

function plural(count: number, noun: string): string {
  return `${number(count)} ${noun}${count === 1 ? '' : 's'}`
}
