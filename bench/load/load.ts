/** One load from its options to its report, in this process. `generate.ts` is the process around it. */
import { bytesOf, planOf } from './call-plan.ts'
import { runClosed } from './closed-mode.ts'
import { runConnect } from './connect-mode.ts'
import { Connections } from './connections.ts'
import { runOpen } from './open-mode.ts'
import { type Outcome, percentilesOf } from './outcome.ts'
import type { LoadOptions, LoadReport } from './shape.ts'

/** @throws Error with the reason when a single call failed, or a connection; RangeError for options that cannot be */
export async function load(options: LoadOptions): Promise<LoadReport> {
  const plan = planOf(options.shape)
  const connections = new Connections(options, plan)
  try {
    const { calls, seconds, latency, lag } = await run(options, connections)
    return {
      calls,
      seconds,
      // Each call was checked against its whole plan.
      dataBytes: calls * bytesOf(plan),
      messages: calls * (plan.request.count + plan.response.count),
      latency: percentilesOf(latency),
      ...(lag === undefined ? {} : { lag: percentilesOf(lag) }),
    }
  } finally {
    connections.stop()
  }
}

function run({ mode }: LoadOptions, connections: Connections): Promise<Outcome> {
  switch (mode.kind) {
    case 'closed':
      return runClosed(connections, mode)
    case 'open':
      return runOpen(connections, mode)
    case 'connect':
      return runConnect(connections, mode)
  }
}
