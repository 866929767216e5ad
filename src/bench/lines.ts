/** Charts of lines, with one line for each subject and its name at the end. Latency by percentile is one of them. */
import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import { logAxis, spreadLabels } from './axes.ts'
import { wrapText } from './columns.ts'
import type { Spec } from './draw.ts'
import { type Look, looked } from './look.ts'

export interface LineStyle {
  readonly looks: ReadonlyMap<string, Look>
  readonly title: string
  readonly subtitle: string
}

export interface Point {
  readonly subject: string
  readonly x: number
  readonly y: number
  /** The range over the rounds. */
  readonly least?: number
  readonly most?: number
  /** If it is there, the point gets a mark, and people who cannot see the chart get this text. */
  readonly about?: string
}

export interface LinePanel {
  readonly name: string
  readonly title: string
  readonly xAxis: Spec
  readonly xScale: Spec
  readonly yTitle: string
  readonly points: readonly Point[]
  /** Each is a line in red. */
  readonly failed: readonly string[]
}

const COLUMNS = 2
const PLOT_PX = { narrow: 290, wide: 660 } as const
const HEIGHT_PX = 240
const LABEL_GAP_PX = 13
const FAILED_PX = 16
const TITLE_CHARACTERS = 62

export function linesSpec(panels: readonly LinePanel[], style: LineStyle): Spec {
  const width = panels.length === 1 ? PLOT_PX.wide : PLOT_PX.narrow
  return {
    title: { text: style.title, subtitle: wrapText(style.subtitle, 2 * TITLE_CHARACTERS), fontSize: 16, offset: 14 },
    columns: COLUMNS,
    spacing: { row: 26, column: 22 },
    resolve: { scale: { x: 'independent', y: 'independent', color: 'shared', shape: 'shared', strokeDash: 'shared' } },
    concat: panels.map(panel => panelSpec(panel, style, width)),
  }
}

function panelSpec(panel: LinePanel, { looks }: LineStyle, width: number): Spec {
  const { points, failed, xAxis, xScale, yTitle } = panel
  const values = points.flatMap(({ y, least = y, most = y }) => [y, least, most])
  const yAxis = logAxis(values, (failed.length * FAILED_PX) / HEIGHT_PX)
  const last = new Map(points.map(point => [point.subject, point]))
  const ends = [...last.values()]
  const places = spreadLabels(
    ends.map(({ y }) => y),
    yAxis,
    HEIGHT_PX,
    LABEL_GAP_PX,
  )
  const x = { field: 'x', type: 'quantitative', scale: xScale, axis: xAxis }
  const y = {
    field: 'y',
    type: 'quantitative',
    scale: { type: 'log', domain: yAxis.domain, nice: false },
    axis: { title: yTitle, values: yAxis.ticks, format: ',.6~g' },
  }
  const color = looked(looks, 'colour')
  const order = { field: 'x', type: 'quantitative' }
  const banded = points.filter(({ least }) => least !== undefined)
  return {
    title: { text: panel.name, subtitle: wrapText(panel.title, TITLE_CHARACTERS), frame: 'group' },
    width,
    height: HEIGHT_PX,
    layer: [
      {
        data: { values: banded },
        mark: { type: 'area', opacity: 0.16, aria: false },
        encoding: { x, y: { ...y, field: 'least' }, y2: { field: 'most' }, color },
      },
      {
        data: { values: points },
        mark: { type: 'line', strokeWidth: 1.8, aria: false },
        encoding: { x, y, color, order, strokeDash: looked(looks, 'dash') },
      },
      {
        data: { values: points.filter(({ about }) => about !== undefined) },
        mark: { type: 'point', filled: true, size: 46, opacity: 1 },
        encoding: { x, y, color, shape: looked(looks, 'shape'), description: { field: 'about', type: 'nominal' } },
      },
      {
        data: { values: ends.map(({ subject }, i) => ({ subject, y: places[i] })) },
        mark: { type: 'text', align: 'left', fontSize: 11, aria: false },
        encoding: { x: { value: width + 8 }, y, color, text: { field: 'subject', type: 'nominal' } },
      },
      ...failed.map((text, i) => ({
        data: { values: [{ text: `FAILED: ${text}` }] },
        mark: {
          type: 'text',
          align: 'left',
          baseline: 'top',
          fontSize: 11,
          fontWeight: 'bold',
          color: '#b00020',
          aria: false,
        },
        encoding: { x: { value: 6 }, y: { value: 2 + FAILED_PX * i }, text: { field: 'text', type: 'nominal' } },
      })),
    ],
  }
}

/** The percentiles that the axis names. They begin at the median, because a proxy shows in the tail. */
const NAMED_PERCENT = [50, 90, 99, 99.9, 99.99, 99.999, 99.9999]
/** The axis begins where one of two calls is slower, at the median. */
const FIRST = 2
/** Points of a curve for each tenth part of calls that is left. */
const STEPS = 24

/** A curve ends where a histogram has fewer values above, but not before the median: what one call did says nothing. */
const VALUES_ABOVE = 10

/** All rounds or slices of each together, as encoded histograms of microseconds. */
export interface LatencyPanel {
  readonly name: string
  readonly title: string
  readonly curves: readonly { readonly subject: string; readonly histogram: string }[]
  readonly failed: readonly string[]
}

/** The x axis says of how many calls one is slower, which spreads the tail out. The y axis is latency. */
export function latencySpec(panels: readonly LatencyPanel[], style: LineStyle): Spec {
  const drawn = panels.map(({ curves, ...panel }): LinePanel => {
    const points = curves.flatMap(({ subject, histogram }) => curveOf(subject, histogram))
    const most = Math.max(10, ...points.map(({ x }) => x))
    const named = NAMED_PERCENT.filter(percent => oneOf(percent) <= most * 1.001)
    return {
      ...panel,
      xScale: { type: 'log', domain: [FIRST, most], nice: false },
      xAxis: {
        title: 'share of calls that are not slower',
        values: named.map(oneOf),
        labelExpr: `${JSON.stringify(named.map(percent => `${percent} %`))}[round(log(datum.value) / LN10)]`,
        labelFlush: false,
        labelOverlap: false,
      },
      yTitle: 'latency, µs',
      points,
    }
  })
  return linesSpec(drawn, style)
}

/** Of how many calls one is slower: 99 % → 100. */
function oneOf(percent: number): number {
  return Number((100 / (100 - percent)).toPrecision(6))
}

function curveOf(subject: string, encoded: string): Point[] {
  const histogram = decodeFromCompressedBase64(encoded)
  const most = Math.max(FIRST, histogram.totalCount / VALUES_ABOVE)
  const at = (x: number, about?: string): Point => ({
    subject,
    x,
    y: Math.max(1, histogram.getValueAtPercentile(100 * (1 - 1 / x))),
    about,
  })
  const points: Point[] = []
  for (let step = Math.ceil(STEPS * Math.log10(FIRST)); 10 ** (step / STEPS) <= most; step++)
    points.push(at(10 ** (step / STEPS)))
  for (const percent of NAMED_PERCENT) {
    if (oneOf(percent) > most) continue
    const point = at(oneOf(percent))
    points.push({ ...point, about: `${subject}: ${percent} % of calls within ${point.y.toLocaleString('en')} µs` })
  }
  return points.sort((a, b) => a.x - b.x)
}
