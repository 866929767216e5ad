/**
 * How a subject looks, the same in each chart of each run. The colours are those of Okabe and Ito and of Tol, which
 * colour-blind people can tell apart. The pale ones are darkened so that letters in them can be read on white. Shapes
 * differ too.
 */
import type { Look } from '../../src/bench/look.ts'
import type { SubjectRecord } from './record.ts'

const SOLID: readonly number[] = [1, 0]
const DASHED: readonly number[] = [5, 3]

const KNOWN: Readonly<Record<string, Look>> = {
  direct: { colour: '#333333', shape: 'cross', dash: [2, 2] },
  'tcp-relay': { colour: '#7a7a7a', shape: 'cross', dash: [2, 2] },
  'haproxy-tcp': { colour: '#a08f74', shape: 'cross', dash: [2, 2] },
  'by-hand': { colour: '#2a9d8f', shape: 'diamond', dash: DASHED },
  frames: { colour: '#0060b0', shape: 'circle', dash: SOLID },
  native: { colour: '#3d9bd8', shape: 'circle', dash: SOLID },
  'native-frames': { colour: '#332288', shape: 'circle', dash: DASHED },
  'frames-native': { colour: '#6f6fd0', shape: 'circle', dash: DASHED },
  nghttpx: { colour: '#d55e00', shape: 'square', dash: SOLID },
  haproxy: { colour: '#009e73', shape: 'diamond', dash: SOLID },
  nginx: { colour: '#c28a00', shape: 'triangle-up', dash: SOLID },
  envoy: { colour: '#c0609c', shape: 'triangle-down', dash: SOLID },
  'http2-proxy': { colour: '#882255', shape: 'square', dash: DASHED },
  'grpc-js': { colour: '#8a8a1f', shape: 'diamond', dash: DASHED },
  'grpc-proxy': { colour: '#661100', shape: 'triangle-up', dash: DASHED },
}

const SPARE: readonly Look[] = [
  { colour: '#aa4499', shape: 'triangle-down', dash: DASHED },
  { colour: '#117733', shape: 'square', dash: SOLID },
  { colour: '#994f00', shape: 'triangle-up', dash: SOLID },
  { colour: '#5d3a9b', shape: 'triangle-down', dash: SOLID },
  { colour: '#000000', shape: 'square', dash: DASHED },
]

/** @param subjects those that are not known take the spare looks in this order, again from the first after the last */
export function looksOf(subjects: readonly SubjectRecord[]): ReadonlyMap<string, Look> {
  let spare = 0
  return new Map(
    subjects.map(({ name }) => {
      const known = Object.hasOwn(KNOWN, name) ? KNOWN[name] : undefined
      return [name, known ?? SPARE[spare++ % SPARE.length]!]
    }),
  )
}
