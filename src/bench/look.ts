/** How a subject looks in a chart. */
import type { Spec } from './draw.ts'

export interface Look {
  readonly colour: string
  readonly shape: 'circle' | 'square' | 'diamond' | 'triangle-up' | 'triangle-down' | 'cross'
  /** Dashes and gaps of a line, in pixels. */
  readonly dash: readonly number[]
}

/** The encoding of a subject's look, without a legend: its name is next to it. */
export function looked(looks: ReadonlyMap<string, Look>, what: 'colour' | 'shape' | 'dash'): Spec {
  return {
    field: 'subject',
    type: 'nominal',
    scale: { domain: [...looks.keys()], range: [...looks.values()].map(look => look[what]) },
    legend: null,
  }
}
