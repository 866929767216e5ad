/** This project's proxy with each of its balancers, beside round robin: for `balance-3` and `balance-100`. */
import type { Contender } from './contender.ts'
import { PAIRS, THIS_TREE, verbatim } from './verbatim.ts'

/** New in each call of these scenarios, so that calls are spread as by a key of users. */
const key = { metadata: 'traceparent' }

const BALANCERS: Readonly<Record<string, object>> = {
  'round-robin': { kind: 'round-robin' },
  'least-request': { kind: 'least-request' },
  'peak-ewma': { kind: 'peak-ewma' },
  'weighted-round-robin': { kind: 'weighted-round-robin' },
  'pick-first': { kind: 'pick-first' },
  'ring-hash': { kind: 'ring-hash', key },
  'ring-hash-bounded': { kind: 'ring-hash', key, boundedLoad: 1.25 },
  maglev: { kind: 'maglev', key },
}

export const BALANCED: readonly Contender[] = Object.entries(BALANCERS).map(([name, balancer]) => ({
  ...verbatim(`by-${name}`, PAIRS.frames!, THIS_TREE, { balancer }),
  title: `grpc-verbatim, frames on both sides, ${name}`,
  routed: false,
  balanced: true,
}))
