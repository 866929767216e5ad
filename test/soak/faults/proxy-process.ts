/** The proxy in a process of its own, so that the memory is its own; told and asked by messages. */
import { createProxy, type GrpcProxy, type OpenCounts } from '../../../src/index.ts'

export interface Start {
  readonly downstream: 'native' | 'frames'
  readonly upstream: 'native' | 'frames'
  readonly calm: string[]
  readonly storm: string[]
}

export type Question =
  | { readonly ask: 'start'; readonly start: Start }
  /** Answered when nothing but backend sessions is open, or after `withinMs`. */
  | { readonly ask: 'idle'; readonly withinMs: number; readonly backendSessions: boolean }
  | { readonly ask: 'memory' }
  | { readonly ask: 'close' }

export interface Report {
  readonly port?: number
  readonly idle?: boolean
  readonly counts: OpenCounts
  readonly resources: readonly string[]
  readonly heapBytes: number
  readonly rssBytes: number
}

let proxy: GrpcProxy
const collectGarbage = (globalThis as { gc?: () => void }).gc!

async function start({ downstream, upstream, calm, storm }: Start): Promise<number> {
  const quick = {
    transport: upstream,
    connectTimeoutMs: 1_000,
    backoff: { initialMs: 50, multiplier: 1.6, maxMs: 400, jitter: 0.2 },
  }
  proxy = createProxy({
    backends: { calm: { endpoints: calm, ...quick }, storm: { endpoints: storm, ...quick } },
    routes: [
      { match: { service: 'soak.calm' }, backend: 'calm' },
      { match: { service: 'soak.storm' }, backend: 'storm' },
    ],
    log: { level: 'silent' },
  })
  return (await proxy.listen({ host: '127.0.0.1', port: 0, transport: downstream })).port
}

function isIdle(backendSessions: boolean): boolean {
  const counts = proxy.counts()
  const open = Object.values(counts).reduce((a, b) => a + b, 0)
  return open === (backendSessions ? counts.backendSessions : 0)
}

async function idle(withinMs: number, backendSessions: boolean): Promise<boolean> {
  const giveUp = performance.now() + withinMs
  while (!isIdle(backendSessions)) {
    if (performance.now() > giveUp) return false
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return true
}

async function settleMemory(): Promise<void> {
  // What ended in this turn lets go in the next ones; finalizers of buffers come after a collection.
  for (let i = 0; i < 4; i++) {
    collectGarbage()
    await new Promise(resolve => setImmediate(resolve))
  }
}

async function answer(question: Question): Promise<Partial<Report>> {
  switch (question.ask) {
    case 'start':
      return { port: await start(question.start) }
    case 'idle':
      return { idle: await idle(question.withinMs, question.backendSessions) }
    case 'memory':
      await settleMemory()
      return {}
    case 'close':
      await proxy.close()
      closed = true
      return {}
  }
}

let closed = false
// The test is gone; after a `close` nothing may keep the process alive, so nothing is done.
process.on('disconnect', () => {
  if (!closed) process.exit(1)
})

process.on('message', async (question: Question) => {
  const told = await answer(question)
  const { heapUsed, external, rss } = process.memoryUsage()
  const report: Report = {
    ...told,
    counts: proxy.counts(),
    resources: process.getActiveResourcesInfo().sort(),
    heapBytes: heapUsed + external,
    rssBytes: rss,
  }
  process.send!(report)
})
