/** The percentile curves of a report as SVG. vega and vega-lite draw, where the user has them. */
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import { BenchFailure } from './problem.ts'
import type { Report } from './report.ts'

/** Draws a vega-lite specification. */
export type Draw = (specification: object) => Promise<string>

interface VegaLite {
  compile(specification: object): { spec: object }
}

interface Vega {
  parse(specification: object): object
  readonly View: new (runtime: object, options: { renderer: 'none' }) => { toSVG(): Promise<string>; finalize(): void }
}

/**
 * Finds the libraries; they are optional, so that who wants no page need not have them.
 * @throws BenchFailure with the line that installs them
 */
export async function loadDraw(): Promise<Draw> {
  const vega = await libraryOf<Vega>('vega')
  const vegaLite = await libraryOf<VegaLite>('vega-lite')
  return async specification => {
    const view = new vega.View(vega.parse(vegaLite.compile(specification).spec), { renderer: 'none' })
    try {
      return await view.toSVG()
    } finally {
      view.finalize()
    }
  }
}

/** Beside this package, or where the user is: `npm install` does not put them beside a global install or npx's. */
async function libraryOf<T>(name: string): Promise<T> {
  try {
    return await import(name)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  const here = createRequire(path.join(process.cwd(), 'package.json'))
  try {
    return await import(pathToFileURL(here.resolve(name)).href)
  } catch (error) {
    if (!isMissing(error)) throw error
    throw new BenchFailure('--html needs, in this folder: npm install vega vega-lite')
  }
}

function isMissing(error: unknown): boolean {
  return ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes((error as NodeJS.ErrnoException).code ?? '')
}

/** Points of a curve: more would not be seen. */
const POINTS = 120
/** As on paper for HDR histograms: each further nine has the same width. */
const NINES = [0, 50, 90, 99, 99.9, 99.99, 99.999] as const
const COLOURS = { direct: '#2b7a4b', via: '#b3441e' } as const

/** Latency (milliseconds, logarithmic) by percentile. */
export function curves({ ways }: Report): object {
  const points = ways.flatMap(({ name, histogram }) => {
    const latency = decodeFromCompressedBase64(histogram)
    const { totalCount } = latency
    if (totalCount === 0) return []
    return Array.from({ length: POINTS }, (_, i) => {
      const beyond = totalCount ** (i / (POINTS - 1))
      // Beyond the last point is nothing: it is the largest.
      const us = latency.getValueAtPercentile(i === POINTS - 1 ? 100 : 100 - 100 / beyond)
      return { way: name, beyond, ms: Math.max(us, 1) / 1_000 }
    })
  })
  const names = ways.map(({ name }) => name)
  const most = Math.max(2, ...points.map(({ beyond }) => beyond))
  const ticks = NINES.map(percentile => 100 / (100 - percentile)).filter(beyond => beyond <= most * 1.001)
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: 760,
    height: 380,
    background: 'white',
    data: { values: points },
    mark: { type: 'line', interpolate: 'step-before', strokeWidth: 2 },
    encoding: {
      x: {
        field: 'beyond',
        type: 'quantitative',
        title: 'percentile of calls',
        scale: { type: 'log', domain: [1, most] },
        // Rounded to what floating point leaves of 99.9.
        axis: {
          values: ticks,
          labelExpr: `format(round(1e5 * (100 - 100 / datum.value)) / 1e5, '~r') + ' %'`,
          grid: true,
        },
      },
      y: {
        field: 'ms',
        type: 'quantitative',
        title: 'latency, ms',
        scale: { type: 'log', nice: true },
        axis: { format: '~r', grid: true },
      },
      color: {
        field: 'way',
        type: 'nominal',
        title: null,
        scale: { domain: names, range: names.map(name => COLOURS[name]) },
        legend: { orient: 'top-left' },
      },
    },
    config: {
      font: 'system-ui, sans-serif',
      axis: { labelFontSize: 12, titleFontSize: 13 },
      legend: { labelFontSize: 13 },
    },
  }
}
