/** What a server's connection is tested with: one rule, its input whole and cut small. */
import t, { type Test } from 'tap'
import type { ConnectionLimits } from '../../src/wire/connection-options.ts'
import { Rig } from './connection-rig.ts'

/** A call's `REQUEST`, as its owner is told. */
export const HEAD = 'headers :method=POST,:scheme=http,:path=/a.B/C,:authority=x,te=trailers'
/** No probes, and windows as they are at first. */
export const PLAIN: ConnectionLimits = {
  maxStreamWindow: 65_535,
  initialConnectionWindow: 65_535,
  maxConnectionWindow: 65_535,
}

/** Runs `body` with whole chunks, single bytes, and odd pieces. */
export function rule(name: string, body: (rig: Rig, t: Test) => void, limits: ConnectionLimits = {}): void {
  t.test(name, async t => {
    for (const pieces of [Number.POSITIVE_INFINITY, 1, 7]) {
      const rig = new Rig('server', { ...PLAIN, ...limits })
      rig.pieces = pieces
      body(rig.begin(), t)
    }
  })
}
