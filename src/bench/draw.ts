/** Draws a vega-lite specification as SVG, without a browser. It needs vega and vega-lite, which the user may have. */
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { escapeText } from './html.ts'
import { BenchFailure } from './problem.ts'

const FONT = 'Arial, "Liberation Sans", Helvetica, sans-serif'
const INK = '#222222'
const PALE = '#666666'

/** The background is white, so that a chart can be read on a dark page too. */
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
  /** Vega's own way to let somebody else measure text. Its types do not have it, and an old vega may not either. */
  readonly textMetrics?: { width: typeof textWidth }
}

/**
 * Finds the libraries; they are optional, because they are needed only for a page.
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

/**
 * Looks next to this package, then in the user's folder: `npm install` does not put them next to a global install or
 * npx's.
 */
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

/** Widths in thousandths of the font size, as in Arial and Liberation Sans. Other characters count as 560. */
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

/** Without a canvas vega takes each character to be almost as wide as a capital W, and leaves large gaps. */
function textWidth(item: { fontSize?: number; text?: unknown }, text: unknown = item.text): number {
  let width = 0
  for (const character of String(text ?? '')) {
    width += CHARACTER_WIDTHS.find(([characters]) => characters.test(character))?.[1] ?? OTHER_WIDTH
  }
  return (width / 1000) * (item.fontSize ?? 11) * RESERVE
}
