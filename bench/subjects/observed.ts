/**
 * This project's proxy with what operators switch on, each beside the subject `frames`, where all of it is off:
 * `npm run bench -- --only m100 --subjects frames,with-metrics,with-access-log`.
 */
import type { Contender } from './contender.ts'
import { PAIRS, THIS_TREE, verbatim } from './verbatim.ts'

const OBSERVED: Readonly<Record<string, object>> = {
  // The lines go where the output of the subject goes: nowhere.
  'access-log': { log: { level: 'info', access: true } },
  metrics: { metrics: true },
  // On one core: what handing connections over and a second process cost. `bench/workers.ts` gives them all cores.
  'workers-1': { workers: 1 },
  'workers-2': { workers: 2 },
  // Nobody is there: of calls that are not kept nothing is sent, and of the others it is refused.
  'traces-not-kept': { traces: { otlp: { url: 'http://127.0.0.1:9' }, sample: { ratio: 0 } } },
  'traces-1-percent': { traces: { otlp: { url: 'http://127.0.0.1:9' }, sample: { ratio: 0.01 } } },
}

/** They take part only where they are named. */
export const OBSERVED_ONES: readonly Contender[] = Object.entries(OBSERVED).map(([name, options]) => ({
  ...verbatim(`with-${name}`, PAIRS.frames!, THIS_TREE, {}, () => options),
  title: `grpc-verbatim, frames on both sides, with ${name}`,
}))
