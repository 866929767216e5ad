/**
 * An overview as lines of a terminal, of a width and a height. What comes from clients and backends is plain text there: what
 * a terminal obeys is escaped once more, and what is not one column wide is replaced, so that columns stay where they are.
 */
import type { OverviewEvent } from '../config/overview-events.ts'
import { shownText } from '../observe/log-fields.ts'
import type { BackendOverview } from '../proxy/overview.ts'
import { bytes, count, duration, percent, rate } from './units.ts'

export interface ScreenSize {
  readonly columns: number
  /** Undefined: as many as there is to say. */
  readonly rows: number | undefined
}

/** How parts of a line look; without colours it is the text alone. */
export type Paint = (look: Look, text: string) => string
export type Look = 'title' | 'soft' | 'bad' | 'good'

export const PLAIN: Paint = (_, text) => text

/** Narrower than this nothing is readable. */
const LEAST_COLUMNS = 40
const HEAD_ROWS = 4

interface Section {
  readonly title: string
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
  /** What is said where there is nothing. */
  readonly none: string
}

interface Column {
  readonly title: string
  /** Undefined: what is left of the line. */
  readonly width?: number
  readonly right?: boolean
}

interface Row {
  readonly cells: readonly string[]
  readonly look?: Look | undefined
}

/** @param rates calls a second of the last moments, the oldest first. @param notice what is wrong, if anything is */
export function screenOf(
  event: OverviewEvent,
  { rates, notice, address }: { readonly rates: readonly number[]; readonly notice?: string; readonly address: string },
  { columns: given, rows }: ScreenSize,
  paint: Paint,
): string[] {
  const columns = Math.max(LEAST_COLUMNS, given)
  const head = headOf(event, { rates, notice, address }, columns, paint)
  const sections = [endpoints(event), methods(event), calls(event), failures(event)]
  const shares = rowsOf(sections, rows === undefined ? undefined : rows - HEAD_ROWS)
  const lines = [...head, ...sections.flatMap((section, i) => sectionLines(section, shares[i]!, columns, paint))]
  return lines.slice(0, rows)
}

/** How many rows each gets, its title and a line before it with them: none gets more than it has to say. */
function rowsOf(sections: readonly Section[], rows: number | undefined): number[] {
  const wanted = sections.map(section => 2 + Math.max(1, section.rows.length))
  if (rows === undefined) return wanted
  const given = sections.map(() => 0)
  // By turns, so that a long list does not take the place of a short one.
  for (let left = rows; left > 0; ) {
    const next = given.findIndex((got, i) => got < wanted[i]! && got === least(given, wanted))
    if (next < 0) break
    // A title without a line below it says nothing.
    const more = given[next] === 0 ? 3 : 1
    if (more > left) wanted[next] = 0
    else {
      given[next]! += more
      left -= more
    }
  }
  return given
}

function least(given: readonly number[], wanted: readonly number[]): number {
  return Math.min(...given.filter((got, i) => got < wanted[i]!))
}

function headOf(
  event: OverviewEvent,
  { rates, notice, address }: { rates: readonly number[]; notice: string | undefined; address: string },
  columns: number,
  paint: Paint,
): string[] {
  const { version, uptimeMs, notReady, counts, process } = event
  const ready = notReady.length === 0 ? 'ready' : `not ready: ${plain(notReady.join('; '))}`
  const who = cut(`grpc-verbatim ${version}  ${plain(address)}  up ${duration(uptimeMs)}`, columns - ready.length - 2)
  const between = ' '.repeat(Math.max(2, columns - who.length - ready.length))
  const first = `${paint('title', who)}${between}${paint(notReady.length === 0 ? 'good' : 'bad', ready)}`
  const inFlight = `in flight ${count(counts.calls)}   queued ${count(counts.waitingCalls)}   sessions ${count(counts.clientSessions)} / ${count(counts.backendSessions)}`
  const used =
    process &&
    `cpu ${process.cores.toFixed(2)}   loop ${percent(process.loopUse)}   memory ${bytes(process.residentBytes)}`
  return [
    first,
    cut(trafficText(event), columns),
    cut([inFlight, used].filter(Boolean).join('   '), columns),
    notice === undefined ? paint('soft', sparkline(rates, columns)) : paint('bad', cut(plain(notice), columns)),
  ].map(line => line.trimEnd())
}

function trafficText({ traffic, hasMetrics }: OverviewEvent): string {
  if (traffic === undefined)
    return hasMetrics ? 'calls …' : 'calls are not counted: metrics are off in the configuration'
  const { perSecond, failedPerSecond, latency } = traffic
  const failed =
    failedPerSecond === 0 ? '' : `   failed ${rate(failedPerSecond)}/s (${percent(failedPerSecond / perSecond)})`
  const times =
    latency && `   p50 ${duration(latency.p50)}   p90 ${duration(latency.p90)}   p99 ${duration(latency.p99)}`
  return `calls ${rate(perSecond)}/s${failed}${times ?? ''}`
}

const BARS = '▁▂▃▄▅▆▇█'

function sparkline(rates: readonly number[], columns: number): string {
  const shown = rates.slice(-(columns - 20))
  const top = Math.max(1, ...shown)
  const bars = shown.map(value => BARS[Math.min(BARS.length - 1, Math.floor((value / top) * BARS.length))]).join('')
  return bars === '' ? '' : `${bars} ${rate(top)}/s at most`
}

function endpoints({ backends }: OverviewEvent): Section {
  // What does not work comes first: there may be no room for all.
  const rows = backends.toSorted(byTrouble).flatMap(backend => [
    {
      cells: [
        backend.name,
        `${backend.usableCount}/${backend.endpointCount}`,
        '',
        '',
        count(backend.calls),
        backend.waiting > 0 ? `${count(backend.waiting)} queued` : '',
      ],
      look: backend.usableCount === 0 ? ('bad' as const) : ('title' as const),
    },
    ...backend.endpoints
      .toSorted((a, b) => Number(a.usable) - Number(b.usable))
      .map(endpoint => ({
        cells: [
          `  ${endpoint.address}`,
          endpoint.usable ? (endpoint.inUse ? 'in use' : 'spare') : 'down',
          endpoint.share === undefined ? '' : percent(endpoint.share),
          rate(endpoint.perSecond),
          count(endpoint.calls),
          endpoint.reasons.map(({ text }) => text).join('; '),
        ],
        look: endpoint.usable ? undefined : ('bad' as const),
      })),
  ])
  return {
    title: 'endpoints',
    columns: [
      { title: '', width: 30 },
      { title: 'state', width: 7 },
      { title: 'share', width: 6, right: true },
      { title: 'calls/s', width: 8, right: true },
      { title: 'flight', width: 7, right: true },
      { title: 'why' },
    ],
    rows,
    none: 'no backend yet',
  }
}

function byTrouble(a: BackendOverview, b: BackendOverview): number {
  const part = ({ usableCount, endpointCount }: BackendOverview) => usableCount / Math.max(1, endpointCount)
  return part(a) - part(b)
}

function methods({ traffic }: OverviewEvent): Section {
  const rows = (traffic?.methods ?? []).map(({ method, perSecond, failedPerSecond, latency, failures: by }) => ({
    cells: [
      method,
      rate(perSecond),
      rate(failedPerSecond),
      latency === undefined ? '' : duration(latency.p50),
      latency === undefined ? '' : duration(latency.p99),
      Object.entries(by)
        .sort(([, a], [, b]) => b - a)
        .map(([status, times]) => `${status} ${count(times)}`)
        .join(', '),
    ],
    look: failedPerSecond > 0 ? ('bad' as const) : undefined,
  }))
  return {
    title: 'methods',
    columns: [
      { title: '', width: 34 },
      { title: 'calls/s', width: 8, right: true },
      { title: 'failed', width: 7, right: true },
      { title: 'p50', width: 8, right: true },
      { title: 'p99', width: 8, right: true },
      { title: 'in all' },
    ],
    rows,
    none: 'no call has ended yet',
  }
}

function calls({ calls: all }: OverviewEvent): Section {
  return {
    title: 'oldest calls',
    columns: [
      { title: '', width: 34 },
      { title: 'age', width: 8, right: true },
      { title: 'waits for', width: 16 },
      { title: 'client' },
    ],
    rows: all.map(({ path, ageMs, waitsFor, peer }) => ({
      cells: [path, ageMs === undefined ? '' : duration(ageMs), waitsFor, peer],
      look: waitsFor.endsWith('window') || waitsFor === 'queue' ? ('bad' as const) : undefined,
    })),
    none: 'no call is in flight',
  }
}

function failures({ failures: all }: OverviewEvent): Section {
  return {
    title: 'latest failures',
    columns: [
      { title: '', width: 34 },
      { title: 'status', width: 18 },
      { title: 'times', width: 6, right: true },
      { title: 'why' },
    ],
    rows: all.map(({ path, status, times, message, reason, cause }) => ({
      cells: [path, status, count(times), [message || reason, cause].filter(text => text !== '').join(' - ')],
    })),
    none: 'no call has failed',
  }
}

function sectionLines({ title, columns, rows, none }: Section, most: number, width: number, paint: Paint): string[] {
  if (most === 0) return []
  const heading = columns.map((column, i) => (i === 0 ? { ...column, title } : column))
  const head = paint(
    'soft',
    lineOf(
      heading,
      heading.map(column => column.title),
      width,
    ),
  )
  const body =
    rows.length === 0
      ? [paint('soft', none)]
      : rows.map(({ cells, look }) => painted(lineOf(columns, cells, width), look, paint))
  return ['', head, ...body].slice(0, most)
}

function painted(line: string, look: Look | undefined, paint: Paint): string {
  return look === undefined ? line : paint(look, line)
}

function lineOf(columns: readonly Column[], cells: readonly string[], width: number): string {
  let line = ''
  for (const [i, { width: own, right }] of columns.entries()) {
    const room = own === undefined ? Math.max(0, width - line.length) : own + (i === 0 ? moreOfName(width) : 0)
    // Of a path the end says more than its beginning.
    const text = i === 0 ? cutAtStart(plain(cells[i]!), room) : cut(plain(cells[i]!), room)
    line += `${right ? text.padStart(room) : text.padEnd(room)}${own === undefined ? '' : ' '}`
  }
  return line.slice(0, width).trimEnd()
}

/** On a wide screen there is room for whole names. */
function moreOfName(width: number): number {
  return Math.max(0, Math.min(40, Math.floor((width - 80) / 2)))
}

/** Text of a stranger, in columns of one character each. */
function plain(text: string): string {
  return shownText(text).replace(/[^\u0020-\u007e\u00a1-\u024f…]/gu, '?')
}

function cut(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`
}

function cutAtStart(text: string, columns: number): string {
  if (text.length <= columns) return text
  const slash = text.lastIndexOf('/')
  const tail = slash > 0 && text.length - slash < columns ? text.slice(text.length - columns + 1) : undefined
  return tail === undefined ? cut(text, columns) : `…${tail}`
}
