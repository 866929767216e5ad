/** The pictures of a simulation. */
import type { Spec } from '../../src/bench/draw.ts'
import { type LinePanel, linesSpec, type Point } from '../../src/bench/lines.ts'
import type { Look } from '../../src/bench/look.ts'
import type { Deploy } from './deploy.ts'
import type { Spread } from './spread.ts'

/** What would be if each call went to any endpoint by chance. */
export const CHANCE = 'chance alone'

const LOOKS: ReadonlyMap<string, Look> = new Map([
  ['round-robin', { colour: '#d55e00', shape: 'square', dash: [1, 0] }],
  ['least-request', { colour: '#0060b0', shape: 'circle', dash: [1, 0] }],
  ['peak-ewma', { colour: '#009e73', shape: 'diamond', dash: [5, 3] }],
  [CHANCE, { colour: '#7a7a7a', shape: 'cross', dash: [2, 2] }],
  ['sessions', { colour: '#333333', shape: 'circle', dash: [1, 0] }],
  ['round-robin, slow start', { colour: '#d55e00', shape: 'triangle-up', dash: [5, 3] }],
  ['least-request, slow start', { colour: '#0060b0', shape: 'triangle-down', dash: [5, 3] }],
])

function subsetPanel(name: string, yTitle: string, points: readonly Point[]): LinePanel {
  const sizes = [...new Set(points.map(({ x }) => x))]
  return {
    ...{ name, title: '', failed: [], yTitle, points },
    xAxis: { title: 'endpoints in a subset', values: sizes, format: 'd' },
    xScale: { type: 'log', nice: false },
  }
}

/** @param chance the most to the mean by chance alone */
export function spreadPicture(all: readonly Spread[], chance: number, subtitle: string): Spec {
  const at = (subject: string, { subset }: Spread, y: number): Point => ({
    ...{ subject, x: subset!, y },
    about: `${subject}, subsets of ${subset}: ${y.toLocaleString('en', { maximumFractionDigits: 2 })}`,
  })
  const once = all.filter(({ balancer }) => balancer === all[0]!.balancer)
  const panels = [
    subsetPanel(
      'Sessions of all proxies together',
      'sessions',
      once.map(one => at('sessions', one, one.sessions)),
    ),
    subsetPanel('Calls of the endpoint with most', 'times the mean', [
      ...all.map(one => at(one.balancer, one, one.mostToMean)),
      ...once.map(one => at(CHANCE, one, chance)),
    ]),
    subsetPanel(
      'Latency, p99',
      'ms',
      all.map(one => at(one.balancer, one, one.p99Ms)),
    ),
  ]
  return linesSpec(panels, { looks: LOOKS, title: 'What subsets save and cost', subtitle })
}

export function deployPicture(all: readonly Deploy[], subtitle: string): Spec {
  const panel: LinePanel = {
    ...{ name: 'Latency, p99, during a rolling deploy', title: '', failed: [] },
    xAxis: { title: 'seconds since the deploy began' },
    xScale: { nice: false },
    yTitle: 'ms',
    points: all.flatMap(({ balancer, slowStart, moments }) =>
      moments.map(({ atMs, p99Ms }) => ({
        ...{ subject: slowStart ? `${balancer}, slow start` : balancer, x: atMs / 1_000, y: p99Ms },
      })),
    ),
  }
  return linesSpec([panel], { looks: LOOKS, title: 'What new endpoints cost', subtitle })
}
