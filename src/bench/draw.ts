/** Draws a vega-lite specification as SVG, without a browser. vega and vega-lite draw, where the user has them. */
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { escapeText } from './html.ts'
import { BenchFailure } from './problem.ts'

const FONT = 'Arial, "Liberation Sans", Helvetica, sans-serif'
const INK = '#222222'
const PALE = '#666666'

/** White behind all, so that a chart reads on a dark page too. */
const CONFIG = {
  background: '#ffffff',
  font: FONT,
  padding: 12,
  view: { stroke: null },
  axis: {
    labelColor: PALE,
    titleColor: PALE,
    titleFontWeight: 'normal',
    labelFontSize: 11,
    titleFontSize: 11,
    gridColor: '#e8e8e8',
    domainColor: '#bbbbbb',
    tickColor: '#bbbbbb',
  },
  title: { anchor: 'start', color: INK, subtitleColor: PALE, fontSize: 13, subtitleFontSize: 11, offset: 8 },
} as const

/** What vega-lite draws. Its own types would take longer to satisfy than what they find is worth. */
export type Spec = Readonly<Record<string, unknown>>

/** @param label for those who cannot see it @throws Error when vega-lite does not understand the specification */
export type Draw = (spec: Spec, label: string) => Promise<string>

interface VegaLite {
  compile(spec: Spec, options: { logger: object }): { spec: object }
}

interface Vega {
  parse(spec: object): object
  readonly View: new (runtime: object, options: { renderer: 'none' }) => { toSVG(): Promise<string>; finalize(): void }
  /** Vega's own way to have text measured by somebody else; its types do not have it, and an old vega may not. */
  readonly textMetrics?: { width: typeof textWidth }
}

/**
 * Finds the libraries; they are optional, so that who wants no page need not have them.
 * @throws BenchFailure with the line that installs them
 */
export async function loadDraw(): Promise<Draw> {
  const vega = await libraryOf<Vega>('vega')
  const { compile } = await libraryOf<VegaLite>('vega-lite')
  if (vega.textMetrics !== undefined) vega.textMetrics.width = textWidth
  return async (spec, label) => {
    const complaints: string[] = []
    const complain = (...texts: readonly unknown[]) => {
      complaints.push(texts.join(' '))
      return logger
    }
    const quiet = () => logger
    const logger = { level: quiet, error: complain, warn: complain, info: quiet, debug: quiet }
    const { spec: runtime } = compile({ ...spec, config: CONFIG }, { logger })
    if (complaints.length > 0) throw new Error(`vega-lite: ${complaints.join('; ')}`)
    const view = new vega.View(vega.parse(runtime), { renderer: 'none' })
    try {
      const svg = await view.toSVG()
      return svg.replace('<svg ', `<svg role="img" aria-label="${escapeText(label)}" `)
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

/** Widths in thousandths of the font size, as in Arial and Liberation Sans; of what is not here, 560. */
const CHARACTER_WIDTHS: readonly (readonly [characters: RegExp, width: number])[] = [
  [/[ijlI|']/, 230],
  [/[ ft.,:;!/\\[\]]/, 278],
  [/[-r()"]/, 333],
  [/[cksvxyzJ]/, 500],
  [/[mM%@—]/, 860],
  [/[wCDGHNOQRUA-Z]/, 700],
]
const OTHER_WIDTH = 560
/** Other fonts are wider. */
const RESERVE = 1.04

/** Without a canvas vega takes each character for as wide as a capital W nearly, and leaves gaps accordingly. */
function textWidth(item: { fontSize?: number; text?: unknown }, text: unknown = item.text): number {
  let width = 0
  for (const character of String(text ?? '')) {
    width += CHARACTER_WIDTHS.find(([characters]) => characters.test(character))?.[1] ?? OTHER_WIDTH
  }
  return (width / 1000) * (item.fontSize ?? 11) * RESERVE
}
