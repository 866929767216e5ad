/** Scenarios about memory, each measurement in a process that did nothing else before. */
import { fileURLToPath } from 'node:url'
import { generate } from '../load/generator.ts'
import type { IdleReport } from '../load/idle.ts'
import { Child, OPEN_FILES } from '../measure/child.ts'
import { resetPeak, treeUsage } from '../measure/process-tree.ts'
import type { Metric, Sample } from '../report/record.ts'
import { NODE } from '../subjects/verbatim.ts'
import type { WorldOptions } from '../subjects/world.ts'
import { addressOf, ownLoad } from './load.ts'
import { LeftOut, type Scenario, type Target } from './scenario.ts'
import { COUNTS_WORK } from './work.ts'

const IDLE_PROGRAM = fileURLToPath(new URL('../load/idle.ts', import.meta.url))
/** Our proxy's own limit. */
const IDLE_CONNECTIONS = 10_000
/** These come before, so that what is loaded or compiled with the first connection does not count for the others. */
const WARM_UP_CONNECTIONS = 200
const SETTLE_MS = 3_000
const CONNECT_SECONDS = 3
const TIMEOUT_MS = 60_000
const START_SECONDS = 1
const MEBIBYTE = 2 ** 20
/** Fewer rounds could never show a difference; more take long, because each needs a process. */
const MAX_ROUNDS = 5

const IN_ALL: Metric = { name: 'memory', unit: 'MiB', digits: 0, better: 'less' }
const PER_CONNECTION: Metric = { name: 'memory a connection', unit: 'KiB', digits: 1, better: 'less' }

/** Connections with preface and SETTINGS, and no call. */
export function idle(world: WorldOptions): Scenario {
  return {
    name: 'idle',
    title: `${IDLE_CONNECTIONS.toLocaleString('en')} open client connections without a call`,
    world,
    load: 'own',
    freshProcess: true,
    maxRounds: MAX_ROUNDS,
    metrics: [PER_CONNECTION, IN_ALL],
    cost: () => ({
      openSeconds: 0,
      measureSeconds: 2 * (START_SECONDS + SETTLE_MS / 1000) + CONNECT_SECONDS,
    }),
    async open(target) {
      const pid = pidOf(target)
      await idleSample(target, pid, WARM_UP_CONNECTIONS)
      return { measure: async () => ({ sample: await idleSample(target, pid, IDLE_CONNECTIONS) }) }
    },
  }
}

async function idleSample({ proxy }: Target, pid: number, connections: number): Promise<Sample> {
  const before = treeUsage(pid)
  const client = new Child({
    command: NODE,
    args: [IDLE_PROGRAM, String(proxy.port), String(connections), String(SETTLE_MS)],
    core: 1,
    openFiles: OPEN_FILES,
  })
  try {
    const { open, greeted } = JSON.parse(await client.line(TIMEOUT_MS)) as IdleReport
    if (open !== connections || greeted !== connections) {
      throw new Error(`of ${connections} connections ${open} stayed open, ${greeted} were greeted`)
    }
    const after = treeUsage(pid)
    return {
      [PER_CONNECTION.name]: (after.rssBytes - before.rssBytes) / 1024 / connections,
      [IN_ALL.name]: after.rssBytes / MEBIBYTE,
    }
  } finally {
    await client.kill()
  }
}

const READERS = { connections: 10, streams: 10 } as const
/** The rate of each reader: it needs four seconds for what the backend could send at once. */
const READ_BYTES_PER_SECOND = 1_048_576
const DOWNLOAD = { kind: 'server-stream', messages: 256, messageBytes: 16_384 } as const
const OFFERED_BYTES = READERS.connections * READERS.streams * DOWNLOAD.messages * DOWNLOAD.messageBytes
const SLOW_SECONDS = (DOWNLOAD.messages * DOWNLOAD.messageBytes) / READ_BYTES_PER_SECOND

const GROWTH: Metric = { name: 'memory grown by', unit: 'MiB', digits: 1, better: 'less' }
const PER_CALL: Metric = { name: 'held a call', unit: 'KiB', digits: 0, better: 'less' }
/** The share of all that the backend had to send. Near 100, the sender was not held back. */
const HELD: Metric = { name: 'held of all', unit: '%', digits: 1, better: 'less' }

/**
 * A hundred readers that take less than the backend could send. The growth of the subject's memory
 * is the most that it holds of it; a subject that holds its sender back does not hold all.
 */
export function slowReader(world: WorldOptions): Scenario {
  return {
    name: 'slow-reader',
    title:
      `${READERS.connections} connections × ${READERS.streams} slow readers, ` +
      `${OFFERED_BYTES / MEBIBYTE} MiB offered, ${READ_BYTES_PER_SECOND / 1024} KiB/s each taken`,
    world,
    load: 'own',
    freshProcess: true,
    maxRounds: MAX_ROUNDS,
    metrics: [GROWTH, PER_CALL, HELD, { ...IN_ALL, name: 'peak memory' }],
    cost: () => ({ openSeconds: 0, measureSeconds: 3 * START_SECONDS + SLOW_SECONDS }),
    async open(target) {
      const pid = pidOf(target)
      const calls = READERS.connections * READERS.streams
      await ownLoad({ ...DOWNLOAD, messages: 1 }, READERS)(target, calls)
      return { measure: async () => ({ sample: await slowSample(target, pid, calls) }) }
    },
  }
}

async function slowSample(target: Target, pid: number, calls: number): Promise<Sample> {
  const before = treeUsage(pid).rssBytes
  resetPeak(pid)
  await generate({
    ...addressOf(target),
    connections: READERS.connections,
    shape: DOWNLOAD,
    mode: { kind: 'closed', streams: READERS.streams, calls },
    readBytesPerSecond: READ_BYTES_PER_SECOND,
  })
  const peak = treeUsage(pid).peakBytes
  const grown = Math.max(0, peak - before)
  return {
    [GROWTH.name]: grown / MEBIBYTE,
    [PER_CALL.name]: grown / 1024 / calls,
    [HELD.name]: (grown / OFFERED_BYTES) * 100,
    'peak memory': peak / MEBIBYTE,
  }
}

function pidOf({ proxy }: Target): number {
  if (proxy.child === undefined) throw new LeftOut('there is no process whose memory could be measured')
  if (!COUNTS_WORK) throw new LeftOut('memory is read from /proc, which this machine does not have')
  return proxy.child.pid
}
