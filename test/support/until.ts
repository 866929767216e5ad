/** Waiting for what no event tells. */
import type { GrpcProxy } from '../../src/index.ts'
import { PATIENCE_MS } from './inbox.ts'

/** @throws when it does not come to pass; `describe` says what is there instead */
export async function until(what: string, holds: () => boolean, describe: () => string = () => ''): Promise<void> {
  const patienceEnds = Date.now() + PATIENCE_MS
  while (!holds()) {
    if (Date.now() > patienceEnds) throw new Error(`it did not come to pass: ${what} ${describe()}`)
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** No call is left, and nothing of one: no place in a queue, no backend stream, no timer. */
export function idle(proxy: GrpcProxy): Promise<void> {
  const open = () => {
    const { calls, waitingCalls, backendStreams, timers } = proxy.counts()
    return calls + waitingCalls + backendStreams + timers
  }
  return until(
    'nothing is left of the calls',
    () => open() === 0,
    () => JSON.stringify(proxy.counts()),
  )
}
