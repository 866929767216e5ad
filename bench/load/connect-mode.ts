/**
 * Makes each call on a connection of its own: connect, preface, call, close. As many run at a time as there are
 * connections.
 */
import { newHistogram, recordMs } from '../../src/bench/histogram.ts'
import type { Caller } from './caller.ts'
import type { Connections } from './connections.ts'
import type { Outcome } from './outcome.ts'
import type { ConnectMode } from './shape.ts'
import { wholeNumber } from './whole-number.ts'

/** @throws Error with the first connection that did not come about, or the first call that failed */
export async function runConnect(connections: Connections, { calls }: ConnectMode): Promise<Outcome> {
  wholeNumber('calls', calls)
  const latency = newHistogram()
  const open = connections.opener(1)
  let left = calls
  const place = async (): Promise<void> => {
    while (left > 0) {
      left--
      const begun = performance.now()
      const problem = await oneCall(open)
      recordMs(latency, performance.now() - begun)
      if (problem === undefined) continue
      left = 0
      throw new Error(problem)
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: Math.min(connections.count, calls) }, place))
  return { calls, seconds: (performance.now() - start) / 1_000, latency }
}

/** @returns why the call did not succeed */
async function oneCall(open: ReturnType<Connections['opener']>): Promise<string | undefined> {
  const ended = Promise.withResolvers<string | undefined>()
  const onEnd = (_caller: Caller, _intended: number, problem: string | undefined): void => ended.resolve(problem)
  const caller = await open({ onEnd, onLost: ended.resolve })
  caller.call(0)
  const problem = await ended.promise
  caller.close()
  return problem
}
