/** Draws a vega-lite specification as SVG, without a browser. */
import * as vega from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'

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

/** What vega-lite shall draw; its own types would take longer to satisfy than what they find is worth. */
export type Spec = Readonly<Record<string, unknown>>

/** @param label for those who cannot see it @throws Error when vega-lite does not understand the specification */
export async function draw(spec: Spec, label: string): Promise<string> {
  const complaints: string[] = []
  const complain = (...texts: readonly unknown[]) => {
    complaints.push(texts.join(' '))
    return logger
  }
  const quiet = () => logger
  const logger = { level: quiet, error: complain, warn: complain, info: quiet, debug: quiet }
  const { spec: runtime } = compile({ ...spec, config: CONFIG } as unknown as TopLevelSpec, { logger: logger as never })
  if (complaints.length > 0) throw new Error(`vega-lite: ${complaints.join('; ')}`)
  const view = new vega.View(vega.parse(runtime), { renderer: 'none' })
  try {
    const svg = await view.toSVG()
    return svg.replace('<svg ', `<svg role="img" aria-label="${escapeText(label)}" `)
  } finally {
    view.finalize()
  }
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
// Vega's own way to have text measured by somebody else; its types do not know it.
;(vega as unknown as { textMetrics: { width: typeof textWidth } }).textMetrics.width = textWidth

/** For text and attributes of HTML and SVG. */
export function escapeText(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return text.replace(/[&<>"']/g, character => entities[character]!)
}
