/** Waiting for what no event tells. */
import type { GrpcProxy } from '../../src/index.ts'
import { PATIENCE_MS } from './inbox.ts'

/** Turns of the event loop in which most things come to pass. */
const QUICK_TURNS = 50
/** Between two looks at what takes longer: who waits leaves the core to what is waited for. */
const LOOK_MS = 2

/** @throws when it does not come to pass; `describe` says what is there instead */
export async function until(what: string, holds: () => boolean, describe: () => string = () => ''): Promise<void> {
  const patienceEnds = Date.now() + PATIENCE_MS
  for (let turns = 0; !holds(); turns++) {
    if (Date.now() > patienceEnds) throw new Error(`it did not come to pass: ${what} ${describe()}`)
    await new Promise(resolve => {
      if (turns < QUICK_TURNS) setImmediate(resolve)
      else setTimeout(resolve, LOOK_MS)
    })
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
