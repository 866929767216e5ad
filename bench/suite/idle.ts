/** Memory of connections that do nothing. */
import { fileURLToPath } from 'node:url'
import type { IdleReport } from '../load/idle.ts'
import { Child } from '../measure/child.ts'
import { treeUsage } from '../measure/process-tree.ts'
import { OPEN_FILES } from '../subjects/contender.ts'
import { NODE } from '../subjects/verbatim.ts'
import { PLAIN, type Sample, type Scenario, type Target } from './scenario.ts'

const PROGRAM = fileURLToPath(new URL('../load/idle.ts', import.meta.url))
/** Our proxy's own limit. */
const CONNECTIONS = 10_000
/** Before: what is loaded or compiled with the first connection is not the price of the others. */
const WARM_UP_CONNECTIONS = 200
const SETTLE_MS = 3_000
const TIMEOUT_MS = 60_000

export const idle: Scenario = {
  name: 'idle',
  title: `${CONNECTIONS.toLocaleString('en')} open client connections without a call`,
  world: PLAIN,
  needs: [],
  freshProcess: true,
  maxRounds: 3,
  metrics: [
    { name: 'KiB/connection', digits: 1 },
    { name: 'MiB in all', digits: 0 },
  ],
  async open(target) {
    await measure(target, WARM_UP_CONNECTIONS)
    return () => measure(target, CONNECTIONS)
  },
}

async function measure({ proxy }: Target, connections: number): Promise<Sample> {
  const before = treeUsage(proxy.child.pid)
  const client = new Child({
    command: NODE,
    args: [PROGRAM, String(proxy.port), String(connections), String(SETTLE_MS)],
    core: 1,
    openFiles: OPEN_FILES,
  })
  try {
    const { open, greeted } = JSON.parse(await client.line(TIMEOUT_MS)) as IdleReport
    if (open !== connections || greeted !== connections) {
      throw new Error(`of ${connections} connections ${open} stayed open, ${greeted} were greeted`)
    }
    const after = treeUsage(proxy.child.pid)
    return {
      'KiB/connection': (after.rssBytes - before.rssBytes) / 1024 / connections,
      'MiB in all': after.rssBytes / 2 ** 20,
    }
  } finally {
    await client.kill()
  }
}
